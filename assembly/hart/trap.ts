import { Hart } from "../generated/hart";
import { refreshMode } from "../mmu/tlb";
import { CAUSE_ILLEGAL_INSTRUCTION, PRIVILEGE_MACHINE, PRIVILEGE_SUPERVISOR } from "../shared/causes";
import {
  MSTATUS_MIE,
  MSTATUS_MPIE,
  MSTATUS_MPP,
  MSTATUS_MPP_SHIFT,
  MSTATUS_MPRV,
  MSTATUS_SIE,
  MSTATUS_SPIE,
  MSTATUS_SPP,
} from "./status";

/** Bits of Hart.event. */
export const EVENT_TRAP: u32 = 1;
export const EVENT_ATTENTION: u32 = 0x100;

const INTERRUPT_BIT: u64 = 1 << 63;

/** Makes a trap pending: the instruction being executed has no further effect. */
export function raise(h: Hart, cause: u32, tval: u64): void {
  h.pendingCause = cause;
  h.pendingTval = tval;
  h.event |= EVENT_TRAP;
}

/** Raises an illegal-instruction exception; mtval is the instruction, which `takeTrap` reads where it stands. */
export function raiseIllegal(h: Hart): void {
  raise(h, CAUSE_ILLEGAL_INSTRUCTION, 0);
}

/** Enters the handler of the pending exception; pc is the instruction that caused it. */
export function takeTrap(h: Hart): void {
  const cause = h.pendingCause;
  h.event &= ~EVENT_TRAP;
  const delegated = h.privilege <= PRIVILEGE_SUPERVISOR && ((h.medeleg >> cause) & 1) != 0;
  enterHandler(h, cause, h.pendingTval, delegated);
}

/** Enters the handler of interrupt `number`. */
export function takeInterrupt(h: Hart, number: u32): void {
  enterHandler(h, INTERRUPT_BIT | number, 0, ((h.mideleg >> number) & 1) != 0);
}

function enterHandler(h: Hart, cause: u64, tval: u64, toSupervisor: bool): void {
  const status = h.mstatus;
  if (toSupervisor) {
    h.sepc = h.pc;
    h.scause = cause;
    h.stval = tval;
    h.mstatus =
      (status & ~(MSTATUS_SPIE | MSTATUS_SIE | MSTATUS_SPP)) |
      ((status & MSTATUS_SIE) << 4) |
      (h.privilege == PRIVILEGE_SUPERVISOR ? MSTATUS_SPP : 0);
    h.privilege = PRIVILEGE_SUPERVISOR;
    h.pc = handlerAddress(h.stvec, cause);
  } else {
    h.mepc = h.pc;
    h.mcause = cause;
    h.mtval = tval;
    h.mstatus =
      (status & ~(MSTATUS_MPIE | MSTATUS_MIE | MSTATUS_MPP)) |
      ((status & MSTATUS_MIE) << 4) |
      ((<u64>h.privilege) << MSTATUS_MPP_SHIFT);
    h.privilege = PRIVILEGE_MACHINE;
    h.pc = handlerAddress(h.mtvec, cause);
  }
  refreshMode(h);
}

/** Vectored mode (bit 0 of tvec) sends interrupts, not exceptions, to base + 4 * cause. */
function handlerAddress(tvec: u64, cause: u64): u64 {
  const base = tvec & ~3;
  return (tvec & 1) != 0 && cause >= INTERRUPT_BIT ? base + (cause << 2) : base;
}

/** MRET: back to the privilege in MPP. */
export function returnFromMachine(h: Hart): void {
  const status = h.mstatus;
  const previous = <u32>((status & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT);
  let next = status & ~(MSTATUS_MIE | MSTATUS_MPP);
  next |= ((status & MSTATUS_MPIE) >> 4) | MSTATUS_MPIE;
  if (previous != PRIVILEGE_MACHINE) next &= ~MSTATUS_MPRV;
  h.mstatus = next;
  h.privilege = previous;
  h.pc = h.mepc;
  refreshMode(h);
}

/** SRET: back to the privilege in SPP. */
export function returnFromSupervisor(h: Hart): void {
  const status = h.mstatus;
  const previous: u32 = (status & MSTATUS_SPP) != 0 ? PRIVILEGE_SUPERVISOR : 0;
  let next = status & ~(MSTATUS_SIE | MSTATUS_SPP | MSTATUS_MPRV);
  next |= ((status & MSTATUS_SPIE) >> 4) | MSTATUS_SPIE;
  h.mstatus = next;
  h.privilege = previous;
  h.pc = h.sepc;
  refreshMode(h);
}
