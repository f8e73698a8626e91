import { Hart } from "../generated/hart";
import { isRam, ramAddress } from "../mmu/memory";
import { effectivePrivilege } from "../mmu/tlb";
import { ACCESS_FAULT, ACCESS_LOAD, walkPageTable } from "../mmu/walk";

/**
 * Eight bytes of RAM at a virtual address the hart has just accessed, for a log of what it did; 0 where there is none.
 * The access has set A and D already, so that looking changes nothing.
 */
export function peek(h: Hart, vaddr: u64): u64 {
  const paddr = walkPageTable(h, vaddr, ACCESS_LOAD, effectivePrivilege(h));
  return paddr < ACCESS_FAULT && isRam(paddr, 8) ? load<u64>(ramAddress(paddr)) : 0;
}
