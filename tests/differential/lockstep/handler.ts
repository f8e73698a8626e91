import { assemble } from "../../../assembly/isa/assemble.js";
import {
  CLINT,
  CLINT_MTIMECMP,
  DEVICE_ACKNOWLEDGE,
  MACHINE_HANDLER,
  SAVED_HART,
  SAVED_PRIVILEGE,
  SAVED_RANDOM,
  SAVED_RECOVER,
  SAVED_REGISTERS,
  SAVED_SIGNATURE,
  SAVED_STACK,
} from "./layout.js";

const REGISTERS = [5, 6, 7, 28] as const;
const MSTATUS_MPRV = 0x2_0000;
const FS = 0x6000;

/** How the two handlers differ. */
interface Variant {
  readonly letter: "m" | "s";
  /** Lets the handler read code as the mode that trapped would, and takes that back. */
  readonly lend: string;
  readonly takeBack: string;
  /** Puts xPP, which is in x7, into xstatus and sets xPIE. */
  readonly setPrevious: string;
  /** Where the interrupt controllers are. */
  readonly clint: bigint;
  readonly device: bigint;
}

/**
 * A trap handler. It folds what it is told, and the instruction count, into a signature; steps over the instruction,
 * or goes on where the program said when that cannot be, or switches on floating point when that is missing; and sees
 * to interrupts, setting timers to strike again after a random number of instructions.
 */
function listing(v: Variant): string {
  const saved = (offset: number) => `${offset}(x2)`;
  const p = v.letter;
  return `
entry:
  csrrw x2, ${p}scratch, x2
  ${REGISTERS.map((r, n) => `sd x${r}, ${saved(SAVED_REGISTERS + 8 * n)}`).join("\n  ")}
  csrr x5, ${p}cause
  csrr x6, ${p}epc
  csrr x7, ${p}tval
  ld x28, ${saved(SAVED_SIGNATURE)}
  xor x28, x28, x5
  rori x28, x28, 7
  xor x28, x28, x6
  rori x28, x28, 11
  xor x28, x28, x7
  rori x28, x28, 13
  csrr x7, instret
  add x28, x28, x7
  sd x28, ${saved(SAVED_SIGNATURE)}
  bltz x5, interrupted
  li x7, 2
  bne x5, x7, other
  csrr x7, ${p}status           # an illegal instruction: for want of floating point?
  li x28, ${FS}
  and x7, x7, x28
  bnez x7, step
  li x28, 0x2000
  csrs ${p}status, x28
  j out
other:
  li x7, 1
  bgeu x7, x5, recover          # no code there
  li x7, 12
  beq x5, x7, recover
  addi x7, x5, -8               # a call from a mode that is not the program's own: it wants to come back
  li x28, 3
  bltu x28, x7, step
  slli x7, x7, 11
  ld x28, ${saved(SAVED_PRIVILEGE)}
  bne x7, x28, recover
step:
  la x28, nested
  csrrw x28, ${p}tvec, x28
  ${v.lend}
  lhu x5, 0(x6)
  ${v.takeBack}
  csrw ${p}tvec, x28
  andi x5, x5, 3
  addi x6, x6, 2
  li x7, 3
  bne x5, x7, 1f
  addi x6, x6, 2
1:
  csrw ${p}epc, x6
out:
  ${REGISTERS.map((r, n) => `ld x${r}, ${saved(SAVED_REGISTERS + 8 * n)}`).join("\n  ")}
  csrrw x2, ${p}scratch, x2
  ${p}ret

  .align 2
nested:
  csrw ${p}tvec, x28
  ${v.takeBack}
recover:
  ld x6, ${saved(SAVED_RECOVER)}
  csrw ${p}epc, x6
  ld x18, ${saved(SAVED_STACK)}
  ld x7, ${saved(SAVED_PRIVILEGE)}
  ${v.setPrevious}
  j out

interrupted:
  slli x5, x5, 1
  srli x5, x5, 1
  li x7, 3
  beq x5, x7, software
  li x7, 7
  beq x5, x7, timer
  li x7, 5
  beq x5, x7, supervisorTimer
  li x7, 1
  beq x5, x7, supervisorSoftware
  li x7, ${v.device}
  sw zero, ${DEVICE_ACKNOWLEDGE}(x7)
  j out
software:
  ld x7, ${saved(SAVED_HART)}
  slli x7, x7, 2
  li x28, ${v.clint}
  add x7, x7, x28
  sw zero, 0(x7)
  j out
supervisorSoftware:
  csrci ${p}ip, 2
  j out
timer:
  ${nextTime(saved(SAVED_RANDOM))}
  ld x28, ${saved(SAVED_HART)}
  slli x28, x28, 3
  li x6, ${v.clint + BigInt(CLINT_MTIMECMP - CLINT)}
  add x28, x28, x6
  sd x7, 0(x28)
  j out
supervisorTimer:
  ${nextTime(saved(SAVED_RANDOM))}
  csrw stimecmp, x7
  j out
`;
}

/** Into x7: the time in 100 to 1123 instructions. */
function nextTime(state: string): string {
  return `
  ld x7, ${state}
  li x28, 0x5851f42d4c957f2d
  mul x7, x7, x28
  addi x7, x7, 0x3b
  sd x7, ${state}
  srli x7, x7, 54
  addi x7, x7, 100
  csrr x28, time
  add x7, x7, x28`;
}

const handlers = new Map<bigint, Uint8Array>();

function once(at: bigint, make: () => Uint8Array): Uint8Array {
  const known = handlers.get(at) ?? make();
  handlers.set(at, known);
  return known;
}

export function machineHandler(): Uint8Array {
  return once(BigInt(MACHINE_HANDLER), assembleMachineHandler);
}

function assembleMachineHandler(): Uint8Array {
  return assemble(
    listing({
      letter: "m",
      lend: `li x7, ${MSTATUS_MPRV}; csrs mstatus, x7`,
      takeBack: `li x7, ${MSTATUS_MPRV}; csrc mstatus, x7`,
      setPrevious: "li x28, 0x1800; csrc mstatus, x28; ori x7, x7, 0x80; csrs mstatus, x7",
      clint: BigInt(CLINT),
      device: 0x1000_0000n,
    }),
    BigInt(MACHINE_HANDLER),
  ).bytes;
}

/** @param at where it lies, virtually, and the controllers do */
export function supervisorHandler(at: bigint, clint: bigint, device: bigint): Uint8Array {
  return once(at, () => assembleSupervisorHandler(at, clint, device));
}

function assembleSupervisorHandler(at: bigint, clint: bigint, device: bigint): Uint8Array {
  return assemble(
    listing({
      letter: "s",
      lend: "",
      takeBack: "",
      setPrevious: "li x28, 0x100; csrc sstatus, x28; srli x7, x7, 3; ori x7, x7, 0x20; csrs sstatus, x7",
      clint,
      device,
    }),
    at,
  ).bytes;
}
