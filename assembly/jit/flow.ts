import { KIND_ATOMIC, KIND_MEMORY } from "../generated/translate";
import { Block, Build, END_BRANCH, END_CALL, END_COMPUTED, END_DISPATCH, END_FALL, END_JUMP, END_LEAVE, Instruction, MAX_ENTRIES } from "./region";
import { BUILD_END } from "./region";
import { chooseForms } from "./forms";

const STACK: u32 = BUILD_END;

/** Orders the blocks, finds loops and where the count is checked, and which registers are dirty, live and narrow where. */
export function analyse(b: Build): void {
  do {
    orderBlocks(b);
    findDominators(b);
  } while (findEntries(b));
  classifyEdges(b);
  findPaths(b);
  findDirty(b);
  findLive(b);
  chooseForms(b);
}

/** How many successors a block may have; one that it lacks is 0, as one out of the region. */
@inline export function successorLimit(b: Build, number: u32): u32 {
  return number == b.dispatch ? b.entryCount : 2;
}
/** Number plus 1 of its n-th successor. */
export function successor(b: Build, number: u32, n: u32): u32 {
  if (number == b.dispatch) return b.entry(n) + 1;
  return n == 0 ? b.block(number).succ0 : b.block(number).succ1;
}

// ---- order and dominance ----

/** Reverse postorder by depth-first search from the root. */
function orderBlocks(b: Build): void {
  for (let n: u32 = 0; n < b.blockCount; n++) b.block(n).order = 0;
  const root = b.root;
  // A stack entry is a block number and how many of its successors have been visited.
  let depth: u32 = 0;
  let finished = b.blockCount;
  store<u32>(<usize>STACK, root << 8);
  b.block(root).order = VISITED;
  depth = 1;
  while (depth != 0) {
    const top = <usize>(STACK + ((depth - 1) << 2));
    const entry = load<u32>(top);
    const number = entry >> 8;
    const next = entry & 0xff;
    if (next == successorLimit(b, number)) {
      depth--;
      finished--;
      b.setOrdered(finished, number);
      continue;
    }
    store<u32>(top, entry + 1);
    const to = successor(b, number, next);
    if (to == 0 || b.block(to - 1).order != 0) continue;
    b.block(to - 1).order = VISITED;
    store<u32>(<usize>(STACK + (depth << 2)), (to - 1) << 8);
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

/** Block.order before it is known. */
const VISITED: u32 = u32.MAX_VALUE;

/** Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm". */
function findDominators(b: Build): void {
  for (let n: u32 = 0; n < b.orderCount; n++) b.block(b.ordered(n)).idom = NONE;
  b.block(b.root).idom = b.root;
  for (let changed = true; changed; ) {
    changed = false;
    for (let n: u32 = 0; n < b.orderCount; n++) {
      const number = b.ordered(n);
      if (b.block(number).idom == NONE) continue;
      for (let k: u32 = 0; k < successorLimit(b, number); k++) {
        if (dominate(b, number, successor(b, number, k))) changed = true;
      }
    }
  }
}

const NONE: u32 = u32.MAX_VALUE;

/** Takes the edge from `from` to `successor` into account. @returns whether its dominator changed */
function dominate(b: Build, from: u32, successor: u32): bool {
  if (successor == 0 || successor - 1 == b.root) return false;
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

@inline function isIrreducible(b: Build, from: u32, to: u32): bool {
  return b.block(to).order <= b.block(from).order && !dominates(b, to, from);
}

/**
 * An edge back to a block that does not dominate its source makes the flow irreducible: there is a way into the loop
 * that does not pass its head. Its target becomes an entry of a dispatch block, which comes before all others, and
 * through which such edges go: it dominates everything.
 *
 * @returns whether there is a new entry, so that order and dominance are to be found anew
 */
function findEntries(b: Build): bool {
  const before = b.entryCount;
  for (let n: u32 = 0; n < b.orderCount; n++) {
    const number = b.ordered(n);
    if (number == b.dispatch) continue;
    for (let k: u32 = 0; k < 2; k++) {
      const to = successor(b, number, k);
      if (to != 0 && isIrreducible(b, number, to - 1)) addEntry(b, to - 1);
    }
  }
  return b.entryCount != before;
}

function addEntry(b: Build, block: u32): void {
  if (entryNumber(b, block) != b.entryCount || b.entryCount == MAX_ENTRIES) return;
  if (b.entryCount == 0) {
    b.dispatch = b.blockCount;
    b.root = b.blockCount;
    b.blockCount += 1;
    const dispatch = b.block(b.dispatch);
    memory.fill(changetype<usize>(dispatch), 0, offsetof<Block>());
    dispatch.end = END_DISPATCH;
    b.setEntry(0, 0);
    b.entryCount = 1;
    if (block == 0) return;
  }
  b.setEntry(b.entryCount, block);
  b.entryCount += 1;
}

/** Which entry of the dispatch block a block is; entryCount when it is none. */
function entryNumber(b: Build, block: u32): u32 {
  let n: u32 = 0;
  while (n < b.entryCount && b.entry(n) != block) n++;
  return n;
}

/** Counts forward edges, finds loops, sends irreducible edges through the dispatch block, decides on checks. */
function classifyEdges(b: Build): void {
  for (let n: u32 = 0; n < b.orderCount; n++) {
    const number = b.ordered(n);
    if (number == b.dispatch) {
      for (let k: u32 = 0; k < b.entryCount; k++) b.block(b.entry(k)).forwardCount += 1;
      continue;
    }
    const block = b.block(number);
    block.entry0 = entryThrough(b, number, block.succ0);
    block.entry1 = entryThrough(b, number, block.succ1);
    block.succ0 = classify(b, number, block.succ0);
    block.succ1 = classify(b, number, block.succ1);
  }
  b.block(0).isCheck = 1;
  // A turn of an irreducible loop passes an entry.
  for (let n: u32 = 0; n < b.entryCount; n++) b.block(b.entry(n)).isCheck = 1;
  for (let n: u32 = 0; n < b.orderCount; n++) {
    const number = b.ordered(n);
    const block = b.block(number);
    if (block.isLoop != 0 && number != b.dispatch) block.isCheck = 1;
    // A call may have used up any number of instructions.
    if (block.end == END_CALL && block.succ0 != 0) b.block(block.succ0 - 1).isCheck = 1;
  }
}

/** Which entry of the dispatch block an irreducible edge asks for. */
function entryThrough(b: Build, from: u32, to: u32): u32 {
  return to != 0 && isIrreducible(b, from, to - 1) ? entryNumber(b, to - 1) : 0;
}

function classify(b: Build, from: u32, to: u32): u32 {
  if (to == 0) return 0;
  const target = b.block(to - 1);
  if (target.order > b.block(from).order) {
    target.forwardCount += 1;
    return to;
  }
  if (dominates(b, to - 1, from)) {
    target.isLoop = 1;
    return to;
  }
  // With more entries than there may be, some edges leave the region.
  if (entryNumber(b, to - 1) == b.entryCount) return 0;
  b.block(b.dispatch).isLoop = 1;
  return b.dispatch + 1;
}

/** The most instructions from each block's start to the next check. */
function findPaths(b: Build): void {
  for (let n = b.orderCount; n != 0; n--) {
    const number = b.ordered(n - 1);
    // All that the dispatch block leads to is checked.
    if (number == b.dispatch) continue;
    const block = b.block(number);
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
      const number = b.ordered(n);
      const out = dirtyThrough(b, b.block(number));
      for (let k: u32 = 0; k < successorLimit(b, number); k++) {
        if (addDirty(b, successor(b, number, k), out)) changed = true;
      }
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
  return i.kind == KIND_MEMORY || i.kind == KIND_ATOMIC || i.isStep || i.isFlags;
}

/** Backwards: a register is live when its local's value may still be used, also to be stored at an exit. */
function findLive(b: Build): void {
  for (let changed = true; changed; ) {
    changed = false;
    for (let n = b.orderCount; n != 0; n--) {
      const number = b.ordered(n - 1);
      const block = b.block(number);
      const live = number == b.dispatch ? liveAtEntries(b) : liveThrough(b, block);
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

function liveAtEntries(b: Build): u64 {
  let live: u64 = 0;
  for (let n: u32 = 0; n < b.entryCount; n++) live |= b.block(b.entry(n)).liveIn;
  return live;
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
