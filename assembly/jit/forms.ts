import { KIND_BRANCH, KIND_INTEGER, KIND_MEMORY } from "../generated/translate";
import { measure } from "../generated/measure";
import { successor, successorLimit } from "./flow";
import { Block, Build, BUILD_END, END_CALL, Instruction } from "./region";
import {
  DIRECT,
  EXTENDED,
  NARROW,
  NARROW_ALWAYS,
  NARROW_IF_SIGNED,
  RESULT_NARROW,
  SIGNED_ALWAYS,
  SIGNED_IF_SIGNED,
  STORED_REGISTER_SHIFT,
  STORES_LOW,
  WidthMeter,
} from "./width";

// A register has two locals, of 64 and of 32 bits. Which of them holds it, its form, is decided where it is written:
// the narrow one if the value is signed (width.ts) and no instruction to come wants all of it. So 32-bit code is
// translated into 32-bit operations, nothing is extended but where it is stored to the hart, and nothing is ever
// extended that 64-bit operations would not have had to extend.

const METER_AT: u32 = BUILD_END;

/** Decides on the form of each register at each point. Dirty and live registers are known. */
export function chooseForms(b: Build): void {
  for (let n: u32 = 0; n < b.instructionCount; n++) measureInstruction(b.instruction(n));
  findSigned(b);
  findWide(b);
  b.narrowRegisters = 0;
  for (let n: u32 = 0; n < b.orderCount; n++) formsOf(b, b.ordered(n));
}

/** Whether the ways to a block may bring its registers in different forms. */
export function isMerge(b: Build, number: u32): bool {
  const block = b.block(number);
  return block.forwardCount > 1 || block.isLoop != 0 || number == b.root;
}

function isMeasured(i: Instruction): bool {
  const kind = i.kind;
  return (kind == KIND_INTEGER || kind == KIND_BRANCH || kind == KIND_MEMORY) && !i.isStep;
}

function measureInstruction(i: Instruction): void {
  i.width = 0;
  if (!isMeasured(i)) return;
  const meter = changetype<WidthMeter>(<usize>METER_AT);
  meter.start(false);
  if (!measure(meter, i.operation, i.decoded)) return;
  const always = meter.widthAlways();
  meter.start(true);
  measure(meter, i.operation, i.decoded);
  i.width = always | meter.widthIfSigned();
}

@inline function integers(registers: u64): u32 {
  return <u32>registers;
}

// ---- signed registers, forwards ----

function findSigned(b: Build): void {
  // The hart's registers may hold anything.
  for (let n: u32 = 0; n < b.orderCount; n++) b.block(b.ordered(n)).signedIn = u32.MAX_VALUE;
  b.block(b.root).signedIn = 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (let n: u32 = 0; n < b.orderCount; n++) {
      const number = b.ordered(n);
      const out = signedThrough(b, b.block(number));
      for (let k: u32 = 0; k < successorLimit(b, number); k++) {
        const to = successor(b, number, k);
        if (to == 0) continue;
        const block = b.block(to - 1);
        if ((block.signedIn & out) == block.signedIn) continue;
        block.signedIn &= out;
        changed = true;
      }
    }
  }
}

function signedThrough(b: Build, block: Block): u32 {
  let signed = block.signedIn;
  for (let n: u32 = 0; n < block.count; n++) {
    const i = b.instruction(block.first + n);
    i.signed = signed;
    const written = integers(i.writes);
    signed = isResultSigned(i) ? signed | written : signed & ~written;
  }
  return block.end == END_CALL ? 0 : signed;
}

function areOperandsSigned(i: Instruction): bool {
  return (integers(i.reads) & ~i.signed) == 0;
}

function isResultSigned(i: Instruction): bool {
  if ((i.width & SIGNED_ALWAYS) != 0) return true;
  return (i.width & SIGNED_IF_SIGNED) != 0 && areOperandsSigned(i);
}

/** Whether 32-bit operations on the low halves of the operands would do. */
function canBeNarrow(i: Instruction): bool {
  if ((i.width & NARROW_ALWAYS) != 0) return true;
  return (i.width & NARROW_IF_SIGNED) != 0 && areOperandsSigned(i);
}

// ---- registers that are still wanted in full, backwards ----

function findWide(b: Build): void {
  for (let n: u32 = 0; n < b.orderCount; n++) b.block(b.ordered(n)).wideIn = 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (let n = b.orderCount; n != 0; n--) {
      const number = b.ordered(n - 1);
      const block = b.block(number);
      const wide = wideThrough(b, block, wideAfter(b, number));
      if (wide == block.wideIn) continue;
      block.wideIn = wide;
      changed = true;
    }
  }
}

function wideAfter(b: Build, number: u32): u32 {
  // After a call, registers are loaded anew.
  if (b.block(number).end == END_CALL) return 0;
  let wide: u32 = 0;
  for (let k: u32 = 0; k < successorLimit(b, number); k++) {
    const to = successor(b, number, k);
    if (to != 0) wide |= b.block(to - 1).wideIn;
  }
  return wide;
}

/** Notes in each instruction's width whether it is to be narrow, and its result. */
function wideThrough(b: Build, block: Block, wide: u32): u32 {
  for (let n = block.count; n != 0; n--) {
    const i = b.instruction(block.first + n - 1);
    const written = integers(i.writes);
    const isWanted = (written & wide) != 0;
    const isNarrow = canBeNarrow(i) && ((i.width & EXTENDED) != 0 || !isWanted);
    const takesNarrow = written != 0 && !isWanted && isResultSigned(i) && (isNarrow || (i.width & DIRECT) != 0);
    i.width = (i.width & ~(NARROW | RESULT_NARROW)) | (isNarrow ? NARROW : 0) | (takesNarrow ? RESULT_NARROW : 0);
    wide &= ~written;
    // What the interpreter executes finds its operands in the hart.
    if (!isNarrow && !i.isStep) wide |= integers(i.reads) & ~lowOperand(i);
  }
  return wide;
}

function lowOperand(i: Instruction): u32 {
  return (i.width & STORES_LOW) != 0 ? 1 << (i.width >> STORED_REGISTER_SHIFT) : 0;
}

// ---- forms, forwards, each block after those that dominate it ----

function formsOf(b: Build, number: u32): void {
  const block = b.block(number);
  if (isMerge(b, number)) block.narrowIn = block.signedIn & ~block.wideIn & integers(block.liveIn);
  let narrow = block.narrowIn;
  b.narrowRegisters |= narrow;
  for (let n: u32 = 0; n < block.count; n++) {
    const i = b.instruction(block.first + n);
    i.narrow = narrow;
    // With all its operands in full at hand, an operation on them is as short, and there is nothing to wrap.
    if ((i.width & NARROW_ALWAYS) == 0 && i.reads != 0 && (integers(i.reads) & narrow) == 0) i.width &= ~NARROW;
    const written = integers(i.writes);
    narrow = (i.width & RESULT_NARROW) != 0 ? narrow | written : narrow & ~written;
    b.narrowRegisters |= narrow;
  }
  if (block.end == END_CALL) narrow = 0;
  block.narrowOut = narrow;
  for (let k: u32 = 0; k < successorLimit(b, number); k++) {
    const to = successor(b, number, k);
    if (to != 0 && !isMerge(b, to - 1)) b.block(to - 1).narrowIn = narrow;
  }
}
