import { hasRegions, isBeingCompiled, isTranslated, killRegions, killWritten } from "../jit/cache";
import { theMachine } from "../generated/hart";
import { OP_PAGE_END } from "../generated/operations";
import {
  DECODED_BASE,
  DECODED_ENTRIES_BYTE_LENGTH,
  DECODED_PAGE_COUNT,
  DECODED_STRIDE,
  RAM_BASE,
  RAM_PADDR,
} from "../shared/layout";
import { codeSlot, setCodeSlot } from "./memory";
import { dropFetchesOf, dropStores, markStoresOf } from "./tlb";

/**
 * Decoded pages: what the interpreter executes. A page of RAM is given one when it is first fetched from; an entry is
 * filled when it is first executed. One is reused, oldest first, when all are taken.
 *
 *   0       2048 entries of 8 bytes, one a halfword (shared/decoded.ts); zero is OP_UNDECODED
 *   0x4000  an entry OP_PAGE_END
 *   0x4008  u32  number of the RAM page, which is this one's as long as its code slot says so
 *   0x400c  u32  stores into the page since an entry was last filled, those over code CODE_STORE times
 */
const PAGE_NUMBER_OFFSET: u32 = DECODED_ENTRIES_BYTE_LENGTH + 8;
const STORE_COUNT_OFFSET: u32 = DECODED_ENTRIES_BYTE_LENGTH + 12;

/**
 * A page written so often since something new of it was executed holds data by now. Variables beside code are written
 * for ever, which is no reason to forget the code; a store over code itself counts for more.
 */
const STORES_UNTIL_DROPPED: u32 = 65536;
const CODE_STORE: u32 = 1024;

/** Address of the decoded page of RAM page `page`, made when there is none. */
export function decodedPageOf(page: u32): u32 {
  const known = codeSlot(page);
  if (known != 0) return decodedPageOfSlot(known - 1);
  const m = theMachine();
  const slot = m.decodedCursor;
  m.decodedCursor = slot + 1 == DECODED_PAGE_COUNT ? 0 : slot + 1;
  const decoded = decodedPageOfSlot(slot);
  const previous = load<u32>(<usize>decoded, PAGE_NUMBER_OFFSET);
  if (codeSlot(previous) == slot + 1) {
    forget(previous, decoded);
    // Without a decoded page, and before its regions are published, stores to the page would go unnoticed.
    if (m.compilingCount != 0) killWritten(previous, 0, 4096);
  }
  // One that was never used is zero already, and most of its entries never will be used.
  if (load<u64>(<usize>decoded, DECODED_ENTRIES_BYTE_LENGTH) != 0) {
    memory.fill(<usize>decoded, 0, DECODED_ENTRIES_BYTE_LENGTH);
  }
  store<u64>(<usize>decoded, OP_PAGE_END, DECODED_ENTRIES_BYTE_LENGTH);
  store<u32>(<usize>decoded, page, PAGE_NUMBER_OFFSET);
  store<u32>(<usize>decoded, 0, STORE_COUNT_OFFSET);
  setCodeSlot(page, slot + 1);
  markStoresOf(RAM_BASE + (page << 12));
  return decoded;
}

/** Whether RAM page `page` has decoded or translated code: stores to it must be noticed. */
@inline export function hasCode(page: u32): bool {
  return codeSlot(page) != 0 || hasRegions(page);
}

/** Number of the RAM page that the decoded page at `decoded` was made from. */
@inline export function pageOfDecoded(decoded: u32): u32 {
  return load<u32>(<usize>decoded, PAGE_NUMBER_OFFSET);
}

/** The decoded page that entry address `ip` lies in. */
@inline export function decodedPageAt(ip: usize): u32 {
  return decodedPageOfSlot((<u32>ip - DECODED_BASE) / DECODED_STRIDE);
}

/** To be called when an entry is filled: the page is code still. */
@inline export function noteDecoding(decoded: u32): void {
  store<u32>(<usize>decoded, 0, STORE_COUNT_OFFSET);
}

/**
 * RAM page `page`, which has decoded or translated code, was written in [paddr, paddr + byteLength).
 *
 * Entries whose instruction has a byte in the range are forgotten. @returns whether the whole decoded page is gone.
 */
export function codeChanged(page: u32, paddr: u64, byteLength: u32): bool {
  const first = <u32>paddr & 0xfff;
  const end = first + byteLength;
  if (hasRegions(page)) killRegions(page, first, end);
  if (theMachine().compilingCount != 0) killWritten(page, first, end);
  if (codeSlot(page) == 0) return false;
  const decoded = decodedPageOfSlot(codeSlot(page) - 1);
  const count = load<u32>(<usize>decoded, STORE_COUNT_OFFSET) + (isDecoded(decoded, first, end) ? CODE_STORE : 1);
  store<u32>(<usize>decoded, count, STORE_COUNT_OFFSET);
  if (count > STORES_UNTIL_DROPPED || byteLength > 64) {
    // As in decodedPageOf.
    if (theMachine().compilingCount != 0) killWritten(page, 0, 4096);
    forget(page, decoded);
    dropStores();
    return true;
  }
  for (let n = firstEntry(first); n <= lastEntry(end); n++) store<u64>(<usize>(decoded + (n << 3)), 0);
  return false;
}

/** Whether bytes [paddr, paddr + byteLength) of RAM page `page` are data, as far as anybody has executed the page. */
export function isData(page: u32, paddr: u64, byteLength: u32): bool {
  const first = <u32>paddr & 0xfff;
  const end = first + byteLength;
  if (hasRegions(page) && isTranslated(page, first, end)) return false;
  if (theMachine().compilingCount != 0 && isBeingCompiled(page, first, end)) return false;
  return codeSlot(page) == 0 || !isDecoded(decodedPageOfSlot(codeSlot(page) - 1), first, end);
}

/** Whether an instruction with a byte in [first, end) of its page has an entry. */
function isDecoded(decoded: u32, first: u32, end: u32): bool {
  for (let n = firstEntry(first); n <= lastEntry(end); n++) {
    if (load<u64>(<usize>(decoded + (n << 3))) != 0) return true;
  }
  return false;
}

// An instruction that begins up to three bytes before a range may reach into it; entries are a halfword apart.
@inline function firstEntry(first: u32): u32 {
  return first < 3 ? 0 : (first - 3) >> 1;
}
@inline function lastEntry(end: u32): u32 {
  return end >= 4096 ? 2047 : (end - 1) >> 1;
}

/**
 * Power-on: no decoded page is in use, and none will be until its RAM page has a slot again. Only what is in use is
 * written: memory of the host that is never written is never taken.
 */
export function resetDecodedPages(): void {
  for (let slot: u32 = 0; slot < DECODED_PAGE_COUNT; slot++) {
    const page = pageOfDecoded(decodedPageOfSlot(slot));
    if (codeSlot(page) == slot + 1) setCodeSlot(page, 0);
  }
  theMachine().decodedCursor = 0;
}

/** Forgets every decoded page; what is executed is decoded anew. */
export function forgetDecodedPages(): void {
  for (let slot: u32 = 0; slot < DECODED_PAGE_COUNT; slot++) {
    const decoded = decodedPageOfSlot(slot);
    const page = pageOfDecoded(decoded);
    if (codeSlot(page) == slot + 1) forget(page, decoded);
  }
}

function forget(page: u32, decoded: u32): void {
  setCodeSlot(page, 0);
  dropFetchesOf(decoded);
}

@inline export function decodedPageOfSlot(slot: u32): u32 {
  return DECODED_BASE + slot * DECODED_STRIDE;
}
