import { Hart, hartAt, theMachine } from "../generated/hart";
import { MSTATUS_MPP, MSTATUS_MPP_SHIFT, MSTATUS_MPRV, MSTATUS_SUM } from "../hart/status";
import { mayHoldRegion } from "../jit/cache";
import { PRIVILEGE_MACHINE, PRIVILEGE_USER } from "../shared/causes";
import { TLB_STRIDE, TLBS_BASE } from "../shared/layout";

/**
 * Translation look-aside buffers: one for loads, one for stores and one for fetches a hart, each in banks by mode.
 *
 *   offset in a hart's part        bank
 *   0x0000 loads                   0 user, 1 supervisor, 2 supervisor with SUM, 3 machine
 *   0x4000 stores                  the same
 *   0x8000 fetches                 0 user, 1 supervisor, 3 machine
 *   0xc000 the scratch entries of interpreter/fetch.ts
 *
 * An entry is 16 bytes, direct-mapped by the low bits of the page number:
 *
 *   0  u64  the page's virtual address, with the number of its address space in the 12 low bits
 *   8  u32  loads and stores: what to add to an address, modulo 2^32, to find it in linear memory
 *           fetches: address of the decoded page
 *  12  u32  loads and stores: where the page stands in linear memory
 *
 * An address space is a satp value. Its number changes when it is flushed, which costs nothing: entries of the old
 * number match no more. Bit 11 of a number is kept for CODE_MARK.
 */
export const TLB_ENTRY_COUNT: u32 = 256;
export const TLB_BANK_BYTE_LENGTH: u32 = TLB_ENTRY_COUNT * 16;
const LOADS: u32 = 0;
const STORES: u32 = 0x4000;
const FETCHES: u32 = 0x8000;
export const SCRATCH_OFFSET: u32 = 0xc000;

const BANK_USER: u32 = 0;
const BANK_SUPERVISOR: u32 = 1;
const BANK_SUPERVISOR_SUM: u32 = 2;
const BANK_MACHINE: u32 = 3;
const BANK_COUNT: u32 = 4;

/** In the tag of a store entry: the page holds decoded code, and a store must go the long way. */
export const CODE_MARK: u64 = 0x800;
const LAST_SPACE: u32 = 0x7ff;

const SPACE_COUNT: u32 = 16;
/** The key of the address space without translation; satp of mode Bare has no other bits that matter. */
const BARE: u64 = 0;

@inline export function tlbBase(h: Hart): u32 {
  return TLBS_BASE + h.id * TLB_STRIDE;
}
@inline export function entryOf(bank: u32, vaddr: u64): usize {
  return <usize>(bank + (<u32>(vaddr >> 8) & ((TLB_ENTRY_COUNT - 1) << 4)));
}

/** Recomputes which TLBs and address spaces apply; to be called when privilege, mstatus, satp or a flush changes it. */
export function refreshMode(h: Hart): void {
  // Room for both numbers that may be needed: running out between them would leave the first one stale.
  if (h.nextSpace >= LAST_SPACE) forgetEverything(h);
  const base = tlbBase(h);
  const privilege = h.privilege;
  h.fetchTlb = base + FETCHES + bankOf(privilege, false) * TLB_BANK_BYTE_LENGTH;
  h.fetchSpace = spaceNumber(h, privilege);
  const dataPrivilege = effectivePrivilege(h);
  const bank = bankOf(dataPrivilege, (h.mstatus & MSTATUS_SUM) != 0);
  h.loadTlb = base + LOADS + bank * TLB_BANK_BYTE_LENGTH;
  h.storeTlb = base + STORES + bank * TLB_BANK_BYTE_LENGTH;
  h.codeStamp = ((<u64>h.codeEpoch) << 32) | (h.fetchSpace << 8) | (privilege << 4) | (h.id + 1);
  h.dataSpace = dataPrivilege == privilege ? h.fetchSpace : spaceNumber(h, dataPrivilege);
}

/** The privilege loads and stores have: MPRV lends machine mode that of MPP. */
export function effectivePrivilege(h: Hart): u32 {
  if (h.privilege == PRIVILEGE_MACHINE && (h.mstatus & MSTATUS_MPRV) != 0) {
    return <u32>((h.mstatus & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT);
  }
  return h.privilege;
}

function bankOf(privilege: u32, sum: bool): u32 {
  if (privilege == PRIVILEGE_MACHINE) return BANK_MACHINE;
  if (privilege == PRIVILEGE_USER) return BANK_USER;
  return sum ? BANK_SUPERVISOR_SUM : BANK_SUPERVISOR;
}

function spaceNumber(h: Hart, privilege: u32): u64 {
  const key = privilege == PRIVILEGE_MACHINE ? BARE : h.satp;
  for (let n: u32 = 0; n < SPACE_COUNT; n++) {
    if (h.spaceNumbers(n) != 0 && h.spaceKeys(n) == key) return h.spaceNumbers(n);
  }
  const number = h.nextSpace;
  h.nextSpace = number + 1;
  const slot = h.spaceCursor % SPACE_COUNT;
  h.spaceCursor = slot + 1;
  h.set_spaceKeys(slot, key);
  h.set_spaceNumbers(slot, number);
  return number;
}

/** Empties the TLBs, also when address-space numbers have run out. */
function forgetEverything(h: Hart): void {
  memory.fill(<usize>tlbBase(h), 0, <usize>SCRATCH_OFFSET);
  h.nextSpace = 1;
  for (let n: u32 = 0; n < SPACE_COUNT; n++) h.set_spaceNumbers(n, 0);
}

/** Power-on: no entries at all. */
export function resetTlb(h: Hart): void {
  forgetEverything(h);
  forgetSuperpages(h);
  refreshMode(h);
}

/** SFENCE.VMA without operands: forgets every translation of the hart. */
export function flushAll(h: Hart): void {
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
  const base = tlbBase(h);
  for (let bank: u32 = 0; bank < 3 * BANK_COUNT; bank++) {
    store<u64>(entryOf(base + bank * TLB_BANK_BYTE_LENGTH, vaddr), 0);
  }
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

/** Marks the store entries of every hart for the page at `hostPage`, so that stores to new code are noticed. */
export function markStoresOf(hostPage: u32): void {
  const harts = theMachine().hartCount;
  for (let id: u32 = 0; id < harts; id++) {
    const first = tlbBase(hartAt(id)) + STORES;
    const end = first + BANK_COUNT * TLB_BANK_BYTE_LENGTH;
    for (let entry = first; entry < end; entry += 16) {
      if (load<u32>(<usize>entry, 12) == hostPage) store<u64>(<usize>entry, load<u64>(<usize>entry) | CODE_MARK);
    }
  }
}

/** Drops the store entries of every hart: the next store to any page goes the long way once. */
export function dropStores(): void {
  const harts = theMachine().hartCount;
  for (let id: u32 = 0; id < harts; id++) {
    memory.fill(<usize>(tlbBase(hartAt(id)) + STORES), 0, <usize>(BANK_COUNT * TLB_BANK_BYTE_LENGTH));
  }
}

/** Drops the fetch entries of every hart that point to the decoded page at `decoded`. */
export function dropFetchesOf(decoded: u32): void {
  const harts = theMachine().hartCount;
  for (let id: u32 = 0; id < harts; id++) {
    const first = tlbBase(hartAt(id)) + FETCHES;
    const end = first + BANK_COUNT * TLB_BANK_BYTE_LENGTH;
    for (let entry = first; entry < end; entry += 16) {
      if (load<u32>(<usize>entry, 8) == decoded) store<u64>(<usize>entry, 0);
    }
  }
}
