import { Hart, theMachine } from "../generated/hart";
import { OP_ILLEGAL } from "../generated/operations";
import {
  KIND_BRANCH,
  KIND_FLOAT,
  KIND_JUMP,
  KIND_MASK,
  KIND_MEMORY,
  KIND_PLAIN,
  KIND_SYSTEM,
  operandsOf,
  READS_FS1,
  READS_FS2,
  READS_FS3,
  READS_RS1,
  READS_RS2,
  ROUNDS,
  USES_FLOATS,
  WRITES_FD,
  WRITES_RD,
} from "../generated/translate";
import * as op from "../generated/operations";
import { decode, expand } from "../generated/decode";
import { OPERATION_MASK, RD_SHIFT, RS1_SHIFT, RS2_SHIFT, IMM_SHIFT } from "../shared/decoded";
import { decodedPageOfSlot } from "../mmu/code";
import { codeSlot } from "../mmu/memory";
import { RAM_BASE } from "../shared/layout";
import { CSR_FCSR, CSR_FFLAGS } from "../generated/csr-numbers";
import { csrNumber, rm, rs3 } from "../semantics/operands";
import { pageToFetch, FLOATS_DIRTY, FLOATS_EXACT, OWN_PAGE, Region, WINDOW_PAGES } from "./cache";
import { BUILD_BASE } from "../shared/jit-layout";

/**
 * A region while it is being built: the instructions that control flow reaches from its first one within its window
 * of pages, and the blocks they form. All of it lies in a part of linear memory that the next region uses again.
 */
export const MAX_INSTRUCTIONS: u32 = 1500;
export const MAX_BLOCKS: u32 = 400;
const INSTRUCTION_BYTE_LENGTH: u32 = 56;
const BLOCK_BYTE_LENGTH: u32 = 96;
/** Rounding modes above it are reserved, but for the dynamic one. */
const LAST_MODE: u32 = 4;
const DYNAMIC: u32 = 7;
const WINDOW_HALFWORDS: u32 = WINDOW_PAGES * 2048;

const SLOTS: u32 = BUILD_BASE; // u16 a halfword of the window: instruction number plus 1
const INSTRUCTIONS: u32 = SLOTS + WINDOW_HALFWORDS * 2;
const BLOCKS: u32 = INSTRUCTIONS + MAX_INSTRUCTIONS * INSTRUCTION_BYTE_LENGTH;
const WORK: u32 = BLOCKS + (MAX_BLOCKS + 1) * BLOCK_BYTE_LENGTH;
const ORDER: u32 = WORK + 0x8000;
const ENTRIES: u32 = ORDER + 0x2000; // u16 an entry of the dispatch block
export const MAX_ENTRIES: u32 = 64;
export const BUILD_END: u32 = ENTRIES + 0x100;
export const NO_BLOCK: u32 = u32.MAX_VALUE;

/** How a block ends. */
export const END_FALL: u32 = 0; // into succ0
export const END_BRANCH: u32 = 1; // succ0 when taken, else succ1
export const END_JUMP: u32 = 2; // to succ0, or out
export const END_CALL: u32 = 3; // a direct or indirect call; succ0 is where it returns to
export const END_COMPUTED: u32 = 4; // to a computed address: a return or a table jump
export const END_STEP: u32 = 5; // its last instruction is executed by the interpreter and does not go on to the next
export const END_LEAVE: u32 = 6; // the interpreter goes on at `leaveSlot`
export const END_DISPATCH: u32 = 7; // to the entry that a local tells: it has no instructions

@unmanaged export class Instruction {
  decoded: u64;
  /** Registers that may differ from the hart's before it, a bit each; after it, those a call must load again. */
  dirty: u64;
  live: u64;
  /** Halfword of the window. */
  slot: u32;
  byteLength: u32;
  operands: u32;
  isLeader: u32;
  /** What width.ts says about it. */
  width: u32;
  /** Integer registers known to be signed before it, and those held by their 32-bit locals (forms.ts). */
  signed: u32;
  narrow: u32;

  @inline get operation(): u32 {
    return <u32>this.decoded & OPERATION_MASK;
  }
  @inline get kind(): u32 {
    return this.operands & KIND_MASK;
  }
  @inline get rd(): u32 {
    return <u32>(this.decoded >> RD_SHIFT) & 63;
  }
  @inline get rs1(): u32 {
    return <u32>(this.decoded >> RS1_SHIFT) & 63;
  }
  @inline get rs2(): u32 {
    return <u32>(this.decoded >> RS2_SHIFT) & 63;
  }
  @inline get imm(): i64 {
    return <i64>this.decoded >> IMM_SHIFT;
  }
  /** Bit of the register it writes: integer ones in the low half, without x0, floating-point ones in the high half. */
  get writes(): u64 {
    if ((this.operands & WRITES_RD) != 0) return this.rd < 32 ? (<u64>1) << this.rd : 0;
    return (this.operands & WRITES_FD) != 0 ? (<u64>1) << (32 + this.rd) : 0;
  }
  /** Bits of the registers it reads. */
  get reads(): u64 {
    const operands = this.operands;
    let bits: u64 = 0;
    if ((operands & READS_RS1) != 0) bits |= (<u64>1) << this.rs1;
    if ((operands & READS_RS2) != 0) bits |= (<u64>1) << this.rs2;
    bits &= ~1;
    if ((operands & READS_FS1) != 0) bits |= (<u64>1) << (32 + this.rs1);
    if ((operands & READS_FS2) != 0) bits |= (<u64>1) << (32 + this.rs2);
    if ((operands & READS_FS3) != 0) bits |= (<u64>1) << (32 + (rs3(this.decoded) >> 3));
    return bits;
  }
  /** Whether the interpreter executes it, one step, in the middle of the region. */
  get isStep(): bool {
    const kind = this.kind;
    if (kind == KIND_FLOAT) return (this.operands & ROUNDS) != 0 && rm(this.decoded) > LAST_MODE && rm(this.decoded) != DYNAMIC;
    return (kind == KIND_SYSTEM && !this.isFlags) || kind == KIND_PLAIN;
  }
  /** Whether it reads or writes fcsr, or a part of it, and so nothing but floats: compilers do that in loops. */
  get isFlags(): bool {
    if (!isCsr(this.operation)) return false;
    const number = csrNumber(this.decoded);
    return number >= CSR_FFLAGS && number <= CSR_FCSR;
  }
}

@unmanaged export class Block {
  first: u32;
  count: u32;
  end: u32;
  /** Block numbers plus 1; 0 is out of the region. */
  succ0: u32;
  succ1: u32;
  /** Position in reverse postorder, from 1; 0 is unreachable. */
  order: u32;
  /** Immediate dominator, a block number. */
  idom: u32;
  /** Edges from blocks before it in order. */
  forwardCount: u32;
  isLoop: u32;
  /** Whether the count is checked where it begins. */
  isCheck: u32;
  /** Instructions to the next check, at most. */
  path: u32;
  /** Where the interpreter goes on, as a halfword of the window from its start, when the end is END_LEAVE. */
  leaveSlot: i32;
  /** Where succ0 and succ1 are the dispatch block: which of its entries is meant. */
  entry0: u32;
  entry1: u32;
  dirtyIn: u64;
  liveIn: u64;
  // Of integer registers (forms.ts): which are signed where it begins, which are then wanted in full, and which are in
  // their 32-bit locals where it begins and ends.
  signedIn: u32;
  wideIn: u32;
  narrowIn: u32;
  narrowOut: u32;
}

@unmanaged export class Build {
  region: Region;
  /** Virtual address of the window's first byte. */
  base: u64;
  instructionCount: u32;
  blockCount: u32;
  orderCount: u32;
  /** Where the flow begins: block 0, or the dispatch block. */
  root: u32;
  /** The dispatch block (flow.ts), NO_BLOCK when there is none, and the blocks it leads to. */
  dispatch: u32;
  entryCount: u32;
  /** Registers that any instruction names. */
  usedRegisters: u64;
  /** Integer registers that are anywhere in their 32-bit locals. */
  narrowRegisters: u32;
  /** FLOATS_* of cache.ts that a hart must have to enter the region. */
  floatLevel: u32;
  page0: u32;
  page1: u32;
  page2: u32;
  page3: u32;

  /** RAM page number plus 1 of each page of the window that can be fetched from now. */
  @inline page(n: u32): u32 {
    return load<u32>(changetype<usize>(this) + (<usize>n << 2), offsetof<Build>("page0"));
  }
  @inline setPage(n: u32, value: u32): void {
    store<u32>(changetype<usize>(this) + (<usize>n << 2), value, offsetof<Build>("page0"));
  }
  @inline instruction(n: u32): Instruction {
    return changetype<Instruction>(<usize>(INSTRUCTIONS + n * INSTRUCTION_BYTE_LENGTH));
  }
  @inline block(n: u32): Block {
    return changetype<Block>(<usize>(BLOCKS + n * BLOCK_BYTE_LENGTH));
  }
  /** Block at position `n` of the reverse postorder, from 0. */
  @inline ordered(n: u32): u32 {
    return load<u16>(<usize>(ORDER + (n << 1)));
  }
  @inline setOrdered(n: u32, block: u32): void {
    store<u16>(<usize>(ORDER + (n << 1)), <u16>block);
  }
  @inline entry(n: u32): u32 {
    return load<u16>(<usize>(ENTRIES + (n << 1)));
  }
  @inline setEntry(n: u32, block: u32): void {
    store<u16>(<usize>(ENTRIES + (n << 1)), <u16>block);
  }
  @inline pcOf(slot: u32): u64 {
    return this.base + (<u64>slot << 1);
  }
  @inline last(block: Block): Instruction {
    return this.instruction(block.first + block.count - 1);
  }
}

@inline function slotOf(slot: u32): u32 {
  return load<u16>(<usize>(SLOTS + (slot << 1)));
}

export function isCsr(operation: u32): bool {
  return operation >= op.OP_CSRRW && operation <= op.OP_CSRRCI;
}

export function buildAt(address: u32): Build {
  return changetype<Build>(<usize>address);
}

/**
 * Finds a region's instructions and blocks.
 *
 * The page of its first instruction is in the hart's fetch TLB.
 *
 * @returns false when there is nothing to translate
 */
export function discover(b: Build, h: Hart, region: Region): bool {
  b.region = region;
  b.base = (region.pc & ~0xfff) - ((<u64>OWN_PAGE) << 12);
  b.instructionCount = 0;
  b.blockCount = 0;
  b.usedRegisters = 0;
  b.floatLevel = 0;
  b.root = 0;
  b.dispatch = NO_BLOCK;
  b.entryCount = 0;
  memory.fill(<usize>SLOTS, 0, <usize>(WINDOW_HALFWORDS * 2));
  for (let n: u32 = 0; n < WINDOW_PAGES; n++) {
    b.setPage(n, pageToFetch(h, b.base + ((<u64>n) << 12)));
    // What an earlier translation was made from stays the region's, for that one may still be in use.
    if (region.translations == 0) region.setSpan(n, 4096, 0);
    else if (region.page(n) != 0 && region.page(n) != b.page(n)) return false;
  }
  findInstructions(b);
  if (b.instructionCount == 0) return false;
  findBlocks(b);
  // Pages without code of the region do not matter to it.
  for (let n: u32 = 0; n < WINDOW_PAGES; n++) region.setPage(n, region.spanEnd(n) == 0 ? 0 : b.page(n));
  return true;
}

/** Follows control flow, first in first out, so that what is near the entry is found before the limit is reached. */
function findInstructions(b: Build): void {
  let head: u32 = 0;
  let tail: u32 = 0;
  store<u16>(<usize>WORK, <u16>(<u32>(b.region.pc - b.base) >> 1));
  tail = 1;
  while (head < tail) {
    let slot = <u32>load<u16>(<usize>(WORK + (head << 1)));
    head++;
    let isLeader = true;
    for (;;) {
      const known = slotOf(slot);
      if (known != 0) {
        b.instruction(known - 1).isLeader = 1;
        break;
      }
      const i = addInstruction(b, slot, isLeader);
      if (changetype<usize>(i) == 0) break;
      isLeader = false;
      const next = slot + (i.byteLength >> 1);
      const kind = i.kind;
      if (kind == KIND_BRANCH) {
        tail = enqueue(slot, i.imm, tail);
        tail = enqueue(slot, i.byteLength, tail);
        break;
      }
      if (kind == KIND_JUMP) {
        if (i.rd != 32) tail = enqueue(slot, i.byteLength, tail);
        else if (i.operation == op.OP_JAL) tail = enqueue(slot, i.imm, tail);
        break;
      }
      if (endsHere(i)) break;
      slot = next;
      if (slot >= WINDOW_HALFWORDS) break;
    }
  }
}

function enqueue(slot: u32, distance: i64, tail: u32): u32 {
  const target = <i64>slot + (distance >> 1);
  if (target < 0 || target >= <i64>WINDOW_HALFWORDS || tail >= 0x4000) return tail;
  store<u16>(<usize>(WORK + (tail << 1)), <u16>target);
  return tail + 1;
}

/** Whether an instruction that the interpreter executes never goes on to the next one. */
function endsHere(i: Instruction): bool {
  const operation = i.operation;
  return (
    operation == op.OP_ECALL || operation == op.OP_EBREAK || operation == op.OP_MRET || operation == op.OP_SRET
  );
}

/** Decodes the instruction at `slot`; null when it is illegal, out of reach, never executed so far, or one too many. */
function addInstruction(b: Build, slot: u32, isLeader: bool): Instruction {
  const none = changetype<Instruction>(0);
  if (b.instructionCount == MAX_INSTRUCTIONS) return none;
  const page = slot >> 11;
  const number = b.page(page);
  if (number == 0) return none;
  const offset = (slot << 1) & 0xfff;
  if (b.instructionCount != 0 && theMachine().translateAll == 0 && !wasExecuted(number - 1, offset)) return none;
  const code = <usize>(RAM_BASE + ((number - 1) << 12) + offset);
  let word = <u32>load<u16>(code);
  let byteLength: u32 = 2;
  let decoded: u64;
  if ((word & 3) == 3) {
    byteLength = 4;
    if (offset == 4094) {
      if (page + 1 == WINDOW_PAGES || b.page(page + 1) == 0) return none;
      word |= <u32>load<u16>(<usize>(RAM_BASE + ((b.page(page + 1) - 1) << 12))) << 16;
    } else word |= <u32>load<u16>(code, 2) << 16;
    decoded = decode(word);
  } else {
    const expanded = expand(word);
    decoded = expanded == 0 ? OP_ILLEGAL : decode(expanded);
  }
  if ((<u32>decoded & OPERATION_MASK) == OP_ILLEGAL) return none;
  const n = b.instructionCount;
  b.instructionCount = n + 1;
  const i = b.instruction(n);
  i.decoded = decoded;
  i.slot = slot;
  i.byteLength = byteLength;
  i.operands = operandsOf(<u32>decoded & OPERATION_MASK);
  i.isLeader = isLeader ? 1 : 0;
  if (i.isFlags) b.floatLevel = max(b.floatLevel, FLOATS_DIRTY);
  if ((i.operands & ROUNDS) != 0) b.floatLevel = FLOATS_EXACT;
  else if ((i.operands & USES_FLOATS) != 0) b.floatLevel = max(b.floatLevel, FLOATS_DIRTY);
  b.usedRegisters |= i.reads | i.writes;
  store<u16>(<usize>(SLOTS + (slot << 1)), <u16>(n + 1));
  extendSpan(b.region, page, offset, min(offset + byteLength, 4096));
  if (offset + byteLength > 4096) extendSpan(b.region, page + 1, 0, 2);
  return i;
}

function extendSpan(region: Region, page: u32, first: u32, end: u32): void {
  region.setSpan(page, min(region.spanFirst(page), first), max(region.spanEnd(page), end));
}

/** Whether the interpreter has decoded what is at `offset` of RAM page `page`: it does so before it executes it. */
function wasExecuted(page: u32, offset: u32): bool {
  const slot = codeSlot(page);
  return slot != 0 && load<u64>(<usize>(decodedPageOfSlot(slot - 1) + (offset << 2))) != 0;
}

/** Cuts the instructions into blocks. Block 0 begins with the region's first instruction. */
function findBlocks(b: Build): void {
  // Block numbers by first instruction: WORK is free again.
  memory.fill(<usize>WORK, 0, <usize>(MAX_INSTRUCTIONS * 2));
  for (let n: u32 = 0; n < b.instructionCount; n++) {
    if (b.instruction(n).isLeader == 0 || b.blockCount == MAX_BLOCKS) continue;
    b.blockCount += 1;
    store<u16>(<usize>(WORK + (n << 1)), <u16>b.blockCount);
    memory.fill(changetype<usize>(b.block(b.blockCount - 1)), 0, <usize>BLOCK_BYTE_LENGTH);
    b.block(b.blockCount - 1).first = n;
  }
  for (let n: u32 = 0; n < b.blockCount; n++) fillBlock(b, b.block(n));
}

/** Instructions of a block were found one after the other, so that their numbers follow each other. */
function fillBlock(b: Build, block: Block): void {
  let n = block.first;
  for (;;) {
    const i = b.instruction(n);
    block.count += 1;
    const next = i.slot + (i.byteLength >> 1);
    const kind = i.kind;
    if (kind == KIND_BRANCH) {
      block.end = END_BRANCH;
      block.succ0 = blockAt(<i64>i.slot + (i.imm >> 1));
      block.succ1 = blockAt(next);
      return;
    }
    if (kind == KIND_JUMP) {
      if (i.rd != 32) {
        block.end = END_CALL;
        block.succ0 = blockAt(next);
      } else if (i.operation == op.OP_JAL) {
        block.end = END_JUMP;
        block.succ0 = blockAt(<i64>i.slot + (i.imm >> 1));
      } else block.end = END_COMPUTED;
      return;
    }
    if (endsHere(i)) {
      block.end = END_STEP;
      return;
    }
    const following = next < WINDOW_HALFWORDS ? slotOf(next) : 0;
    if (following == 0) {
      block.end = END_LEAVE;
      block.leaveSlot = next;
      return;
    }
    if (b.instruction(following - 1).isLeader != 0) {
      block.succ0 = blockAt(next);
      block.end = block.succ0 == 0 ? END_LEAVE : END_FALL;
      block.leaveSlot = next;
      return;
    }
    n = following - 1;
  }
}

/** Number plus 1 of the block that begins at halfword `slot`; 0 when none does. */
function blockAt(slot: i64): u32 {
  if (slot < 0 || slot >= <i64>WINDOW_HALFWORDS) return 0;
  const n = slotOf(<u32>slot);
  return n == 0 ? 0 : load<u16>(<usize>(WORK + ((n - 1) << 1)));
}
