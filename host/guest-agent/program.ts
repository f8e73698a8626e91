/**
 * The agent: a program of 3 KB for any 64-bit RISC-V Linux, without libraries. It speaks `protocol.ts` on its standard
 * input, which is open for writing too; called with an argument, it serves system calls: `system-calls.ts`.
 *
 * One thread waits for the port, its processes' pipes and SIGCHLD in one epoll. It never waits for a process: pipes are
 * non-blocking, and each is armed for one event at a time (EPOLLONESHOT), which is armed again when there is room for
 * more. It does wait for the host, which takes whatever it is sent.
 */
import { assemble } from "../../assembly/isa/assemble.js";
import { elfProgram } from "./elf-program.js";
import { FRAMES } from "./program/frames.js";
import { LINUX } from "./program/linux-numbers.js";
import { MAIN_LOOP } from "./program/main-loop.js";
import { DATA, MEMORY, SLOT } from "./program/memory.js";
import { PROCESSES } from "./program/processes.js";
import { SERVE_SYSTEM_CALLS } from "./program/serve-system-calls.js";
import { STANDARD_INPUT } from "./program/standard-input.js";
import { START } from "./program/start.js";
import * as protocol from "./protocol.js";

const TEXT = 0x10000;

/**
 * Linux's system calls change a0 only. Kept by everybody: s0 epoll, s1 signalfd, s2 how much of RECEIVED is there,
 * s3 the event, s4 the end of the events, s5 the frame, s6 the end of what is received, s7 the slot, s8 the stream,
 * s10 the next frame. s9 and s11 are free within a handler.
 */
const SOURCE = [MAIN_LOOP, FRAMES, PROCESSES, STANDARD_INPUT, START, SERVE_SYSTEM_CALLS].join("");

/** The program as an ELF file. */
export function buildAgentProgram(): Uint8Array {
  const symbols = { ...numbersOf(protocol), HEADER: protocol.HEADER_BYTE_LENGTH, ...LINUX, ...SLOT, ...MEMORY.symbols };
  const definitions = Object.entries(symbols).map(([name, value]) => `.equ ${name}, ${value}\n`);
  const { bytes } = assemble(definitions.join("") + SOURCE, BigInt(TEXT));
  return elfProgram({ vaddr: TEXT, contents: bytes }, { vaddr: DATA, byteLength: MEMORY.byteLength });
}

/** What a module exports that a listing can name. */
function numbersOf(module: object): Readonly<Record<string, number>> {
  const numbers = Object.entries(module).filter(([, value]) => typeof value === "number");
  return Object.fromEntries(numbers);
}
