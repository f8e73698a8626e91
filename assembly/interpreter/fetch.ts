import { decode, expand } from "../generated/decode";
import { Hart } from "../generated/hart";
import {
  backwardVariant,
  compressedVariant,
  nearVariant,
  OP_CROSSING,
  OP_ILLEGAL,
  OP_JAL,
  OP_PAGE_END,
} from "../generated/operations";
import { hasRegions, regionEntryAt } from "../jit/cache";
import { raise } from "../hart/trap";
import { NO_PADDR, translate } from "../mmu/access";
import { decodedPageAt, decodedPageOf, noteDecoding, pageOfDecoded } from "../mmu/code";
import { isRam, pageNumber, ramAddress } from "../mmu/memory";
import { pmpIsUniform } from "../mmu/pmp";
import { entryOf, SCRATCH_OFFSET, tlbBase } from "../mmu/tlb";
import { ACCESS_FETCH } from "../mmu/walk";
import { CAUSE_FETCH_ACCESS, CAUSE_ILLEGAL_INSTRUCTION } from "../shared/causes";
import { DISCARDED, rd } from "../semantics/operands";
import { IMM_SHIFT, OPERATION_MASK } from "../shared/decoded";
import { RAM_BASE } from "../shared/layout";

const PAGE_MASK: u64 = ~0xfff;

/** The virtual address of the instruction whose entry is at `ip`: entries are 8 bytes for 2 of code. */
@inline export function pcAt(h: Hart, ip: usize): u64 {
  return h.pcBase + (ip >> 2);
}

/**
 * The entry to execute at `pc`, with hart.pcBase made to fit.
 *
 * @returns 0 with a trap pending and hart.pc at `pc` when it cannot be fetched
 */
export function enterPage(h: Hart, pc: u64): usize {
  const entry = entryOf(h.fetchTlb, pc);
  let decoded = load<u32>(entry, 8);
  if (load<u64>(entry) != (pc & PAGE_MASK)) {
    decoded = fetchPage(h, pc);
    if (decoded == NOT_FETCHED) {
      h.pc = pc;
      return 0;
    }
    if (decoded == NOT_UNIFORM) return enterSingle(h, pc);
  }
  h.pcBase = (pc & PAGE_MASK) - (decoded >> 2);
  return <usize>(decoded + ((<u32>pc & 0xfff) << 2));
}

/** A trap is pending. */
const NOT_FETCHED: u32 = 0;
/** PMP lets only a part of the page be executed: each instruction is checked by itself. */
const NOT_UNIFORM: u32 = 1;

/** The decoded page for `pc`, which the fetch TLB does not have. */
function fetchPage(h: Hart, pc: u64): u32 {
  const paddr = translate(h, pc, 2, ACCESS_FETCH);
  if (paddr == NO_PADDR) return NOT_FETCHED;
  const page = paddr & PAGE_MASK;
  if (!isRam(page, 4096)) {
    raise(h, CAUSE_FETCH_ACCESS, pc);
    return NOT_FETCHED;
  }
  if (!pmpIsUniform(h, page)) return NOT_UNIFORM;
  const decoded = decodedPageOf(pageNumber(page));
  const entry = entryOf(h.fetchTlb, pc);
  store<u64>(entry, pc & PAGE_MASK);
  store<u32>(entry, decoded, 8);
  return decoded;
}

/** Executes the instruction at OP_CROSSING's entry, whose second half is on the next page. */
export function enterCrossing(h: Hart, ip: usize): usize {
  return enterSingle(h, pcAt(h, ip));
}

/**
 * Decodes one instruction into the hart's scratch entries, with OP_PAGE_END behind it, so that the one after it is
 * found afresh: for instructions that no decoded page can hold.
 *
 *   0  the instruction    8  OP_PAGE_END, for a compressed one    16  OP_PAGE_END, for a wide one
 */
export function enterSingle(h: Hart, pc: u64): usize {
  const low = fetchHalfword(h, pc);
  if (low < 0) {
    h.pc = pc;
    return 0;
  }
  let word = <u32>low;
  if ((word & 3) == 3) {
    const high = fetchHalfword(h, pc + 2);
    if (high < 0) {
      h.pc = pc;
      return 0;
    }
    word |= <u32>high << 16;
  }
  const scratch = tlbBase(h) + SCRATCH_OFFSET;
  store<u64>(<usize>scratch, decodeWord(word));
  store<u64>(<usize>scratch, OP_PAGE_END, 8);
  store<u64>(<usize>scratch, OP_PAGE_END, 16);
  h.pcBase = pc - (scratch >> 2);
  return <usize>scratch;
}

/** The two bytes of code at `vaddr`, or -1 with a trap pending whose tval is `vaddr`. */
function fetchHalfword(h: Hart, vaddr: u64): i32 {
  const entry = entryOf(h.fetchTlb, vaddr);
  if (load<u64>(entry) == (vaddr & PAGE_MASK)) {
    const page = RAM_BASE + (pageOfDecoded(load<u32>(entry, 8)) << 12);
    return load<u16>(<usize>(page + (<u32>vaddr & 0xfff)));
  }
  const paddr = translate(h, vaddr, 2, ACCESS_FETCH);
  if (paddr == NO_PADDR) return -1;
  if (!isRam(paddr, 2)) {
    raise(h, CAUSE_FETCH_ACCESS, vaddr);
    return -1;
  }
  // The next instruction is probably on this page: have it in the TLB.
  if (pmpIsUniform(h, paddr & PAGE_MASK) && isRam(paddr & PAGE_MASK, 4096)) fetchPage(h, vaddr);
  return load<u16>(ramAddress(paddr));
}

/** Fills entry `ip` of a decoded page from RAM. */
export function decodeEntry(ip: usize): void {
  const decoded = decodedPageAt(ip);
  const offset = (<u32>ip - decoded) >> 2;
  const code = <usize>(RAM_BASE + (pageOfDecoded(decoded) << 12) + offset);
  noteDecoding(decoded);
  const page = pageOfDecoded(decoded);
  if (hasRegions(page)) {
    const region = regionEntryAt(page, offset);
    if (region != 0) {
      store<u64>(ip, region);
      return;
    }
  }
  let word = <u32>load<u16>(code);
  if ((word & 3) == 3) {
    if (offset == 4094) {
      store<u64>(ip, OP_CROSSING);
      return;
    }
    word |= <u32>load<u16>(code, 2) << 16;
  }
  const i = decodeWord(word);
  const operation = <u32>i & OPERATION_MASK;
  const jump = <i64>i >> IMM_SHIFT;
  // A call is counted at its target, however near that is.
  const isCall = operation == OP_JAL && rd(i) != DISCARDED;
  const near = isCall ? operation : jump > 0 ? nearVariant(operation) : backwardVariant(operation);
  const target = <i64>offset + jump;
  store<u64>(ip, near != operation && target >= 0 && target < 4096 ? (i & ~(<u64>OPERATION_MASK)) | near : i);
}

/** Decodes a 32-bit word or, when its two low bits are not 11, the 16-bit instruction in its low half. */
export function decodeWord(word: u32): u64 {
  if ((word & 3) == 3) return decode(word);
  const expanded = expand(word & 0xffff);
  if (expanded == 0) return OP_ILLEGAL;
  const i = decode(expanded);
  return (i & ~(<u64>OPERATION_MASK)) | compressedVariant(<u32>i & OPERATION_MASK);
}

/** The instruction at `ip` is none. */
export function leaveForIllegal(h: Hart, ip: usize): void {
  raise(h, CAUSE_ILLEGAL_INSTRUCTION, 0);
}

/** The bits of the instruction at `pc` as mtval shows them; 0 when they cannot be read any more. */
export function instructionBits(h: Hart, pc: u64): u64 {
  const low = fetchHalfword(h, pc);
  if (low < 0 || (low & 3) != 3) return low < 0 ? 0 : <u64>low;
  const high = fetchHalfword(h, pc + 2);
  return high < 0 ? 0 : <u64>(<u32>low | (<u32>high << 16));
}
