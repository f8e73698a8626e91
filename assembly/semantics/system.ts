import { HART_X, Hart, theMachine } from "../generated/hart";
import * as op from "../generated/operations";
import { accessCsr, CSR_CLEAR, CSR_SET, CSR_WRITE } from "../hart/csr";
import { MSTATUS_TSR, MSTATUS_TVM, MSTATUS_TW } from "../hart/status";
import { raise, raiseIllegal, returnFromMachine, returnFromSupervisor } from "../hart/trap";
import { flushAll, flushPage, flushSpace } from "../mmu/tlb";
import {
  CAUSE_BREAKPOINT,
  CAUSE_USER_ECALL,
  PRIVILEGE_MACHINE,
  PRIVILEGE_SUPERVISOR,
  PRIVILEGE_USER,
} from "../shared/causes";
import { OPERATION_MASK } from "../shared/decoded";
import { HART_WAITING } from "../shared/exit";
import { csrNumber, rd, rs1, rs2, uimm } from "./operands";

// Instructions that are no formulas: plain functions of the hart. hart.pc is the next instruction's, and hart.ip and
// hart.countdown are current; the interpreter leaves its loop after each, since anything may have changed.

@inline function readX(h: Hart, offset: u32): u64 {
  return load<u64>(changetype<usize>(h) + offset, HART_X);
}
@inline function writeX(h: Hart, offset: u32, value: u64): void {
  store<u64>(changetype<usize>(h) + offset, value, HART_X);
}

/** Zicsr. A read without a write, and a write without a read, have none of the other's side effects. */
export function csrrw(h: Hart, i: u64): void {
  csrInstruction(h, i, CSR_WRITE, readX(h, rs1(i)), true);
}
export function csrrs(h: Hart, i: u64): void {
  csrInstruction(h, i, CSR_SET, readX(h, rs1(i)), rs1(i) != 0);
}
export function csrrc(h: Hart, i: u64): void {
  csrInstruction(h, i, CSR_CLEAR, readX(h, rs1(i)), rs1(i) != 0);
}
export function csrrwi(h: Hart, i: u64): void {
  csrInstruction(h, i, CSR_WRITE, uimm(i), true);
}
export function csrrsi(h: Hart, i: u64): void {
  csrInstruction(h, i, CSR_SET, uimm(i), uimm(i) != 0);
}
export function csrrci(h: Hart, i: u64): void {
  csrInstruction(h, i, CSR_CLEAR, uimm(i), uimm(i) != 0);
}

function csrInstruction(h: Hart, i: u64, operation: u32, operand: u64, writes: bool): void {
  const old = accessCsr(h, csrNumber(i), operation, operand, writes);
  if (<u8>h.event != 0) return;
  writeX(h, rd(i), old);
}

/** Executes a CSR instruction of any kind. */
export function performCsr(h: Hart, i: u64): void {
  switch (<u32>i & OPERATION_MASK) {
    case op.OP_CSRRW:
      csrrw(h, i);
      break;
    case op.OP_CSRRS:
      csrrs(h, i);
      break;
    case op.OP_CSRRC:
      csrrc(h, i);
      break;
    case op.OP_CSRRWI:
      csrrwi(h, i);
      break;
    case op.OP_CSRRSI:
      csrrsi(h, i);
      break;
    default:
      csrrci(h, i);
  }
}
/** Whether a CSR instruction writes nothing: of those that set or clear bits, with x0 or 0. */
export function isCsrRead(i: u64): bool {
  const operation = <u32>i & OPERATION_MASK;
  return operation != op.OP_CSRRW && operation != op.OP_CSRRWI && rs1(i) == 0;
}

/** ECALL: the causes for U, S and M follow the privilege's number. */
export function ecall(h: Hart, i: u64): void {
  raise(h, CAUSE_USER_ECALL + h.privilege, 0);
}
/** EBREAK: mtval is its address, which is the pc that the trap will save. */
export function ebreak(h: Hart, i: u64): void {
  raise(h, CAUSE_BREAKPOINT, h.pcBase + (h.ip >> 2));
}

export function mret(h: Hart, i: u64): void {
  if (h.privilege != PRIVILEGE_MACHINE) raiseIllegal(h);
  else returnFromMachine(h);
}
/** SRET: mstatus.TSR keeps it from supervisor mode. */
export function sret(h: Hart, i: u64): void {
  const trapped = h.privilege == PRIVILEGE_SUPERVISOR && (h.mstatus & MSTATUS_TSR) != 0;
  if (h.privilege == PRIVILEGE_USER || trapped) raiseIllegal(h);
  else returnFromSupervisor(h);
}

/** WFI: user mode may not wait, and mstatus.TW keeps supervisor mode from it: the time limit is zero. */
export function wfi(h: Hart, i: u64): void {
  const trapped = h.privilege == PRIVILEGE_SUPERVISOR && (h.mstatus & MSTATUS_TW) != 0;
  if (h.privilege == PRIVILEGE_USER || trapped) raiseIllegal(h);
  else h.runState = HART_WAITING;
}

/** PAUSE: the hart waits for another, so the others have their turns first. */
export function pause(h: Hart, i: u64): void {
  theMachine().turnEnds = 1;
}

/** SFENCE.VMA: rs1 names an address unless it is x0, rs2 an address space. mstatus.TVM keeps it from supervisor mode. */
export function sfence_vma(h: Hart, i: u64): void {
  const trapped = h.privilege == PRIVILEGE_SUPERVISOR && (h.mstatus & MSTATUS_TVM) != 0;
  if (h.privilege == PRIVILEGE_USER || trapped) {
    raiseIllegal(h);
    return;
  }
  if (rs1(i) != 0) flushPage(h, readX(h, rs1(i)));
  else if (rs2(i) != 0) flushSpace(h, readX(h, rs2(i)));
  else flushAll(h);
}

/** Svinval: the invalidation may happen at once, so that the fences around it have nothing to do. */
export function sinval_vma(h: Hart, i: u64): void {
  sfence_vma(h, i);
}
export function sfence_w_inval(h: Hart, i: u64): void {
  if (h.privilege == PRIVILEGE_USER) raiseIllegal(h);
}
export function sfence_inval_ir(h: Hart, i: u64): void {
  if (h.privilege == PRIVILEGE_USER) raiseIllegal(h);
}
