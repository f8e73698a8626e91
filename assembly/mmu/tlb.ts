import { Hart, hartAt, theMachine } from "../generated/hart";
import { MSTATUS_MPP, MSTATUS_MPP_SHIFT, MSTATUS_MPRV, MSTATUS_SUM } from "../hart/status";
import { mayHoldRegion } from "../jit/cache";
import { PRIVILEGE_MACHINE, PRIVILEGE_USER } from "../shared/causes";
import { TLB_STRIDE, TLBS_BASE } from "../shared/layout";

/**
 * Translation look-aside buffers of a hart: one for loads, one for stores and one for fetches, each in banks by mode,
 * for each of the address spaces it knows.
 *
 *   offset in a hart's part        bank
 *   0x00000 + space * 0x8000       0x0000 user loads, then stores        0x4000 supervisor loads with SUM, then stores
 *                                  0x2000 supervisor loads, then stores  0x6000 user fetches, then supervisor fetches
 *   0x40000                        machine loads, then stores, then fetches
 *   0x44000                        the scratch entries of interpreter/fetch.ts
 *
 * An entry is 16 bytes, direct-mapped by the low bits of the page number:
 *
 *   0  u64  the page's virtual address; all ones for none
 *   8  u32  loads and stores: what to add to an address, modulo 2^32, to find it in linear memory
 *           fetches: address of the decoded page
 *  12  u32  loads and stores: where the page stands in linear memory
 *
 * An address space is a satp value. It has a number, which changes when the space is flushed, and which translated code
 * is checked against. The tags need none: a space has banks of its own, so that an access compares its page and no more.
 */
export const TLB_ENTRY_COUNT: u32 = 256;
export const TLB_BANK_BYTE_LENGTH: u32 = TLB_ENTRY_COUNT * 16;
/** From a mode's loads to its stores. */
export const STORES: u32 = TLB_BANK_BYTE_LENGTH;

const SPACE_BYTE_LENGTH: u32 = 8 * TLB_BANK_BYTE_LENGTH;
const USER_DATA: u32 = 0;
const SUPERVISOR_DATA: u32 = 2 * TLB_BANK_BYTE_LENGTH;
const SUPERVISOR_SUM_DATA: u32 = 4 * TLB_BANK_BYTE_LENGTH;
const USER_FETCHES: u32 = 6 * TLB_BANK_BYTE_LENGTH;
const SUPERVISOR_FETCHES: u32 = 7 * TLB_BANK_BYTE_LENGTH;

const MACHINE: u32 = 0x40000;
const MACHINE_FETCHES: u32 = MACHINE + 2 * TLB_BANK_BYTE_LENGTH;
export const SCRATCH_OFFSET: u32 = 0x44000;

/** In the tag of a store entry: the page holds decoded or translated code, and a store must go the long way. */
export const CODE_MARK: u64 = 0x800;
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

/** Recomputes which TLBs apply; to be called when privilege, mstatus, satp or a flush changes it. */
export function refreshMode(h: Hart): void {
  const base = tlbBase(h);
  const privilege = h.privilege;
  const dataPrivilege = effectivePrivilege(h);
  let space: u32 = base;
  let number: u32 = MACHINE_SPACE;
  if (dataPrivilege != PRIVILEGE_MACHINE) {
    const slot = slotOf(h);
    space += slot * SPACE_BYTE_LENGTH;
    number = h.spaceNumbers(slot);
  }
  h.dataTlb = dataPrivilege == PRIVILEGE_MACHINE ? base + MACHINE : space + dataBank(h, dataPrivilege);
  if (privilege == PRIVILEGE_MACHINE) {
    number = MACHINE_SPACE;
    h.fetchTlb = base + MACHINE_FETCHES;
  } else h.fetchTlb = space + (privilege == PRIVILEGE_USER ? USER_FETCHES : SUPERVISOR_FETCHES);
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
  if (privilege == PRIVILEGE_USER) return USER_DATA;
  return (h.mstatus & MSTATUS_SUM) != 0 ? SUPERVISOR_SUM_DATA : SUPERVISOR_DATA;
}

/** The slot of the address space in satp; it takes over the one that was first taken when it has none. */
function slotOf(h: Hart): u32 {
  const key = h.satp;
  for (let n: u32 = 0; n < SPACE_COUNT; n++) {
    if (h.spaceKeys(n) == key && h.spaceNumbers(n) != 0) return n;
  }
  const slot = h.spaceCursor;
  h.spaceCursor = slot + 1 == SPACE_COUNT ? 0 : slot + 1;
  memory.fill(<usize>(tlbBase(h) + slot * SPACE_BYTE_LENGTH), 0xff, <usize>SPACE_BYTE_LENGTH);
  h.set_spaceKeys(slot, key);
  h.set_spaceNumbers(slot, nextNumber(h));
  return slot;
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

/** Power-on: no entries at all. */
export function resetTlb(h: Hart): void {
  memory.fill(<usize>(tlbBase(h)), 0xff, <usize>SCRATCH_OFFSET);
  h.nextSpace = MACHINE_SPACE + 1;
  for (let n: u32 = 0; n < SPACE_COUNT; n++) h.set_spaceNumbers(n, 0);
  forgetSuperpages(h);
  refreshMode(h);
}

/** SFENCE.VMA without operands: forgets every translation of the hart. */
export function flushAll(h: Hart): void {
  memory.fill(<usize>(tlbBase(h) + MACHINE), 0xff, <usize>(3 * TLB_BANK_BYTE_LENGTH));
  h.codeEpoch = h.codeEpoch + 1;
  for (let n: u32 = 0; n < SPACE_COUNT; n++) h.set_spaceNumbers(n, 0);
  forgetSuperpages(h);
  refreshMode(h);
}

/** SFENCE.VMA with an ASID: forgets that address space. Its global entries go too, which is allowed. */
export function flushSpace(h: Hart, asid: u64): void {
  for (let n: u32 = 0; n < SPACE_COUNT; n++) {
    if (((h.spaceKeys(n) >> 44) & 0xffff) == (asid & 0xffff)) h.set_spaceNumbers(n, 0);
  }
  refreshMode(h);
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
  for (let bank = tlbBase(h); bank < end; bank += TLB_BANK_BYTE_LENGTH) store<u64>(entryOf(bank, vaddr), u64.MAX_VALUE);
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
    const h = hartAt(id);
    for (let slot: u32 = 0; slot < SPACE_COUNT; slot++) {
      if (h.spaceNumbers(slot) == 0) continue;
      for (let data = USER_DATA; data <= SUPERVISOR_SUM_DATA; data += 2 * TLB_BANK_BYTE_LENGTH) {
        markStoresIn(tlbBase(h) + slot * SPACE_BYTE_LENGTH + data + STORES, hostPage);
      }
    }
    markStoresIn(tlbBase(h) + MACHINE + STORES, hostPage);
  }
}

function markStoresIn(bank: u32, hostPage: u32): void {
  const end = bank + TLB_BANK_BYTE_LENGTH;
  for (let entry = bank; entry < end; entry += 16) {
    if (load<u32>(<usize>entry, 12) == hostPage) store<u64>(<usize>entry, load<u64>(<usize>entry) | CODE_MARK);
  }
}

/** Drops the store entries of every hart: the next store to any page goes the long way once. */
export function dropStores(): void {
  const harts = theMachine().hartCount;
  for (let id: u32 = 0; id < harts; id++) {
    const base = tlbBase(hartAt(id));
    for (let slot: u32 = 0; slot < SPACE_COUNT; slot++) {
      for (let data = USER_DATA; data <= SUPERVISOR_SUM_DATA; data += 2 * TLB_BANK_BYTE_LENGTH) {
        dropBank(base + slot * SPACE_BYTE_LENGTH + data + STORES);
      }
    }
    dropBank(base + MACHINE + STORES);
  }
}

function dropBank(bank: u32): void {
  memory.fill(<usize>bank, 0xff, <usize>TLB_BANK_BYTE_LENGTH);
}

/** Drops the fetch entries of every hart that point to the decoded page at `decoded`. */
export function dropFetchesOf(decoded: u32): void {
  const harts = theMachine().hartCount;
  for (let id: u32 = 0; id < harts; id++) {
    const base = tlbBase(hartAt(id));
    for (let slot: u32 = 0; slot < SPACE_COUNT; slot++) {
      dropFetchesIn(base + slot * SPACE_BYTE_LENGTH + USER_FETCHES, decoded);
      dropFetchesIn(base + slot * SPACE_BYTE_LENGTH + SUPERVISOR_FETCHES, decoded);
    }
    dropFetchesIn(base + MACHINE_FETCHES, decoded);
  }
}

function dropFetchesIn(bank: u32, decoded: u32): void {
  const end = bank + TLB_BANK_BYTE_LENGTH;
  for (let entry = bank; entry < end; entry += 16) {
    if (load<u32>(<usize>entry, 8) == decoded) store<u64>(<usize>entry, u64.MAX_VALUE);
  }
}
