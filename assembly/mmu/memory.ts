import { theMachine } from "../generated/hart";
import { bringIn } from "../host";
import { CODE_SLOTS_BASE, DIRTY_BASE, PAGE_ABSENT, PAGE_SHIFT, RAM_BASE, RAM_PADDR } from "../shared/layout";
import { codeChanged } from "./code";

// Guest RAM in linear memory, by guest physical address.

@inline export function isRam(paddr: u64, byteLength: u64): bool {
  const offset = paddr - RAM_PADDR;
  return offset <= theMachine().ramByteLength - byteLength;
}

/** Where RAM at `paddr`, which isRam, stands in linear memory. */
@inline export function ramAddress(paddr: u64): usize {
  return <usize>(paddr - RAM_PADDR) + RAM_BASE;
}

@inline export function pageNumber(paddr: u64): u32 {
  return <u32>((paddr - RAM_PADDR) >> PAGE_SHIFT);
}

/**
 * To be called before RAM at `paddr`, which isRam, is read or written for the first time since its page left the TLBs:
 * no page in a TLB is absent.
 */
@inline export function ensurePresent(paddr: u64): void {
  const page = pageNumber(paddr);
  if (load<u8>(<usize>(DIRTY_BASE + page)) == PAGE_ABSENT) bringIn(page);
}

/**
 * To be called after RAM was written other than through the store TLB: drops decoded code, marks pages dirty.
 *
 * @returns whether a decoded page is gone, which the hart may be executing
 */
export function ramChanged(paddr: u64, byteLength: u32): bool {
  let dropped = false;
  let page = pageNumber(paddr);
  const last = pageNumber(paddr + byteLength - 1);
  for (; page <= last; page++) {
    store<u8>(<usize>(DIRTY_BASE + page), 1);
    if (codeSlot(page) == 0) continue;
    const start = page == pageNumber(paddr) ? paddr : RAM_PADDR + ((<u64>page) << PAGE_SHIFT);
    const end = min<u64>(paddr + byteLength, RAM_PADDR + ((<u64>page + 1) << PAGE_SHIFT));
    if (codeChanged(page, start, <u32>(end - start))) dropped = true;
  }
  return dropped;
}

/** One more than the number of the decoded page made from RAM page `page`; 0 when there is none. */
@inline export function codeSlot(page: u32): u32 {
  return load<u16>(<usize>(CODE_SLOTS_BASE + (page << 1)));
}
@inline export function setCodeSlot(page: u32, slot: u32): void {
  store<u16>(<usize>(CODE_SLOTS_BASE + (page << 1)), <u16>slot);
}
