import { HART_X, Hart } from "../generated/hart";
import { ENVCFG_CBCFE, ENVCFG_CBIE, ENVCFG_CBZE } from "../hart/status";
import { raise, raiseIllegal } from "../hart/trap";
import { NO_PADDR, translateCacheBlock, translateForStore, zeroRam } from "../mmu/access";
import { isRam } from "../mmu/memory";
import { PMP_W, pmpAllows } from "../mmu/pmp";
import { effectivePrivilege } from "../mmu/tlb";
import { CAUSE_STORE_ACCESS, PRIVILEGE_MACHINE, PRIVILEGE_USER } from "../shared/causes";
import { rs1 } from "./operands";

// Zicbom, Zicboz, Zicbop. There is no cache to manage, so that what is left of CBO.INVAL, CLEAN and FLUSH is who may
// execute them and where. "Base Cache Management Operation ISA Extensions".

/** Bytes in a cache block, as the device tree tells the guest. */
const BLOCK_BYTE_LENGTH: u32 = 64;

@inline function address(h: Hart, i: u64): u64 {
  return load<u64>(changetype<usize>(h) + rs1(i), HART_X);
}

/** Whether menvcfg and, for user mode, senvcfg allow what `bits` stand for. */
function isEnabled(h: Hart, bits: u64): bool {
  if (h.privilege == PRIVILEGE_MACHINE) return true;
  if ((h.menvcfg & bits) == 0) return false;
  return h.privilege != PRIVILEGE_USER || (h.senvcfg & bits) != 0;
}

function manage(h: Hart, i: u64, bits: u64): void {
  if (!isEnabled(h, bits)) raiseIllegal(h);
  else translateCacheBlock(h, address(h, i), BLOCK_BYTE_LENGTH);
}

export function cbo_inval(h: Hart, i: u64): void {
  manage(h, i, ENVCFG_CBIE);
}
export function cbo_clean(h: Hart, i: u64): void {
  manage(h, i, ENVCFG_CBCFE);
}
export function cbo_flush(h: Hart, i: u64): void {
  manage(h, i, ENVCFG_CBCFE);
}

/** CBO.ZERO: stores zeros to the block that holds the address, all of it or nothing. A fault reports the address as given. */
export function cbo_zero(h: Hart, i: u64): void {
  if (!isEnabled(h, ENVCFG_CBZE)) {
    raiseIllegal(h);
    return;
  }
  const vaddr = address(h, i);
  const paddr = translateForStore(h, vaddr, 1);
  if (paddr == NO_PADDR) return;
  const block = paddr & ~(<u64>BLOCK_BYTE_LENGTH - 1);
  // The block lies within the page, whose rights are known by now; PMP may end amid the block.
  const allowed =
    isRam(block, BLOCK_BYTE_LENGTH) && pmpAllows(h, block, BLOCK_BYTE_LENGTH, PMP_W, effectivePrivilege(h));
  if (allowed) zeroRam(h, block, BLOCK_BYTE_LENGTH);
  else raise(h, CAUSE_STORE_ACCESS, vaddr);
}

/** Prefetches are hints: nothing is fetched ahead and nothing faults. */
@inline export function prefetch_i<T>(t: T, i: u64): void {}
@inline export function prefetch_r<T>(t: T, i: u64): void {}
@inline export function prefetch_w<T>(t: T, i: u64): void {}
