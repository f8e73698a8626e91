import { Hart, theMachine } from "../generated/hart";
import { OP_REGION } from "../generated/operations";
import { FLAG_NX, RNE } from "../float/environment";
import { MSTATUS_FS } from "../hart/status";
import { probeFetch } from "../mmu/access";
import { codeSlot } from "../mmu/memory";
import { decodedPageOfSlot, pageOfDecoded } from "../mmu/code";
import { entryOf, markStoresOf } from "../mmu/tlb";
import { PRIVILEGE_USER } from "../shared/causes";
import { OPERATION_MASK } from "../shared/decoded";
import { RAM_BASE } from "../shared/layout";
import { BUCKETS_BASE, LINKS_BASE, PAGE_LINKS_BASE, REGIONS_BASE } from "../shared/jit-layout";

/** A region may reach one page back from its first instruction's, and two on. */
export const WINDOW_PAGES: u32 = 4;
export const OWN_PAGE: u32 = 1;
export const MAX_REGIONS: u32 = 16000;
const RECORD_BYTE_LENGTH: u32 = 120;
const BUCKET_COUNT: u32 = 32768;

export const STATE_KNOWN: u32 = 0; // something refers to it
export const STATE_QUEUED: u32 = 1; // to be translated
export const STATE_WRITTEN: u32 = 2; // in a module that the host compiles
export const STATE_READY: u32 = 3; // may be entered
export const STATE_REFUSED: u32 = 4; // cannot be translated
export const STATE_DEAD: u32 = 5; // its code was written

/** Of a region that is in none. Machine.moduleNumber counts from 1. */
export const NO_MODULE: u32 = 0;
export const REWRITE_NONE: u32 = 0;
export const REWRITE_QUEUED: u32 = 1;
export const REWRITE_WRITTEN: u32 = 2;

/** A translated function: where it begins, what pages it was made from, and when it may be entered. */
@unmanaged export class Region {
  /** Virtual address of its first instruction. */
  pc: u64;
  /** Hart.codeStamp under which its pages were last found to be mapped as they were. */
  stamp: u64;
  tableIndex: u32;
  /** Instructions that must be left for its first check to pass. */
  need: u32;
  state: u32;
  /** FLOATS_*: what the hart must have. */
  floatLevel: u32;
  /** RAM page number plus 1 of each page of its window, 0 where it has no code: OWN_PAGE is the first instruction's. */
  page0: u32;
  page1: u32;
  page2: u32;
  page3: u32;
  /** In each page, the first byte of its code and the one after the last. */
  span0: u32;
  span1: u32;
  span2: u32;
  span3: u32;
  /** Next in its bucket, plus 1. */
  nextInBucket: u32;
  number: u32;
  /** How often it was left for code that it does not have, since it was translated; how often it was translated. */
  coldExits: u32;
  translations: u32;
  /** REWRITE_*: it is being translated anew, and stays in use meanwhile. */
  rewrite: u32;
  /** Which of its pages lead to it, a bit each. */
  linked: u32;
  nextTableIndex: u32;
  nextNeed: u32;
  nextFloatLevel: u32;
  /** Whether it is for user mode only: its accesses are to the user's TLB. */
  isUser: u32;
  /** The module its newest function is in. */
  module: u32;

  @inline page(n: u32): u32 {
    return load<u32>(changetype<usize>(this) + (<usize>n << 2), offsetof<Region>("page0"));
  }
  @inline setPage(n: u32, value: u32): void {
    store<u32>(changetype<usize>(this) + (<usize>n << 2), value, offsetof<Region>("page0"));
  }
  @inline spanFirst(n: u32): u32 {
    return load<u16>(changetype<usize>(this) + (<usize>n << 2), offsetof<Region>("span0"));
  }
  @inline spanEnd(n: u32): u32 {
    return load<u16>(changetype<usize>(this) + (<usize>n << 2), offsetof<Region>("span0") + 2);
  }
  @inline setSpan(n: u32, first: u32, end: u32): void {
    store<u32>(changetype<usize>(this) + (<usize>n << 2), first | (end << 16), offsetof<Region>("span0"));
  }
}

export const REGION_STAMP: u32 = 8;
export const REGION_TABLE_INDEX: u32 = 16;

@inline export function regionOf(number: u32): Region {
  return changetype<Region>(<usize>(REGIONS_BASE + number * RECORD_BYTE_LENGTH));
}

@inline function bucketOf(pc: u64): usize {
  return <usize>(BUCKETS_BASE + ((<u32>(pc >> 1) & (BUCKET_COUNT - 1)) << 1));
}

/** The record for code at `pc` on RAM page `page`, made when there is none; null when there is no room. */
export function recordFor(pc: u64, page: u32): Region {
  const bucket = bucketOf(pc);
  for (let n = <u32>load<u16>(bucket); n != 0; ) {
    const known = regionOf(n - 1);
    if (known.pc == pc && known.page(OWN_PAGE) == page + 1 && known.state != STATE_DEAD) return known;
    n = known.nextInBucket;
  }
  const m = theMachine();
  if (m.regionCount == MAX_REGIONS) return changetype<Region>(0);
  const number = m.regionCount;
  m.regionCount = number + 1;
  const region = regionOf(number);
  memory.fill(changetype<usize>(region), 0, <usize>RECORD_BYTE_LENGTH);
  region.pc = pc;
  region.number = number;
  region.setPage(OWN_PAGE, page + 1);
  region.nextInBucket = load<u16>(bucket);
  store<u16>(bucket, <u16>(number + 1));
  return region;
}

/** RAM page number plus 1 of the page `vaddr` is fetched from as the fetch TLB has it; 0 when it does not. */
export function fetchedPage(h: Hart, vaddr: u64): u32 {
  const entry = entryOf(h.fetchTlb, vaddr);
  if (load<u64>(entry) != (vaddr & ~0xfff)) return 0;
  return pageOfDecoded(load<u32>(entry, 8)) + 1;
}

/** RAM page number plus 1 of the page that `vaddr` would be fetched from; 0 when it cannot be, or not without effect. */
export function pageToFetch(h: Hart, vaddr: u64): u32 {
  const page = fetchedPage(h, vaddr);
  return page != 0 ? page : probeFetch(h, vaddr);
}

/**
 * The region to enter at `pc` now; null when the interpreter has to go on.
 *
 * The page must be in the fetch TLB, which is how the right to execute it is known.
 */
export function regionToEnter(h: Hart, pc: u64): Region {
  const none = changetype<Region>(0);
  const entry = entryOf(h.fetchTlb, pc);
  if (load<u64>(entry) != (pc & ~0xfff)) return none;
  const i = load<u64>(<usize>(load<u32>(entry, 8) + ((<u32>pc & 0xfff) << 2)));
  if ((<u32>i & OPERATION_MASK) != OP_REGION) return none;
  const region = regionOf(<u32>(i >> 32));
  return mayEnter(h, region, pc) ? region : none;
}

// What a hart's floating-point state allows: each level allows what those below it do.
export const FLOATS_DIRTY: u32 = 1; // registers may be written: mstatus.FS is Dirty and stays so
export const FLOATS_EXACT: u32 = 2; // and rounding is to nearest
export const FLOATS_INEXACT: u32 = 3; // and another inexact result would not show: fflags.NX is set

export function floatLevel(h: Hart): u32 {
  if ((h.mstatus & MSTATUS_FS) != MSTATUS_FS) return 0;
  if (h.frm != RNE) return FLOATS_DIRTY;
  return (h.fflags & FLAG_NX) == 0 ? FLOATS_EXACT : FLOATS_INEXACT;
}

/** Asks for the region to be translated anew; it stays in use meanwhile. */
export function requestRewrite(region: Region): void {
  if (region.rewrite != REWRITE_NONE || region.translations >= TRANSLATIONS_MAX) return;
  region.rewrite = REWRITE_QUEUED;
  const m = theMachine();
  m.queuedCount = m.queuedCount + 1;
}
const TRANSLATIONS_MAX: u32 = 8;

export function mayEnter(h: Hart, region: Region, pc: u64): bool {
  if (region.state != STATE_READY || region.pc != pc || h.countdown < region.need) return false;
  if (region.floatLevel != 0) {
    const level = floatLevel(h);
    if (level < region.floatLevel) return false;
    // One that watches for inexact results need not any more.
    if (region.floatLevel == FLOATS_EXACT && level == FLOATS_INEXACT) requestRewrite(region);
  }
  return region.stamp == h.codeStamp || isStillMapped(h, region);
}

/** Whether the mode is one for the region and each of its pages is mapped as it was; then its stamp says so. */
function isStillMapped(h: Hart, region: Region): bool {
  if (region.isUser != 0 && h.privilege != PRIVILEGE_USER) return false;
  for (let n: u32 = 0; n < WINDOW_PAGES; n++) {
    const page = region.page(n);
    if (page != 0 && pageToFetch(h, region.pc + ((<u64>n - OWN_PAGE) << 12)) != page) return false;
  }
  region.stamp = h.codeStamp;
  return true;
}

// ---- pages ----

@inline function firstLink(page: u32): usize {
  return <usize>(PAGE_LINKS_BASE + (page << 1));
}
@inline function nextLink(link: u32): usize {
  return <usize>(LINKS_BASE + (link << 1));
}

@inline export function hasRegions(page: u32): bool {
  return load<u16>(firstLink(page)) != 0;
}

/** Makes a region that the host has compiled reachable. */
export function publish(region: Region): void {
  const isRewritten = region.rewrite == REWRITE_WRITTEN;
  region.rewrite = REWRITE_NONE;
  if (region.state != STATE_WRITTEN && !(isRewritten && region.state == STATE_READY)) return;
  region.state = STATE_READY;
  region.tableIndex = region.nextTableIndex;
  region.need = region.nextNeed;
  region.floatLevel = region.nextFloatLevel;
  region.coldExits = 0;
  region.stamp = 0;
  for (let n: u32 = 0; n < WINDOW_PAGES; n++) {
    if (region.page(n) == 0 || ((region.linked >> n) & 1) != 0) continue;
    region.linked |= 1 << n;
    markStoresOf(RAM_BASE + ((region.page(n) - 1) << 12));
    const first = firstLink(region.page(n) - 1);
    const link = region.number * WINDOW_PAGES + n + 1;
    store<u16>(nextLink(link), load<u16>(first));
    store<u16>(first, <u16>link);
  }
  const slot = codeSlot(region.page(OWN_PAGE) - 1);
  if (slot != 0) installAt(decodedPageOfSlot(slot - 1), region);
}

function installAt(decoded: u32, region: Region): void {
  store<u64>(<usize>(decoded + ((<u32>region.pc & 0xfff) << 2)), ((<u64>region.number) << 32) | OP_REGION);
}

/** The entry to put at byte `offset` of RAM page `page` when a region begins there, or 0. */
export function regionEntryAt(page: u32, offset: u32): u64 {
  for (let link = <u32>load<u16>(firstLink(page)); link != 0; link = load<u16>(nextLink(link))) {
    const region = regionOf((link - 1) / WINDOW_PAGES);
    if ((link - 1) % WINDOW_PAGES == OWN_PAGE && (<u32>region.pc & 0xfff) == offset && region.state == STATE_READY) {
      return ((<u64>region.number) << 32) | OP_REGION;
    }
  }
  return 0;
}

/** Bytes [first, end) of RAM page `page` were written: regions made from them are entered no more. */
export function killRegions(page: u32, first: u32, end: u32): void {
  let previous = firstLink(page);
  for (let link = <u32>load<u16>(previous); link != 0; link = load<u16>(previous)) {
    const n = (link - 1) % WINDOW_PAGES;
    const region = regionOf((link - 1) / WINDOW_PAGES);
    if (region.state == STATE_READY && isMadeOf(region, n, first, end)) {
      region.state = STATE_DEAD;
      region.stamp = 0;
      const m = theMachine();
      m.killedRegions = m.killedRegions + 1;
      const slot = codeSlot(region.page(OWN_PAGE) - 1);
      if (slot != 0) {
        const entry = <usize>(decodedPageOfSlot(slot - 1) + ((<u32>region.pc & 0xfff) << 2));
        store<u64>(entry, 0);
      }
    }
    if (region.state == STATE_DEAD) store<u16>(previous, load<u16>(nextLink(link)));
    else previous = nextLink(link);
  }
}

/** Whether a region that may be entered was made from a byte in [first, end) of RAM page `page`. */
export function isTranslated(page: u32, first: u32, end: u32): bool {
  for (let link = <u32>load<u16>(firstLink(page)); link != 0; link = load<u16>(nextLink(link))) {
    const region = regionOf((link - 1) / WINDOW_PAGES);
    if (region.state == STATE_READY && isMadeOf(region, (link - 1) % WINDOW_PAGES, first, end)) return true;
  }
  return false;
}

@inline function isMadeOf(region: Region, n: u32, first: u32, end: u32): bool {
  return first < region.spanEnd(n) && end > region.spanFirst(n);
}

@inline function isWritten(region: Region): bool {
  return region.state == STATE_WRITTEN || region.rewrite == REWRITE_WRITTEN;
}

/** As isTranslated, of regions that the host compiles. */
export function isBeingCompiled(page: u32, first: u32, end: u32): bool {
  const m = theMachine();
  for (let n = m.regionCount; n > 0; n--) {
    const region = regionOf(n - 1);
    if (!isWritten(region)) continue;
    for (let k: u32 = 0; k < WINDOW_PAGES; k++) {
      if (region.page(k) == page + 1 && isMadeOf(region, k, first, end)) return true;
    }
  }
  return false;
}

/** Bytes were written while the host compiles regions made from them: they are dead when they arrive. */
export function killWritten(page: u32, first: u32, end: u32): void {
  const m = theMachine();
  for (let n = m.regionCount; n > 0; n--) {
    const region = regionOf(n - 1);
    if (!isWritten(region)) continue;
    for (let k: u32 = 0; k < WINDOW_PAGES; k++) {
      if (region.page(k) == page + 1 && isMadeOf(region, k, first, end)) region.state = STATE_DEAD;
    }
  }
}

/** Whether translated code may lie at `vaddr`, so that a flush of its page must be noticed. */
export function mayHoldRegion(vaddr: u64): bool {
  return load<u8>(<usize>(PAGE_FILTER + ((<u32>(vaddr >> 12)) & FILTER_MASK))) != 0;
}
export function noteRegionPage(vaddr: u64): void {
  store<u8>(<usize>(PAGE_FILTER + ((<u32>(vaddr >> 12)) & FILTER_MASK)), 1);
}
const PAGE_FILTER: u32 = LINKS_BASE + 0x40000;
const FILTER_MASK: u32 = 0xffff;

/** Forgets every region. No decoded page may lead to one any more, and the host drops the modules. */
export function forgetRegions(): void {
  const m = theMachine();
  // Memory of the host that is never written is never taken.
  if (m.regionCount != 0) {
    memory.fill(<usize>BUCKETS_BASE, 0, <usize>(BUCKET_COUNT * 2));
    memory.fill(<usize>LINKS_BASE, 0, <usize>(PAGE_LINKS_BASE - LINKS_BASE));
    memory.fill(<usize>PAGE_LINKS_BASE, 0, 0x200000);
  }
  m.regionCount = 0;
  m.queuedCount = 0;
  m.tableSize = 1;
  m.moduleNumber = m.moduleNumber + 1;
}
