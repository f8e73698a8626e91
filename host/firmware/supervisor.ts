/** The state in which an S-mode guest starts, as M-mode firmware would leave it. */
import type { SbiHart } from "./platform.js";

export const PRIVILEGE_SUPERVISOR = 1;

const CSR_SSTATUS = 0x100;
const CSR_SIE = 0x104;
const CSR_STVEC = 0x105;
const CSR_SCOUNTEREN = 0x106;
const CSR_SENVCFG = 0x10a;
const CSR_SSCRATCH = 0x140;
export const CSR_STIMECMP = 0x14d;
export const CSR_SATP = 0x180;
const CSR_MSTATUS = 0x300;
const CSR_MEDELEG = 0x302;
const CSR_MIDELEG = 0x303;
const CSR_MCOUNTEREN = 0x306;
const CSR_MENVCFG = 0x30a;
const CSR_PMPCFG0 = 0x3a0;
const CSR_PMPADDR0 = 0x3b0;

/** mip and mie bits. */
export const SSIP = 1;
const STIP = 5;
const SEIP = 9;

/**
 * Everything that S-mode can take: misaligned and failed accesses, illegal instructions, breakpoints, calls from
 * U-mode (8) and page faults. Not delegated: calls from S-mode (9), which are the firmware's.
 */
const DELEGATED_EXCEPTIONS = 0xb1ffn;
const DELEGATED_INTERRUPTS = (1n << BigInt(SSIP)) | (1n << BigInt(STIP)) | (1n << BigInt(SEIP));

/** CY, TM, IR: cycle, time and instret can be read in the modes below. */
const BASIC_COUNTERS = 0b111n;

/** FS = 1 (Initial): floats work from the first instruction. */
const MSTATUS_FS_INITIAL = 1n << 13n;
export const SSTATUS_SIE = 1n << 1n;

/** CBO.INVAL invalidates (3). */
const MENVCFG_CBIE_INVALIDATE = 3n << 4n;
const MENVCFG_CBCFE = 1n << 6n;
const MENVCFG_CBZE = 1n << 7n;
/** The hart sets A and D bits: the device tree names Svadu, and not Svade. */
const MENVCFG_ADUE = 1n << 61n;
const MENVCFG_STCE = 1n << 63n;

/** A NAPOT range of all addresses, with read, write and execute, not locked. */
const PMPCFG_NAPOT_RWX = 0b0001_1111n;
const PMPADDR_ALL = (1n << 54n) - 1n;

const NEVER = (1n << 64n) - 1n;

/**
 * Starts a stopped hart in S-mode at `pc`, with its id in a0 and `opaque` in a1, translation off and interrupts
 * disabled (SBI 2.0 section 9.1, "HART start").
 */
export function startSupervisor(hart: SbiHart, pc: bigint, opaque: bigint): void {
  hart.setCsr(CSR_MSTATUS, MSTATUS_FS_INITIAL);
  hart.setCsr(CSR_MEDELEG, DELEGATED_EXCEPTIONS);
  hart.setCsr(CSR_MIDELEG, DELEGATED_INTERRUPTS);
  hart.setCsr(CSR_MCOUNTEREN, BASIC_COUNTERS);
  hart.setCsr(CSR_SCOUNTEREN, BASIC_COUNTERS);
  hart.setCsr(CSR_MENVCFG, MENVCFG_STCE | MENVCFG_ADUE | MENVCFG_CBIE_INVALIDATE | MENVCFG_CBCFE | MENVCFG_CBZE);
  hart.setCsr(CSR_SENVCFG, 0n);
  hart.setCsr(CSR_PMPADDR0, PMPADDR_ALL);
  hart.setCsr(CSR_PMPCFG0, PMPCFG_NAPOT_RWX);
  hart.setCsr(CSR_STVEC, pc & ~3n);
  hart.setCsr(CSR_SSCRATCH, 0n);
  hart.setCsr(CSR_SIE, 0n);
  hart.setCsr(CSR_STIMECMP, NEVER);
  hart.setInterruptPending(SSIP, false);
  leaveTranslation(hart);
  hart.start(pc, PRIVILEGE_SUPERVISOR, BigInt(hart.id), opaque);
}

/** Translation off and interrupts disabled, as a hart starts and resumes. */
export function leaveTranslation(hart: SbiHart): void {
  hart.setCsr(CSR_SATP, 0n);
  hart.setCsr(CSR_SSTATUS, hart.csr(CSR_SSTATUS) & ~SSTATUS_SIE);
  hart.flushTlb();
}
