import { Hart, theMachine } from "../generated/hart";
import { ENVCFG_ADUE } from "../hart/status";
import { EVENT_ATTENTION, raise } from "../hart/trap";
import { mmioFaulted, mmioLoad, mmioStore } from "../host";
import {
  CAUSE_FETCH_ACCESS,
  CAUSE_FETCH_PAGE_FAULT,
  CAUSE_LOAD_ACCESS,
  CAUSE_LOAD_MISALIGNED,
  CAUSE_LOAD_PAGE_FAULT,
  CAUSE_STORE_ACCESS,
  CAUSE_STORE_MISALIGNED,
  CAUSE_STORE_PAGE_FAULT,
} from "../shared/causes";
import { DIRTY_BASE } from "../shared/layout";
import { codeChanged, hasCode, isData } from "./code";
import { ensurePresent, isRam, pageNumber, ramAddress, ramChanged } from "./memory";
import { PMP_R, PMP_W, PMP_X, pmpAllows, pmpIsUniform } from "./pmp";
import { CODE_MARK, effectivePrivilege, entryOf, noteSuperpage, STORES } from "./tlb";
import { ACCESS_FAULT, ACCESS_FETCH, ACCESS_LOAD, ACCESS_STORE, PAGE_FAULT, walkPageTable } from "./walk";

/** No physical address; a trap is pending. */
export const NO_PADDR: u64 = u64.MAX_VALUE;
/** No reservation; also an address that is never reserved. */
export const NO_RESERVATION: u64 = u64.MAX_VALUE;

const PAGE_MASK: u64 = ~0xfff;

// What follows is the long way: the TLB hits are in interpreter/target.ts.

/**
 * Loads what the load TLB does not answer for.
 *
 * @param byteLength 1, 2, 4 or 8
 * @returns the value, zero-extended; 0 with a trap pending
 */
export function loadSlow(h: Hart, vaddr: u64, byteLength: u32): u64 {
  if ((vaddr & 0xfff) + byteLength > 4096) return loadAcrossPages(h, vaddr, byteLength);
  const paddr = translate(h, vaddr, byteLength, ACCESS_LOAD);
  if (paddr == NO_PADDR) return 0;
  return loadPhysical(h, vaddr, paddr, byteLength);
}

/** Stores what the store TLB does not answer for; a trap may be pending afterwards. */
export function storeSlow(h: Hart, vaddr: u64, value: u64, byteLength: u32): void {
  if ((vaddr & 0xfff) + byteLength > 4096) {
    storeAcrossPages(h, vaddr, value, byteLength);
    return;
  }
  const paddr = translateForStore(h, vaddr, byteLength);
  if (paddr != NO_PADDR) storePhysical(h, vaddr, paddr, value, byteLength);
}

/**
 * A load by translated code. Where it is not simply RAM it is not done: an attention event is pending, and the
 * interpreter has to execute the instruction.
 */
export function loadForRegion(h: Hart, vaddr: u64, byteLength: u32): u64 {
  if ((vaddr & 0xfff) + byteLength > 4096) return loadAcrossPages(h, vaddr, byteLength);
  const paddr = translate(h, vaddr, byteLength, ACCESS_LOAD);
  if (paddr == NO_PADDR) return 0;
  if (isRam(paddr, byteLength)) return readRam(paddr, byteLength);
  h.event |= EVENT_ATTENTION;
  return 0;
}

/** A store by translated code, as loadForRegion; one over code is the interpreter's too. */
export function storeForRegion(h: Hart, vaddr: u64, value: u64, byteLength: u32): void {
  if ((vaddr & 0xfff) + byteLength > 4096) {
    h.event |= EVENT_ATTENTION;
    return;
  }
  const paddr = translateForStore(h, vaddr, byteLength);
  if (paddr == NO_PADDR) return;
  if (!isRam(paddr, byteLength)) {
    h.event |= EVENT_ATTENTION;
    return;
  }
  const page = pageNumber(paddr);
  if (hasCode(page) && !isData(page, paddr, byteLength)) {
    h.event |= EVENT_ATTENTION;
    return;
  }
  writeAt(ramAddress(paddr), value, byteLength);
  store<u8>(<usize>(DIRTY_BASE + page), 1);
}

/**
 * Physical address of an aligned read-modify-write, with the right to do it; MMIO has no atomics.
 *
 * @param misaligned the cause when vaddr is not a multiple of byteLength
 * @returns NO_PADDR with a trap pending otherwise
 */
export function translateAtomic(h: Hart, vaddr: u64, byteLength: u32, access: u32): u64 {
  if ((vaddr & (byteLength - 1)) != 0) {
    raise(h, access == ACCESS_LOAD ? CAUSE_LOAD_MISALIGNED : CAUSE_STORE_MISALIGNED, vaddr);
    return NO_PADDR;
  }
  const paddr =
    access == ACCESS_LOAD ? translate(h, vaddr, byteLength, access) : translateForStore(h, vaddr, byteLength);
  if (paddr == NO_PADDR) return NO_PADDR;
  if (!isRam(paddr, byteLength)) {
    raise(h, accessCause(access), vaddr);
    return NO_PADDR;
  }
  return paddr;
}

/** Writes RAM at `paddr`, which translateAtomic gave, and keeps decoded code true. */
export function storeAtomic(h: Hart, paddr: u64, value: u64, byteLength: u32): void {
  writeRam(h, paddr, value, byteLength);
}

/** Checks a store of `byteLength` bytes within a page, as cbo.zero makes it, and gives its physical address. */
export function translateForStore(h: Hart, vaddr: u64, byteLength: u32): u64 {
  // A page with decoded code is in the TLB under a marked tag: its translation and rights are known.
  const entry = entryOf(h.dataTlb + STORES, vaddr);
  if (load<u64>(entry) == ((vaddr & PAGE_MASK) ^ CODE_MARK)) {
    return <u64>(load<u32>(entry, 8) + (<u32>vaddr & 0xfff)) + RAM_OFFSET;
  }
  return translate(h, vaddr, byteLength, ACCESS_STORE);
}

/**
 * Translates and checks a data access within a page, or the fetch of an instruction part, and fills the data TLBs.
 *
 * @returns NO_PADDR with a trap pending when it is not allowed
 */
export function translate(h: Hart, vaddr: u64, byteLength: u32, access: u32): u64 {
  const privilege = access == ACCESS_FETCH ? h.privilege : effectivePrivilege(h);
  const paddr = walkPageTable(h, vaddr, access, privilege);
  if (paddr >= ACCESS_FAULT) {
    raise(h, paddr == PAGE_FAULT ? pageFaultCause(access) : accessCause(access), vaddr);
    return NO_PADDR;
  }
  const right: u8 = access == ACCESS_FETCH ? PMP_X : access == ACCESS_STORE ? PMP_W : PMP_R;
  if (!pmpAllows(h, paddr, byteLength, right, privilege)) {
    raise(h, accessCause(access), vaddr);
    return NO_PADDR;
  }
  noteLevel(h, vaddr);
  const page = paddr & PAGE_MASK;
  if (isRam(page, 4096)) {
    ensurePresent(page);
    if (access != ACCESS_FETCH && pmpIsUniform(h, page)) fillData(h, vaddr, page, access);
  }
  return paddr;
}

/**
 * The RAM page that an instruction at `vaddr` would be fetched from, without any effect: where the fetch would have one,
 * such as setting A, there is none.
 *
 * @returns its number plus 1; 0 for none
 */
export function probeFetch(h: Hart, vaddr: u64): u32 {
  const environment = h.menvcfg;
  h.menvcfg = environment & ~ENVCFG_ADUE;
  const page = walkPageTable(h, vaddr & PAGE_MASK, ACCESS_FETCH, h.privilege);
  h.menvcfg = environment;
  if (page >= ACCESS_FAULT || !isRam(page, 4096) || !pmpIsUniform(h, page)) return 0;
  if (!pmpAllows(h, page, 2, PMP_X, h.privilege)) return 0;
  noteLevel(h, vaddr);
  return pageNumber(page) + 1;
}

/** Remembers that a translation of the page walked to last is kept somewhere, if it is a part of a superpage. */
function noteLevel(h: Hart, vaddr: u64): void {
  if (h.walkLevel == 0) return;
  const span = ((<u64>1) << (12 + 9 * h.walkLevel)) - 1;
  noteSuperpage(h, vaddr & ~span, vaddr | span);
}

/** Guest physical address of linear memory address 0, modulo 2^64. */
const RAM_OFFSET: u64 = 0x80000000 - 0x4000000;

function fillData(h: Hart, vaddr: u64, page: u64, access: u32): void {
  const hostPage = <u32>ramAddress(page);
  let tag = vaddr & PAGE_MASK;
  let bank = h.dataTlb;
  if (access == ACCESS_STORE) {
    bank += STORES;
    const number = pageNumber(page);
    store<u8>(<usize>(DIRTY_BASE + number), 1);
    if (hasCode(number)) tag ^= CODE_MARK;
  }
  const entry = entryOf(bank, vaddr);
  store<u64>(entry, tag);
  store<u32>(entry, hostPage, 8);
}

function loadPhysical(h: Hart, vaddr: u64, paddr: u64, byteLength: u32): u64 {
  if (isRam(paddr, byteLength)) return readRam(paddr, byteLength);
  h.event |= EVENT_ATTENTION;
  if (paddr + byteLength <= 0x100000000) {
    const value = byteLength < 8 ? <u64>mmioLoad(<u32>paddr, byteLength) : mmioLoadDouble(<u32>paddr);
    if (!mmioFaulted()) return value;
  }
  raise(h, CAUSE_LOAD_ACCESS, vaddr);
  return 0;
}

function storePhysical(h: Hart, vaddr: u64, paddr: u64, value: u64, byteLength: u32): void {
  if (isRam(paddr, byteLength)) {
    writeRam(h, paddr, value, byteLength);
    return;
  }
  h.event |= EVENT_ATTENTION;
  if (paddr + byteLength <= 0x100000000) {
    if (byteLength < 8) mmioStore(<u32>paddr, byteLength, <u32>value);
    else mmioStoreDouble(<u32>paddr, value);
    if (!mmioFaulted()) return;
  }
  raise(h, CAUSE_STORE_ACCESS, vaddr);
}

/** An 8-byte access to a device is two, low half first; the fault of the first is that of the whole. */
function mmioLoadDouble(paddr: u32): u64 {
  const low = mmioLoad(paddr, 4);
  if (theMachine().mmioFault != 0) return 0;
  return <u64>low | ((<u64>mmioLoad(paddr + 4, 4)) << 32);
}

function mmioStoreDouble(paddr: u32, value: u64): void {
  mmioStore(paddr, 4, <u32>value);
  if (theMachine().mmioFault == 0) mmioStore(paddr + 4, 4, <u32>(value >> 32));
}

function readRam(paddr: u64, byteLength: u32): u64 {
  return readAt(ramAddress(paddr), byteLength);
}

function readAt(address: usize, byteLength: u32): u64 {
  if (byteLength == 8) return load<u64>(address);
  if (byteLength == 4) return load<u32>(address);
  if (byteLength == 2) return load<u16>(address);
  return load<u8>(address);
}

function writeRam(h: Hart, paddr: u64, value: u64, byteLength: u32): void {
  writeAt(ramAddress(paddr), value, byteLength);
  const page = pageNumber(paddr);
  // A page that PMP covers in part is never in the TLB, whose filling marks the others.
  store<u8>(<usize>(DIRTY_BASE + page), 1);
  // When the decoded page is gone, its entries may soon be another page's: leave them after this instruction.
  if (hasCode(page) && codeChanged(page, paddr, byteLength)) h.event |= EVENT_ATTENTION;
}

function writeAt(address: usize, value: u64, byteLength: u32): void {
  if (byteLength == 8) store<u64>(address, value);
  else if (byteLength == 4) store<u32>(address, <u32>value);
  else if (byteLength == 2) store<u16>(address, <u16>value);
  else store<u8>(address, <u8>value);
}

/** A load that touches two pages: both are checked before anything is read, and it is atomic in neither. */
function loadAcrossPages(h: Hart, vaddr: u64, byteLength: u32): u64 {
  const firstLength = <u32>(4096 - (vaddr & 0xfff));
  const first = translateRam(h, vaddr, firstLength, ACCESS_LOAD);
  if (first == NO_PADDR) return 0;
  const second = translateRam(h, vaddr + firstLength, byteLength - firstLength, ACCESS_LOAD);
  if (second == NO_PADDR) return 0;
  let value: u64 = 0;
  for (let n: u32 = 0; n < byteLength; n++) {
    const paddr = n < firstLength ? first + n : second + (n - firstLength);
    value |= readRam(paddr, 1) << (n << 3);
  }
  return value;
}

function storeAcrossPages(h: Hart, vaddr: u64, value: u64, byteLength: u32): void {
  const firstLength = <u32>(4096 - (vaddr & 0xfff));
  const first = translateRam(h, vaddr, firstLength, ACCESS_STORE);
  if (first == NO_PADDR) return;
  const second = translateRam(h, vaddr + firstLength, byteLength - firstLength, ACCESS_STORE);
  if (second == NO_PADDR) return;
  for (let n: u32 = 0; n < byteLength; n++) {
    const paddr = n < firstLength ? first + n : second + (n - firstLength);
    writeRam(h, paddr, value >> (n << 3), 1);
  }
}

function translateRam(h: Hart, vaddr: u64, byteLength: u32, access: u32): u64 {
  const paddr =
    access == ACCESS_STORE ? translateForStore(h, vaddr, byteLength) : translate(h, vaddr, byteLength, access);
  if (paddr != NO_PADDR && !isRam(paddr, byteLength)) {
    raise(h, accessCause(access), vaddr);
    return NO_PADDR;
  }
  return paddr;
}

/** Zeroes a cache block at a physical address that translateForStore gave and that is RAM. */
export function zeroRam(h: Hart, paddr: u64, byteLength: u32): void {
  memory.fill(ramAddress(paddr), 0, byteLength);
  if (ramChanged(paddr, byteLength)) h.event |= EVENT_ATTENTION;
}

function pageFaultCause(access: u32): u32 {
  if (access == ACCESS_FETCH) return CAUSE_FETCH_PAGE_FAULT;
  return access == ACCESS_LOAD ? CAUSE_LOAD_PAGE_FAULT : CAUSE_STORE_PAGE_FAULT;
}

function accessCause(access: u32): u32 {
  if (access == ACCESS_FETCH) return CAUSE_FETCH_ACCESS;
  return access == ACCESS_LOAD ? CAUSE_LOAD_ACCESS : CAUSE_STORE_ACCESS;
}

/** Checks a cache-block management operation, which needs any right to the block; its faults are a store's. */
export function translateCacheBlock(h: Hart, vaddr: u64, byteLength: u32): void {
  const privilege = effectivePrivilege(h);
  let paddr = walkPageTable(h, vaddr, ACCESS_LOAD, privilege);
  if (paddr == PAGE_FAULT) paddr = walkPageTable(h, vaddr, ACCESS_FETCH, privilege);
  if (paddr >= ACCESS_FAULT) {
    raise(h, paddr == PAGE_FAULT ? CAUSE_STORE_PAGE_FAULT : CAUSE_STORE_ACCESS, vaddr);
    return;
  }
  const block = paddr & ~(<u64>byteLength - 1);
  const allowed =
    pmpAllows(h, block, byteLength, PMP_R, privilege) ||
    pmpAllows(h, block, byteLength, PMP_W, privilege) ||
    pmpAllows(h, block, byteLength, PMP_X, privilege);
  if (!allowed) raise(h, CAUSE_STORE_ACCESS, vaddr);
}
