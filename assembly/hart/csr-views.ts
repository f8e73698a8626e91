import { Hart } from "../generated/hart";
import { PMP_A, PMP_COUNT, PMP_L, PMP_R, PMP_TOR, PMP_W, refreshPmp } from "../mmu/pmp";
import { flushAll, refreshMode } from "../mmu/tlb";
import { SATP_BARE, SATP_SV39, SATP_SV57 } from "../mmu/walk";
import { IRQ_SEI, IRQ_SSI, IRQ_STI } from "../shared/causes";
import { retiredNow, timeNow } from "./counters";
import { pendingInterrupts } from "./interrupt";
import {
  ENVCFG_ADUE,
  ENVCFG_CBIE,
  ENVCFG_STCE,
  MENVCFG_WRITABLE,
  MSTATUS_FS,
  MSTATUS_MPP,
  MSTATUS_MPP_SHIFT,
  MSTATUS_MXR,
  MSTATUS_SD,
  MSTATUS_WRITABLE,
  MSTATUS_XL,
  SENVCFG_WRITABLE,
  SSTATUS_READABLE,
  SSTATUS_WRITABLE,
} from "./status";

// CSRs that are views of other state, or whose fields are legalised or have effects when written.

// ---- floating point ----

export function read_fflags(h: Hart): u64 {
  return h.fflags;
}
export function write_fflags(h: Hart, value: u64): void {
  h.fflags = <u32>value & 0x1f;
  h.mstatus |= MSTATUS_FS;
}
export function read_frm(h: Hart): u64 {
  return h.frm;
}
export function write_frm(h: Hart, value: u64): void {
  h.frm = <u32>value & 7;
  h.mstatus |= MSTATUS_FS;
}
export function read_fcsr(h: Hart): u64 {
  return (h.frm << 5) | h.fflags;
}
export function write_fcsr(h: Hart, value: u64): void {
  h.fflags = <u32>value & 0x1f;
  h.frm = (<u32>value >> 5) & 7;
  h.mstatus |= MSTATUS_FS;
}

// ---- status ----

export function read_mstatus(h: Hart): u64 {
  const dirty = (h.mstatus & MSTATUS_FS) == MSTATUS_FS;
  return h.mstatus | MSTATUS_XL | (dirty ? MSTATUS_SD : 0);
}
export function write_mstatus(h: Hart, value: u64): void {
  const old = h.mstatus;
  let next = (old & ~MSTATUS_WRITABLE) | (value & MSTATUS_WRITABLE);
  // MPP is WARL: there is no mode 2.
  if ((next & MSTATUS_MPP) == (<u64>2) << MSTATUS_MPP_SHIFT) next = (next & ~MSTATUS_MPP) | (old & MSTATUS_MPP);
  h.mstatus = next;
  // What MXR lets be read is cached in the TLB; all else about mstatus selects a bank.
  if (((old ^ next) & MSTATUS_MXR) != 0) flushAll(h);
  else refreshMode(h);
}
export function read_sstatus(h: Hart): u64 {
  return read_mstatus(h) & SSTATUS_READABLE;
}
export function write_sstatus(h: Hart, value: u64): void {
  write_mstatus(h, (h.mstatus & ~SSTATUS_WRITABLE) | (value & SSTATUS_WRITABLE));
}

/** Direct (0) or vectored (1); bit 1 reads as 0. */
export function read_mtvec(h: Hart): u64 {
  return h.mtvec;
}
export function write_mtvec(h: Hart, value: u64): void {
  h.mtvec = value & ~2;
}
export function read_stvec(h: Hart): u64 {
  return h.stvec;
}
export function write_stvec(h: Hart, value: u64): void {
  h.stvec = value & ~2;
}

export function read_menvcfg(h: Hart): u64 {
  return h.menvcfg;
}
export function write_menvcfg(h: Hart, value: u64): void {
  const old = h.menvcfg;
  h.menvcfg = legalCbie(value & MENVCFG_WRITABLE);
  if (((old ^ h.menvcfg) & ENVCFG_ADUE) != 0) flushAll(h);
}
export function read_senvcfg(h: Hart): u64 {
  return h.senvcfg;
}
export function write_senvcfg(h: Hart, value: u64): void {
  h.senvcfg = legalCbie(value & SENVCFG_WRITABLE);
}
/** CBIE = 2 is reserved and becomes 0. */
function legalCbie(value: u64): u64 {
  return (value & ENVCFG_CBIE) == 2 << 4 ? value & ~ENVCFG_CBIE : value;
}

export function read_satp(h: Hart): u64 {
  return h.satp;
}
/** A mode that does not exist makes the whole write have no effect. */
export function write_satp(h: Hart, value: u64): void {
  const mode = value >> 60;
  if (mode != SATP_BARE && (mode < SATP_SV39 || mode > SATP_SV57)) return;
  h.satp = value;
  refreshMode(h);
}

// ---- interrupts ----

const SUPERVISOR_INTERRUPTS: u64 = (1 << IRQ_SSI) | (1 << IRQ_STI) | (1 << IRQ_SEI);

export function read_mip(h: Hart): u64 {
  return pendingInterrupts(h);
}
/** STIP is stimecmp's while menvcfg.STCE is set. */
export function write_mip(h: Hart, value: u64): void {
  let writable = SUPERVISOR_INTERRUPTS;
  if ((h.menvcfg & ENVCFG_STCE) != 0) writable &= ~((<u64>1) << IRQ_STI);
  h.mip = (h.mip & ~writable) | (value & writable);
}
export function read_sip(h: Hart): u64 {
  return pendingInterrupts(h) & h.mideleg;
}
export function write_sip(h: Hart, value: u64): void {
  const writable = ((<u64>1) << IRQ_SSI) & h.mideleg;
  h.mip = (h.mip & ~writable) | (value & writable);
}
export function read_sie(h: Hart): u64 {
  return h.mie & h.mideleg;
}
export function write_sie(h: Hart, value: u64): void {
  h.mie = (h.mie & ~h.mideleg) | (value & h.mideleg);
}

// ---- counters ----

const INHIBIT_CYCLE: u64 = 1;
const INHIBIT_INSTRET: u64 = 4;

/** A cycle is an instruction. While a counter is inhibited its offset holds its value. */
export function read_mcycle(h: Hart): u64 {
  return h.cycleOffset + ((h.mcountinhibit & INHIBIT_CYCLE) != 0 ? 0 : retiredNow(h));
}
/** The write takes effect after the instruction, which itself counts. */
export function write_mcycle(h: Hart, value: u64): void {
  h.cycleOffset = value - ((h.mcountinhibit & INHIBIT_CYCLE) != 0 ? 0 : retiredNow(h) + 1);
}
export function read_minstret(h: Hart): u64 {
  return h.instretOffset + ((h.mcountinhibit & INHIBIT_INSTRET) != 0 ? 0 : retiredNow(h));
}
export function write_minstret(h: Hart, value: u64): void {
  h.instretOffset = value - ((h.mcountinhibit & INHIBIT_INSTRET) != 0 ? 0 : retiredNow(h) + 1);
}
export function read_mcountinhibit(h: Hart): u64 {
  return h.mcountinhibit;
}
export function write_mcountinhibit(h: Hart, value: u64): void {
  const cycle = read_mcycle(h);
  const instret = read_minstret(h);
  h.mcountinhibit = value & (INHIBIT_CYCLE | INHIBIT_INSTRET);
  h.cycleOffset = cycle - ((h.mcountinhibit & INHIBIT_CYCLE) != 0 ? 0 : retiredNow(h));
  h.instretOffset = instret - ((h.mcountinhibit & INHIBIT_INSTRET) != 0 ? 0 : retiredNow(h));
}
export function read_cycle(h: Hart): u64 {
  return read_mcycle(h);
}
export function read_instret(h: Hart): u64 {
  return read_minstret(h);
}
export function read_time(h: Hart): u64 {
  return timeNow(h);
}
export function read_mhartid(h: Hart): u64 {
  return h.id;
}

// ---- physical memory protection ----

export function read_pmpcfg(h: Hart, n: u32): u64 {
  let value: u64 = 0;
  for (let k: u32 = 0; k < 8; k++) value |= (<u64>h.pmpcfg(4 * n + k)) << (8 * k);
  return value;
}
export function write_pmpcfg(h: Hart, n: u32, value: u64): void {
  for (let k: u32 = 0; k < 8; k++) {
    const entry = 4 * n + k;
    if ((h.pmpcfg(entry) & PMP_L) != 0) continue;
    let config = <u8>(value >> (8 * k)) & 0x9f;
    // W without R is reserved.
    if ((config & PMP_R) == 0) config &= ~PMP_W;
    h.set_pmpcfg(entry, config);
  }
  refreshPmp(h);
  flushAll(h);
}
export function read_pmpaddr(h: Hart, n: u32): u64 {
  return h.pmpaddr(n);
}
/** A locked entry keeps its address, and the one below it, which is its lower bound, when it is TOR. */
export function write_pmpaddr(h: Hart, n: u32, value: u64): void {
  if ((h.pmpcfg(n) & PMP_L) != 0) return;
  if (n + 1 < PMP_COUNT) {
    const next = h.pmpcfg(n + 1);
    if ((next & PMP_L) != 0 && (next & PMP_A) == PMP_TOR) return;
  }
  h.set_pmpaddr(n, value & 0x3fffffffffffff);
  flushAll(h);
}
