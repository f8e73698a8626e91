import { KIND_MEMORY } from "../generated/translate";
import { Block, Build, END_BRANCH, END_CALL, END_COMPUTED, END_FALL, END_JUMP, END_LEAVE, Instruction, MAX_BLOCKS } from "./region";
import { BUILD_END } from "./region";

const STACK: u32 = BUILD_END;

/** Orders the blocks, finds loops and where the count is checked, and which registers are dirty and live where. */
export function analyse(b: Build): void {
  orderBlocks(b);
  findDominators(b);
  classifyEdges(b);
  findPaths(b);
  findDirty(b);
  findLive(b);
}

// ---- order and dominance ----

/** Reverse postorder by depth-first search from block 0. */
function orderBlocks(b: Build): void {
  // A stack entry is a block number and how many of its successors have been visited.
  let depth: u32 = 0;
  let finished = b.blockCount;
  const push = STACK;
  store<u32>(<usize>push, 0);
  b.block(0).visited = 1;
  depth = 1;
  while (depth != 0) {
    const top = <usize>(STACK + ((depth - 1) << 2));
    const entry = load<u32>(top);
    const block = b.block(entry >> 2);
    const next = entry & 3;
    if (next == 2) {
      depth--;
      finished--;
      b.setOrdered(finished, entry >> 2);
      continue;
    }
    store<u32>(top, entry + 1);
    const successor = next == 0 ? block.succ0 : block.succ1;
    if (successor == 0 || b.block(successor - 1).visited != 0) continue;
    b.block(successor - 1).visited = 1;
    store<u32>(<usize>(STACK + (depth << 2)), (successor - 1) << 2);
    depth++;
  }
  // Unreachable blocks leave the front of the order unused.
  b.orderCount = b.blockCount - finished;
  for (let n: u32 = 0; n < b.orderCount; n++) {
    const block = b.ordered(finished + n);
    b.setOrdered(n, block);
    b.block(block).order = n + 1;
  }
}

/** Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm". */
function findDominators(b: Build): void {
  for (let n: u32 = 0; n < b.orderCount; n++) b.block(b.ordered(n)).idom = NONE;
  b.block(0).idom = 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (let n: u32 = 0; n < b.orderCount; n++) {
      const number = b.ordered(n);
      const block = b.block(number);
      if (block.idom == NONE) continue;
      if (dominate(b, number, block.succ0)) changed = true;
      if (dominate(b, number, block.succ1)) changed = true;
    }
  }
}

const NONE: u32 = u32.MAX_VALUE;

/** Takes the edge from `from` to `successor` into account. @returns whether its dominator changed */
function dominate(b: Build, from: u32, successor: u32): bool {
  if (successor <= 1) return false;
  const block = b.block(successor - 1);
  const dominator = block.idom == NONE ? from : commonDominator(b, block.idom, from);
  if (dominator == block.idom) return false;
  block.idom = dominator;
  return true;
}

function commonDominator(b: Build, a: u32, c: u32): u32 {
  while (a != c) {
    while (b.block(a).order > b.block(c).order) a = b.block(a).idom;
    while (b.block(c).order > b.block(a).order) c = b.block(c).idom;
  }
  return a;
}

export function dominates(b: Build, a: u32, c: u32): bool {
  const order = b.block(a).order;
  while (b.block(c).order > order) c = b.block(c).idom;
  return a == c;
}

/**
 * Tells loops from forward edges. An edge back to a block that does not dominate its source makes the flow
 * irreducible: it leaves the region, to one that begins there.
 */
function classifyEdges(b: Build): void {
  for (let n: u32 = 0; n < b.orderCount; n++) {
    const number = b.ordered(n);
    const block = b.block(number);
    block.succ0 = classify(b, number, block.succ0);
    block.succ1 = classify(b, number, block.succ1);
  }
  b.block(0).isCheck = 1;
  for (let n: u32 = 0; n < b.orderCount; n++) {
    const block = b.block(b.ordered(n));
    if (block.isLoop != 0) block.isCheck = 1;
    // A call may have used up any number of instructions.
    if (block.end == END_CALL && block.succ0 != 0) b.block(block.succ0 - 1).isCheck = 1;
  }
}

function classify(b: Build, from: u32, successor: u32): u32 {
  if (successor == 0) return 0;
  const target = b.block(successor - 1);
  if (target.order > b.block(from).order) {
    target.forwardCount += 1;
    return successor;
  }
  if (!dominates(b, successor - 1, from)) return 0;
  target.isLoop = 1;
  return successor;
}

/** The most instructions from each block's start to the next check. */
function findPaths(b: Build): void {
  for (let n = b.orderCount; n != 0; n--) {
    const block = b.block(b.ordered(n - 1));
    block.path = block.count + max(pathAfter(b, block.succ0), pathAfter(b, block.succ1));
  }
}

function pathAfter(b: Build, successor: u32): u32 {
  if (successor == 0) return 0;
  const block = b.block(successor - 1);
  return block.isCheck != 0 ? 0 : block.path;
}

// ---- registers ----

/** Forwards: a register is dirty when its local may differ from what the hart has. */
function findDirty(b: Build): void {
  for (let changed = true; changed; ) {
    changed = false;
    for (let n: u32 = 0; n < b.orderCount; n++) {
      const block = b.block(b.ordered(n));
      const out = dirtyThrough(b, block);
      if (addDirty(b, block.succ0, out)) changed = true;
      if (addDirty(b, block.succ1, out)) changed = true;
    }
  }
}

function addDirty(b: Build, successor: u32, dirty: u64): bool {
  if (successor == 0) return false;
  const block = b.block(successor - 1);
  if ((block.dirtyIn | dirty) == block.dirtyIn) return false;
  block.dirtyIn |= dirty;
  return true;
}

function dirtyThrough(b: Build, block: Block): u64 {
  let dirty = block.dirtyIn;
  for (let n: u32 = 0; n < block.count; n++) {
    const i = b.instruction(block.first + n);
    i.dirty = dirty;
    // A step stores what is dirty first, and loads what it wrote.
    if (i.isStep) dirty = 0;
    else dirty |= i.writes;
  }
  // A call's link register is stored before it, with the others; after it everything is as the hart has it.
  return block.end == END_CALL ? 0 : dirty;
}

/** Whether the instruction may leave the region, so that what is dirty must be there to be stored. */
export function mayLeave(i: Instruction): bool {
  return i.kind == KIND_MEMORY || i.isStep;
}

/** Backwards: a register is live when its local's value may still be used, also to be stored at an exit. */
function findLive(b: Build): void {
  for (let changed = true; changed; ) {
    changed = false;
    for (let n = b.orderCount; n != 0; n--) {
      const block = b.block(b.ordered(n - 1));
      const live = liveThrough(b, block);
      if (live != block.liveIn) {
        block.liveIn = live;
        changed = true;
      }
    }
  }
}

function liveAt(b: Build, successor: u32): u64 {
  return successor == 0 ? 0 : b.block(successor - 1).liveIn;
}

function liveThrough(b: Build, block: Block): u64 {
  let live = liveAt(b, block.succ0) | liveAt(b, block.succ1);
  const last = b.last(block);
  if (block.end == END_CALL) {
    last.live = live;
    live = last.dirty | last.reads;
  } else {
    // Where the block may go out of the region, everything dirty is stored.
    if (leavesAtEnd(block)) live |= last.isStep ? 0 : (last.dirty | last.writes);
    live = liveBefore(last, live);
  }
  for (let n = block.count - 1; n != 0; n--) live = liveBefore(b.instruction(block.first + n - 1), live);
  if (block.isCheck != 0) live |= block.dirtyIn;
  return live;
}

export function leavesAtEnd(block: Block): bool {
  const end = block.end;
  if (end == END_COMPUTED || end == END_LEAVE) return true;
  if (end == END_JUMP || end == END_FALL) return block.succ0 == 0;
  return end == END_BRANCH && (block.succ0 == 0 || block.succ1 == 0);
}

function liveBefore(i: Instruction, live: u64): u64 {
  live = (live & ~i.writes) | i.reads;
  if (mayLeave(i)) live |= i.dirty;
  return live;
}
