import { Hart, hartAt, theMachine } from "../generated/hart";
import { MSTATUS_MPP, MSTATUS_MPP_SHIFT, MSTATUS_MPRV, MSTATUS_SUM } from "../hart/status";
import { mayHoldRegion } from "../jit/cache";
import { PRIVILEGE_MACHINE, PRIVILEGE_USER } from "../shared/causes";
import { TLB_STRIDE, TLBS_BASE } from "../shared/layout";

/**
 * Translation look-aside buffers of a hart: one for loads, one for stores and one for fetches, each in banks by mode.
 *
 *   offset in a hart's part   bank
 *   0x0000                    user loads, then stores
 *   0x2000                    supervisor loads, then stores
 *   0x4000                    supervisor loads with SUM, then stores
 *   0x6000                    machine loads, then stores
 *   0x8000                    user fetches, supervisor fetches, machine fetches
 *   0xb000                    the scratch entries of interpreter/fetch.ts
 *
 * An entry is 16 bytes, direct-mapped by the low bits of the page number:
 *
 *   0  u64  the page's virtual address; for none, one that belongs in another entry
 *   8  u32  loads and stores: where the page stands in linear memory
 *           fetches: address of the decoded page
 *
 * An access of n bytes hits when its address XOR the entry's, the offset in the page, is at most 4096 - n: so one that
 * reaches into the next page misses, and misaligned ones need no other test.
 *
 * Entries are those of the address space in satp: writing another one there empties the user's and supervisor's banks.
 * Address spaces have numbers, which change when they are flushed, and which translated code is checked against.
 */
export const TLB_ENTRY_COUNT: u32 = 256;
export const TLB_BANK_BYTE_LENGTH: u32 = TLB_ENTRY_COUNT * 16;
/** From a mode's loads to its stores. */
export const STORES: u32 = TLB_BANK_BYTE_LENGTH;

export const USER_DATA: u32 = 0;
const SUPERVISOR_DATA: u32 = 0x2000;
const SUPERVISOR_SUM_DATA: u32 = 0x4000;
const MACHINE_DATA: u32 = 0x6000;
const USER_FETCHES: u32 = 0x8000;
const SUPERVISOR_FETCHES: u32 = 0x9000;
const MACHINE_FETCHES: u32 = 0xa000;
export const SCRATCH_OFFSET: u32 = 0xb000;

/**
 * In the tag of a store entry: the page holds decoded or translated code, and a store must go the long way. The tag is
 * then that of the entry's neighbour, and never matches.
 */
export const CODE_MARK: u64 = 0x1000;
/** Numbers of address spaces are so small that a code stamp holds one. */
const LAST_SPACE: u32 = 0xffffff;

const SPACE_COUNT: u32 = 8;
/** The number of the machine's own space, which has no translation. */
const MACHINE_SPACE: u32 = 1;

@inline export function tlbBase(h: Hart): u32 {
  return TLBS_BASE + h.id * TLB_STRIDE;
}
@inline export function entryOf(bank: u32, vaddr: u64): usize {
  return <usize>(bank + (<u32>(vaddr >> 8) & ((TLB_ENTRY_COUNT - 1) << 4)));
}

/** Empties a bank. All ones belong in the last entry; what does not belong there is zero. */
function emptyBank(bank: u32): void {
  memory.fill(<usize>bank, 0xff, <usize>TLB_BANK_BYTE_LENGTH);
  emptyEntry(<usize>(bank + TLB_BANK_BYTE_LENGTH - 16));
}
@inline function emptyEntry(entry: usize): void {
  const isLast = (<u32>entry & (TLB_BANK_BYTE_LENGTH - 1)) == TLB_BANK_BYTE_LENGTH - 16;
  store<u64>(entry, isLast ? 0 : u64.MAX_VALUE);
  store<u32>(entry, u32.MAX_VALUE, 8);
}

/** Recomputes which TLBs apply; to be called when privilege, mstatus, satp or a flush changes it. */
export function refreshMode(h: Hart): void {
  const base = tlbBase(h);
  const privilege = h.privilege;
  const dataPrivilege = effectivePrivilege(h);
  if (dataPrivilege != PRIVILEGE_MACHINE) enterSpace(h);
  h.dataTlb = base + dataBank(h, dataPrivilege);
  let number = MACHINE_SPACE;
  if (privilege == PRIVILEGE_MACHINE) h.fetchTlb = base + MACHINE_FETCHES;
  else {
    h.fetchTlb = base + (privilege == PRIVILEGE_USER ? USER_FETCHES : SUPERVISOR_FETCHES);
    number = h.spaceNumber;
  }
  h.codeStamp = ((<u64>h.codeEpoch) << 32) | (<u64>(number << 8) | (privilege << 4) | (h.id + 1));
}

/** The privilege loads and stores have: MPRV lends machine mode that of MPP. */
export function effectivePrivilege(h: Hart): u32 {
  if (h.privilege == PRIVILEGE_MACHINE && (h.mstatus & MSTATUS_MPRV) != 0) {
    return <u32>((h.mstatus & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT);
  }
  return h.privilege;
}

function dataBank(h: Hart, privilege: u32): u32 {
  if (privilege == PRIVILEGE_MACHINE) return MACHINE_DATA;
  if (privilege == PRIVILEGE_USER) return USER_DATA;
  return (h.mstatus & MSTATUS_SUM) != 0 ? SUPERVISOR_SUM_DATA : SUPERVISOR_DATA;
}

/** Makes the entries those of the address space in satp. */
function enterSpace(h: Hart): void {
  const key = h.satp;
  if (h.spaceNumber != 0 && h.spaceKey == key) return;
  h.spaceKey = key;
  h.spaceNumber = numberOf(h, key);
  const base = tlbBase(h);
  for (let bank = USER_DATA; bank < MACHINE_DATA; bank += TLB_BANK_BYTE_LENGTH) emptyBank(base + bank);
  emptyBank(base + USER_FETCHES);
  emptyBank(base + SUPERVISOR_FETCHES);
}

/** The number of an address space: the one it had last, unless it was flushed or is forgotten. */
function numberOf(h: Hart, key: u64): u32 {
  for (let n: u32 = 0; n < SPACE_COUNT; n++) {
    if (h.spaceKeys(n) == key && h.spaceNumbers(n) != 0) return h.spaceNumbers(n);
  }
  const slot = h.spaceCursor;
  h.spaceCursor = slot + 1 == SPACE_COUNT ? 0 : slot + 1;
  const number = nextNumber(h);
  h.set_spaceKeys(slot, key);
  h.set_spaceNumbers(slot, number);
  return number;
}

/** When numbers run out, the epoch of the code stamps makes a difference between the old and the new. */
function nextNumber(h: Hart): u32 {
  if (h.nextSpace >= LAST_SPACE) {
    h.nextSpace = MACHINE_SPACE + 1;
    h.codeEpoch = h.codeEpoch + 1;
  }
  const number = h.nextSpace;
  h.nextSpace = number + 1;
  return number;
}

/** No entries at all: at power-on, and when the host has changed the hart. Address spaces are counted anew. */
export function resetTlb(h: Hart): void {
  h.codeEpoch = h.codeEpoch + 1;
  for (let bank: u32 = 0; bank < SCRATCH_OFFSET; bank += TLB_BANK_BYTE_LENGTH) emptyBank(tlbBase(h) + bank);
  h.nextSpace = MACHINE_SPACE + 1;
  forgetSpaces(h);
  forgetSuperpages(h);
  refreshMode(h);
}

/** SFENCE.VMA without operands: forgets every translation of the hart. */
export function flushAll(h: Hart): void {
  emptyBank(tlbBase(h) + MACHINE_DATA);
  emptyBank(tlbBase(h) + MACHINE_DATA + STORES);
  emptyBank(tlbBase(h) + MACHINE_FETCHES);
  h.codeEpoch = h.codeEpoch + 1;
  forgetSpaces(h);
  forgetSuperpages(h);
  refreshMode(h);
}

function forgetSpaces(h: Hart): void {
  for (let n: u32 = 0; n < SPACE_COUNT; n++) h.set_spaceNumbers(n, 0);
  h.spaceNumber = 0;
}

/** SFENCE.VMA with an ASID: forgets that address space. Its global entries go too, which is allowed. */
export function flushSpace(h: Hart, asid: u64): void {
  for (let n: u32 = 0; n < SPACE_COUNT; n++) {
    if (hasAsid(h.spaceKeys(n), asid)) h.set_spaceNumbers(n, 0);
  }
  if (hasAsid(h.spaceKey, asid)) h.spaceNumber = 0;
  refreshMode(h);
}

@inline function hasAsid(satp: u64, asid: u64): bool {
  return ((satp >> 44) & 0xffff) == (asid & 0xffff);
}

/** SFENCE.VMA with an address: forgets what any address space has for its page. */
export function flushPage(h: Hart, vaddr: u64): void {
  const upper = <i64>vaddr < 0;
  const low = upper ? h.kernelSuperpageLow : h.userSuperpageLow;
  const high = upper ? h.kernelSuperpageHigh : h.userSuperpageHigh;
  // A superpage's translations stand in the TLB page by page; rather than find them all, forget everything.
  if (vaddr >= low && vaddr <= high) {
    flushAll(h);
    return;
  }
  if (mayHoldRegion(vaddr)) {
    h.codeEpoch = h.codeEpoch + 1;
    refreshMode(h);
  }
  // The machine's banks are no translations, but nothing is lost by looking there too.
  const end = tlbBase(h) + SCRATCH_OFFSET;
  for (let bank = tlbBase(h); bank < end; bank += TLB_BANK_BYTE_LENGTH) emptyEntry(entryOf(bank, vaddr));
}

/** Notes that a page of a superpage [first, last] is cached. */
export function noteSuperpage(h: Hart, first: u64, last: u64): void {
  if (<i64>first < 0) {
    if (first < h.kernelSuperpageLow) h.kernelSuperpageLow = first;
    if (last > h.kernelSuperpageHigh) h.kernelSuperpageHigh = last;
  } else {
    if (first < h.userSuperpageLow) h.userSuperpageLow = first;
    if (last > h.userSuperpageHigh) h.userSuperpageHigh = last;
  }
}

function forgetSuperpages(h: Hart): void {
  h.userSuperpageLow = u64.MAX_VALUE;
  h.userSuperpageHigh = 0;
  h.kernelSuperpageLow = u64.MAX_VALUE;
  h.kernelSuperpageHigh = 0;
}

// ---- every hart's entries ----

/** Marks the store entries of every hart for the page at `hostPage`, so that stores to new code are noticed. */
export function markStoresOf(hostPage: u32): void {
  const harts = theMachine().hartCount;
  for (let id: u32 = 0; id < harts; id++) {
    const base = tlbBase(hartAt(id));
    for (let data = USER_DATA; data <= MACHINE_DATA; data += 2 * TLB_BANK_BYTE_LENGTH) {
      markStoresIn(base + data + STORES, hostPage);
    }
  }
}

function markStoresIn(bank: u32, hostPage: u32): void {
  const end = bank + TLB_BANK_BYTE_LENGTH;
  for (let entry = bank; entry < end; entry += 16) {
    if (load<u32>(<usize>entry, 8) != hostPage) continue;
    const tag = load<u64>(<usize>entry);
    if (((<u32>(tag >> 8) ^ entry) & (TLB_BANK_BYTE_LENGTH - 16)) == 0) store<u64>(<usize>entry, tag ^ CODE_MARK);
  }
}

/** Drops the store entries of every hart: the next store to any page goes the long way once. */
export function dropStores(): void {
  const harts = theMachine().hartCount;
  for (let id: u32 = 0; id < harts; id++) {
    const base = tlbBase(hartAt(id));
    for (let data = USER_DATA; data <= MACHINE_DATA; data += 2 * TLB_BANK_BYTE_LENGTH) emptyBank(base + data + STORES);
  }
}

/** Drops the fetch entries of every hart that point to the decoded page at `decoded`. */
export function dropFetchesOf(decoded: u32): void {
  const harts = theMachine().hartCount;
  for (let id: u32 = 0; id < harts; id++) {
    const end = tlbBase(hartAt(id)) + SCRATCH_OFFSET;
    for (let entry = tlbBase(hartAt(id)) + USER_FETCHES; entry < end; entry += 16) {
      if (load<u32>(<usize>entry, 8) == decoded) emptyEntry(<usize>entry);
    }
  }
}
