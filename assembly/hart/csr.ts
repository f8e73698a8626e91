import { csrExists, readCsr, writeCsr } from "../generated/csr";
import { CSR_CYCLE, CSR_FCSR, CSR_FFLAGS, CSR_MIP, CSR_SATP, CSR_SIP, CSR_STIMECMP } from "../generated/csr-numbers";
import { Hart } from "../generated/hart";
import { PRIVILEGE_MACHINE, PRIVILEGE_SUPERVISOR } from "../shared/causes";
import { COUNTEREN_TM, ENVCFG_STCE, MSTATUS_FS, MSTATUS_TVM } from "./status";
import { raiseIllegal } from "./trap";

const LAST_USER_COUNTER: u32 = 0xc1f;

/** Whether the hart may access CSR `number` now, for writing too when `isWrite`. */
export function mayAccessCsr(h: Hart, number: u32, isWrite: bool): bool {
  if (!csrExists(number)) return false;
  if (h.privilege < ((number >> 8) & 3)) return false;
  if (isWrite && number >> 10 == 3) return false;
  if (number >= CSR_FFLAGS && number <= CSR_FCSR) return (h.mstatus & MSTATUS_FS) != 0;
  if (h.privilege == PRIVILEGE_MACHINE) return true;
  if (number >= CSR_CYCLE && number <= LAST_USER_COUNTER) return mayReadCounter(h, number - CSR_CYCLE);
  if (number == CSR_SATP) return (h.mstatus & MSTATUS_TVM) == 0;
  if (number == CSR_STIMECMP) return (h.menvcfg & ENVCFG_STCE) != 0 && (h.mcounteren & COUNTEREN_TM) != 0;
  return true;
}

function mayReadCounter(h: Hart, counter: u32): bool {
  if (((h.mcounteren >> counter) & 1) == 0) return false;
  return h.privilege == PRIVILEGE_SUPERVISOR || ((h.scounteren >> counter) & 1) != 0;
}

export const CSR_WRITE: u32 = 0;
export const CSR_SET: u32 = 1;
export const CSR_CLEAR: u32 = 2;

/**
 * Reads, then writes, sets or clears bits of a CSR, as CSRRW, CSRRS and CSRRC do.
 *
 * @param writes false for CSRRS and CSRRC with x0 or 0: nothing is written, not even the value it has
 * @returns the old value; 0 with a trap pending when the access is not allowed
 */
export function accessCsr(h: Hart, number: u32, operation: u32, operand: u64, writes: bool): u64 {
  if (!mayAccessCsr(h, number, writes)) {
    raiseIllegal(h);
    return 0;
  }
  const old = readCsr(h, number);
  if (!writes) return old;
  // SEIP as software sees it to modify is the software-written bit, without the external line: Privileged ISA,
  // "Machine Interrupt Registers".
  const base = number == CSR_MIP || number == CSR_SIP ? h.mip : old;
  if (operation == CSR_WRITE) writeCsr(h, number, operand);
  else if (operation == CSR_SET) writeCsr(h, number, base | operand);
  else writeCsr(h, number, base & ~operand);
  return old;
}
