import { Hart } from "../generated/hart";
import { ENVCFG_ADUE, MSTATUS_MXR, MSTATUS_SUM } from "../hart/status";
import { EVENT_ATTENTION } from "../hart/trap";
import { PRIVILEGE_MACHINE, PRIVILEGE_SUPERVISOR, PRIVILEGE_USER } from "../shared/causes";
import { ensurePresent, isRam, ramAddress, ramChanged } from "./memory";
import { PMP_R, PMP_W, pmpAllows } from "./pmp";

export const ACCESS_FETCH: u32 = 0;
export const ACCESS_LOAD: u32 = 1;
export const ACCESS_STORE: u32 = 2;

/** No physical address: a page fault. */
export const PAGE_FAULT: u64 = u64.MAX_VALUE;
/** No physical address: a page table lies where it may not be read or written. */
export const ACCESS_FAULT: u64 = u64.MAX_VALUE - 1;

const SATP_MODE_SHIFT: u64 = 60;
const SATP_PPN: u64 = 0xfffffffffff;
export const SATP_BARE: u64 = 0;
export const SATP_SV39: u64 = 8;
export const SATP_SV57: u64 = 10;

const PTE_V: u64 = 1 << 0;
const PTE_R: u64 = 1 << 1;
const PTE_W: u64 = 1 << 2;
const PTE_X: u64 = 1 << 3;
const PTE_U: u64 = 1 << 4;
const PTE_A: u64 = 1 << 6;
const PTE_D: u64 = 1 << 7;
const PTE_PPN_SHIFT: u64 = 10;
const PTE_N: u64 = 1 << 63;
/** Bits 54 to 62: reserved, and Svpbmt's, which is not there. */
const PTE_RESERVED: u64 = 0x7fc0000000000000;

/**
 * Translates a virtual address as `privilege` (user or supervisor; machine mode does not translate).
 *
 * Leaves the leaf's level in hart.walkLevel. Sets A and D when menvcfg.ADUE is set (Svadu), else faults where they
 * are clear (Svade).
 *
 * @returns the physical address, PAGE_FAULT or ACCESS_FAULT
 *
 * Privileged ISA, "Virtual Address Translation Process", steps 1 to 10; Svnapot for 64 KiB ranges.
 */
export function walkPageTable(h: Hart, vaddr: u64, access: u32, privilege: u32): u64 {
  const satp = h.satp;
  const mode = satp >> SATP_MODE_SHIFT;
  h.walkLevel = 0;
  // Without translation the address is physical, and those have 56 bits.
  if (privilege == PRIVILEGE_MACHINE || mode == SATP_BARE) return vaddr >> 56 != 0 ? ACCESS_FAULT : vaddr;

  const levels = <u32>(mode - SATP_SV39) + 3;
  // Bits above the top level's index must equal its highest bit.
  const unused = 64 - (12 + 9 * levels);
  if (<i64>(vaddr << unused) >> unused != <i64>vaddr) return PAGE_FAULT;

  let table = (satp & SATP_PPN) << 12;
  for (let level: i32 = <i32>levels - 1; level >= 0; level--) {
    const shift = <u64>(12 + 9 * level);
    const pteAddress = table + (((vaddr >> shift) & 0x1ff) << 3);
    if (!isRam(pteAddress, 8) || !pmpAllows(h, pteAddress, 8, PMP_R, PRIVILEGE_SUPERVISOR)) return ACCESS_FAULT;
    ensurePresent(pteAddress);
    const pte = load<u64>(ramAddress(pteAddress));
    if ((pte & PTE_V) == 0 || (pte & (PTE_R | PTE_W)) == PTE_W || (pte & PTE_RESERVED) != 0) return PAGE_FAULT;
    const ppn = (pte & ~PTE_N) >> PTE_PPN_SHIFT;
    if ((pte & (PTE_R | PTE_X)) == 0) {
      // A pointer to the next level has no use for A, D, U or N: they are reserved.
      if ((pte & (PTE_A | PTE_D | PTE_U | PTE_N)) != 0) return PAGE_FAULT;
      table = ppn << 12;
      continue;
    }
    if (!mayAccess(h, pte, access, privilege)) return PAGE_FAULT;
    let span = ((<u64>1) << shift) - 1;
    if ((pte & PTE_N) != 0) {
      // Svnapot: the only range there is has 16 pages, told by ppn[3:0] = 1000.
      if (level != 0 || (ppn & 15) != 8) return PAGE_FAULT;
      span = 0xffff;
      h.walkLevel = 1;
    } else {
      if (((ppn << 12) & span) != 0) return PAGE_FAULT; // a misaligned superpage
      h.walkLevel = level;
    }
    const wanted = pte | PTE_A | (access == ACCESS_STORE ? PTE_D : 0);
    if (wanted != pte) {
      if ((h.menvcfg & ENVCFG_ADUE) == 0) return PAGE_FAULT;
      if (!pmpAllows(h, pteAddress, 8, PMP_W, PRIVILEGE_SUPERVISOR)) return ACCESS_FAULT;
      store<u64>(ramAddress(pteAddress), wanted);
      // The table may share a page with the code being executed.
      if (ramChanged(pteAddress, 8)) h.event |= EVENT_ATTENTION;
    }
    return ((ppn << 12) & ~span) | (vaddr & span);
  }
  return PAGE_FAULT;
}

function mayAccess(h: Hart, pte: u64, access: u32, privilege: u32): bool {
  if (privilege == PRIVILEGE_USER) {
    if ((pte & PTE_U) == 0) return false;
  } else if ((pte & PTE_U) != 0) {
    if (access == ACCESS_FETCH || (h.mstatus & MSTATUS_SUM) == 0) return false;
  }
  if (access == ACCESS_FETCH) return (pte & PTE_X) != 0;
  if (access == ACCESS_STORE) return (pte & PTE_W) != 0;
  return (pte & PTE_R) != 0 || ((h.mstatus & MSTATUS_MXR) != 0 && (pte & PTE_X) != 0);
}
