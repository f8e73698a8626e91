/** Machines with the real processor, for tests that run guests of a few instructions. */
import { readFileSync } from "node:fs";
import { assemble } from "../../assembly/isa/assemble.js";
import { type WasmModule, wasm } from "../../host/core/wasm.js";
import { Machine, type MachineOptions } from "../../host/machine/machine.js";
import { NodeHostServices } from "../../host/platform/node/host-services.js";
import { elfFile } from "./elf-file.js";

let compiled: Promise<WasmModule> | null = null;

/** The processor, as `npm run build:core` made it. */
export function core(): Promise<WasmModule> {
  const module = compiled ?? wasm.compile(readFileSync(new URL("../../build/core.wasm", import.meta.url)));
  compiled = module;
  return module;
}

/** Addresses of the board, for programs. */
const BOARD = `
  .equ TEST, 0x100000
  .equ UART, 0x10000000
  .equ CLINT, 0x2000000
  .equ PLIC, 0xc000000
  .equ EID_BASE, 0x10
  .equ EID_TIME, 0x54494d45
  .equ EID_IPI, 0x735049
  .equ EID_HSM, 0x48534d
  .equ EID_SRST, 0x53525354
  .equ EID_DBCN, 0x4442434e
  .equ EID_STA, 0x535441
`;

/** A flat program for M-mode at 0x80000000. */
export function bare(listing: string): MachineOptions["boot"] {
  return { kind: "bare", program: assemble(BOARD + listing).bytes };
}

/** A kernel for S-mode at 0x80200000, with SBI served by the machine. */
export function kernel(listing: string): MachineOptions["boot"] {
  const { origin, bytes } = assemble(BOARD + listing, 0x8020_0000n);
  return {
    kind: "linux",
    kernel: elfFile({ entry: origin, segments: [{ vaddr: origin, contents: bytes }] }),
    commandLine: "",
  };
}

/** Listing of the bytes of a text. */
export function text(content: string): string {
  return `.byte ${[...Buffer.from(content)].join(", ")}`;
}

/** A machine, and what it has written to its serial console. */
export interface TestMachine {
  readonly machine: Machine;
  readonly output: () => string;
}

export async function createMachine(
  options: Pick<MachineOptions, "boot"> & Partial<MachineOptions>,
): Promise<TestMachine> {
  let output = "";
  const serial = {
    write: (bytes: Uint8Array): void => {
      output += Buffer.from(bytes).toString("latin1");
    },
  };
  const machine = await Machine.create({
    core: await core(),
    hartCount: 1,
    memoryByteLength: 16 * 1024 * 1024,
    clock: "virtual",
    drives: [],
    serial,
    host: new NodeHostServices(),
    ...options,
  });
  return { machine, output: () => output };
}
