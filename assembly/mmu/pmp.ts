import { Hart } from "../generated/hart";
import { PRIVILEGE_MACHINE } from "../shared/causes";

// Physical memory protection: Privileged ISA, "Physical Memory Protection". 16 entries, grain 4 bytes.

export const PMP_COUNT: u32 = 16;
export const PMP_R: u8 = 1;
export const PMP_W: u8 = 2;
export const PMP_X: u8 = 4;
export const PMP_A: u8 = 3 << 3;
export const PMP_L: u8 = 0x80;
export const PMP_TOR: u8 = 1 << 3;
export const PMP_NA4: u8 = 2 << 3;

/** How an address range lies to an entry. */
const OUTSIDE: u32 = 0;
const PARTLY: u32 = 1;
const INSIDE: u32 = 2;

/**
 * Whether [paddr, paddr + byteLength) may be accessed with `right` (PMP_R, PMP_W or PMP_X) at `privilege`.
 *
 * The lowest-numbered entry that matches any byte decides, and fails the access unless it matches all bytes.
 */
export function pmpAllows(h: Hart, paddr: u64, byteLength: u64, right: u8, privilege: u32): bool {
  if (h.pmpActive == 0) return privilege == PRIVILEGE_MACHINE;
  for (let n: u32 = 0; n < PMP_COUNT; n++) {
    const match = matchEntry(h, n, paddr, byteLength);
    if (match == OUTSIDE) continue;
    if (match == PARTLY) return false;
    const config = h.pmpcfg(n);
    if (privilege == PRIVILEGE_MACHINE && (config & PMP_L) == 0) return true;
    return (config & right) != 0;
  }
  return privilege == PRIVILEGE_MACHINE;
}

/** Whether one entry, or none, covers all of a page, so that what holds for one byte of it holds for all. */
export function pmpIsUniform(h: Hart, page: u64): bool {
  if (h.pmpActive == 0) return true;
  for (let n: u32 = 0; n < PMP_COUNT; n++) {
    const match = matchEntry(h, n, page, 4096);
    if (match == PARTLY) return false;
    if (match == INSIDE) return true;
  }
  return true;
}

/** To be called when pmpcfg changed. */
export function refreshPmp(h: Hart): void {
  h.pmpActive = 0;
  for (let n: u32 = 0; n < PMP_COUNT; n++) if ((h.pmpcfg(n) & PMP_A) != 0) h.pmpActive = 1;
}

function matchEntry(h: Hart, n: u32, paddr: u64, byteLength: u64): u32 {
  const mode = h.pmpcfg(n) & PMP_A;
  if (mode == 0) return OUTSIDE;
  const address = h.pmpaddr(n);
  let low: u64;
  let high: u64;
  if (mode == PMP_TOR) {
    low = n == 0 ? 0 : h.pmpaddr(n - 1) << 2;
    high = address << 2;
    if (low >= high) return OUTSIDE;
  } else if (mode == PMP_NA4) {
    low = address << 2;
    high = low + 4;
  } else {
    // NAPOT: the trailing ones, and the zero above them, give the size.
    const span = address ^ (address + 1);
    low = (address & ~span) << 2;
    high = low + ((span + 1) << 2);
  }
  const end = paddr + byteLength;
  if (end <= low || paddr >= high) return OUTSIDE;
  return paddr >= low && end <= high ? INSIDE : PARTLY;
}
