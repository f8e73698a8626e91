import type { GuestRam } from "../devices/device.js";
import type { SbiHart } from "./platform.js";
import { CSR_SATP } from "./supervisor.js";

const SATP_MODE_SHIFT = 60n;
const SATP_PPN_MASK = (1n << 44n) - 1n;
const SATP_BARE = 0n;
/** Sv39; Sv48 and Sv57 follow, each with a level more. */
const SATP_SV39 = 8n;
const SATP_SV57 = 10n;
const SV39_LEVELS = 3;

const PTE_BYTE_LENGTH = 8;
const PTE_V = 1n << 0n;
const PTE_R = 1n << 1n;
const PTE_X = 1n << 3n;
const PTE_PPN_SHIFT = 10n;
const PTE_PPN_MASK = (1n << 44n) - 1n;
/** Svnapot: the page is one of 16 in a 64 KiB range, and the PPN's low four bits name the range's length. */
const PTE_N = 1n << 63n;
const NAPOT_PAGES = 16n;

const PAGE_SHIFT = 12n;
const VPN_BITS = 9n;

/**
 * Translates a supervisor virtual address to read from, as the legacy calls need it, which pass pointers.
 *
 * @returns the physical address, or null when no readable page is mapped there
 *
 * Privileged ISA, "Virtual Address Translation Process".
 */
export function translateForRead(hart: SbiHart, ram: GuestRam, vaddr: bigint): bigint | null {
  const satp = hart.csr(CSR_SATP);
  const mode = satp >> SATP_MODE_SHIFT;
  if (mode === SATP_BARE) return vaddr;
  if (mode < SATP_SV39 || mode > SATP_SV57) return null;
  let level = SV39_LEVELS - 1 + Number(mode - SATP_SV39);
  if (!isCanonical(vaddr, PAGE_SHIFT + VPN_BITS * BigInt(level + 1))) return null;

  let ppn = satp & SATP_PPN_MASK;
  for (; level >= 0; level--) {
    const shift = PAGE_SHIFT + VPN_BITS * BigInt(level);
    const index = (vaddr >> shift) & ((1n << VPN_BITS) - 1n);
    const pteAddress = Number((ppn << PAGE_SHIFT) + index * BigInt(PTE_BYTE_LENGTH));
    if (!ram.contains(pteAddress, PTE_BYTE_LENGTH)) return null;
    const pte = ram.readU64(pteAddress);
    if ((pte & PTE_V) === 0n) return null;
    ppn = (pte >> PTE_PPN_SHIFT) & PTE_PPN_MASK;
    if ((pte & (PTE_R | PTE_X)) === 0n) continue;
    if ((pte & PTE_R) === 0n) return null;
    const offsetMask = (1n << shift) - 1n;
    if ((pte & PTE_N) === 0n) return ((ppn << PAGE_SHIFT) & ~offsetMask) | (vaddr & offsetMask);
    const napotMask = (NAPOT_PAGES << PAGE_SHIFT) - 1n;
    return ((ppn << PAGE_SHIFT) & ~napotMask) | (vaddr & napotMask);
  }
  return null;
}

/** Whether all bits from `bitCount - 1` up are equal. */
function isCanonical(vaddr: bigint, bitCount: bigint): boolean {
  return BigInt.asUintN(64, BigInt.asIntN(Number(bitCount), vaddr)) === vaddr;
}
