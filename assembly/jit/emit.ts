import { FLAG_NX } from "../float/environment";
import { HART_CODE_STAMP, HART_FFLAGS, HART_FRM, HART_MSTATUS, HART_X, theMachine } from "../generated/hart";
import * as op from "../generated/operations";
import { FLOAT_HELPER_COUNT, translateCondition, translateJump } from "../generated/translate";
import { MSTATUS_FS } from "../hart/status";
import { LEFT_FOR_BUDGET } from "../shared/region-exit";
import { FLOATS_EXACT, FLOATS_INEXACT, pageToFetch, recordFor, Region, REGION_STAMP, REGION_TABLE_INDEX, WINDOW_PAGES } from "./cache";
import { LABEL_AFTER, LABEL_LOOP, LABEL_OTHER } from "./exit-emitter";
import { DOUBLE_LOCAL_COUNT, SINGLE_LOCAL_COUNT } from "./float-writer";
import { isMerge } from "./forms";
import * as helper from "./helpers";
import { InstructionEmitter, isTransfer } from "./instruction-emitter";
import {
  Block,
  END_BRANCH,
  END_CALL,
  END_COMPUTED,
  END_FALL,
  END_JUMP,
  END_LEAVE,
  END_STEP,
  Instruction,
} from "./region";
import {
  FIRST_REGISTER_LOCAL,
  I32_LOCAL_COUNT,
  I64_LOCAL_COUNT,
  LOCAL_COUNT,
  LOCAL_DEPTH,
  LOCAL_DISPATCH,
  LOCAL_PC,
  LOCAL_RETURN,
} from "./region-writer";
import { findSpans } from "./spans";
import * as w from "./wasm";

/** What a region returns when the hart's pc, and not its result, says where to go on. */
export const UNWIND: u64 = u64.MAX_VALUE;

/** The register that holds the return address by convention. */
const RA: u32 = 1;
/** Index of a module's first region among its functions: the imported ones come first. */
export const FIRST_REGION_FUNCTION: u32 = helper.FIRST_FLOAT + FLOAT_HELPER_COUNT;
/**
 * A region with no more of them has a frame of some hundred bytes. V8 gives up on sharing stack slots when a function has
 * some thousand values: 1,500 instructions in 200 loops have a frame of 25 KB, and the host's stack may be 1 MB.
 */
const USUAL_INSTRUCTIONS: u32 = 256;
/** Of a longer region: what a frame grows by then is a level of MAX_DEPTH. */
const INSTRUCTIONS_A_LEVEL: u32 = 16;
/** No instruction has an odd address. */
const NO_TARGET: u64 = 1;
const WINDOW_BYTE_LENGTH: u64 = <u64>WINDOW_PAGES << 12;

/** Emits a region's function: structured control flow from the dominator tree (Ramsey, ICFP 2022). */
@unmanaged export class Emitter extends InstructionEmitter {
  emit(): void {
    const t = this.t;
    const place = t.reserve();
    t.bodyStart = t.at;
    this.declareLocals();
    t.loadCount();
    t.loadHart(w.I64_LOAD, 3, <u32>HART_X + 8 * RA);
    t.set_(LOCAL_RETURN);
    this.collectExits();
    t.opIndex(w.BLOCK, w.TYPE_VOID);
    for (let n: u32 = 0; n < this.exitCount; n++) t.opIndex(w.BLOCK, w.TYPE_VOID);
    this.labelCount = 0;
    t.narrow = 0;
    t.isNarrow = false;
    t.isResultNarrow = false;
    t.spanLocal = 0;
    this.countDepth();
    this.checkFloats();
    t.loadRegisters(this.b.block(this.b.root).liveIn);
    this.emitTree(this.b.root);
    t.op(w.UNREACHABLE);
    this.emitExits();
    t.op(w.END);
    t.fill(place);
  }

  /** A long region may have a long frame, and counts as several that are nested. */
  countDepth(): void {
    const t = this.t;
    const count = this.b.instructionCount;
    if (count <= USUAL_INSTRUCTIONS) return;
    const more = (count - USUAL_INSTRUCTIONS) / INSTRUCTIONS_A_LEVEL;
    t.get_(LOCAL_DEPTH);
    t.i32(more);
    t.op(w.I32_SUB);
    t.i32(0);
    t.get_(LOCAL_DEPTH);
    t.i32(more);
    t.op(w.I32_GE_U);
    t.op(w.SELECT);
    t.set_(LOCAL_DEPTH);
  }

  /** Another region may have called this one while floats are not as it needs them: the interpreter goes on. */
  checkFloats(): void {
    const level = this.b.floatLevel;
    if (level == 0) return;
    const t = this.t;
    t.loadHart(w.I64_LOAD, 3, HART_MSTATUS);
    t.i64(MSTATUS_FS);
    t.op(w.I64_AND);
    t.i64(MSTATUS_FS);
    t.op(w.I64_NE);
    if (level >= FLOATS_EXACT) {
      t.loadHart(w.I32_LOAD, 2, HART_FRM);
      t.op(w.I32_OR);
    }
    if (level == FLOATS_INEXACT) {
      t.loadHart(w.I32_LOAD, 2, <u32>HART_FFLAGS);
      t.i32(FLAG_NX);
      t.op(w.I32_AND);
      t.op(w.I32_EQZ);
      t.op(w.I32_OR);
    }
    t.hintTaken(0);
    t.opIndex(w.IF, w.TYPE_VOID);
    t.hart();
    t.i64(this.b.region.pc);
    t.get_(LOCAL_DEPTH);
    t.get_(LOCAL_RETURN);
    t.call(helper.CALL_REGION);
    t.op(w.RETURN);
    t.op(w.END);
  }

  declareLocals(): void {
    const t = this.t;
    const used = this.b.usedRegisters;
    const integers = <u32>popcnt(<u32>used);
    const doubles = <u32>popcnt(<u32>(used >> 32));
    t.bytes2(doubles == 0 ? 3 : 6, I32_LOCAL_COUNT);
    t.byte(w.TYPE_I32);
    t.unsigned(I64_LOCAL_COUNT + integers);
    t.byte(w.TYPE_I64);
    let local = FIRST_REGISTER_LOCAL;
    for (let rest = <u32>used; rest != 0; rest &= rest - 1, local++) t.setLocalOf(ctz(rest), local);
    const words = this.b.narrowRegisters;
    t.unsigned(popcnt(words));
    t.byte(w.TYPE_I32);
    for (let rest = words; rest != 0; rest &= rest - 1, local++) t.setWordLocalOf(ctz(rest), local);
    if (doubles == 0) return;
    t.unsigned(DOUBLE_LOCAL_COUNT);
    t.byte(w.TYPE_F64);
    t.unsigned(SINGLE_LOCAL_COUNT);
    t.byte(w.TYPE_F32);
    t.unsigned(doubles);
    t.byte(w.TYPE_F64);
    t.firstDoubleLocal = local;
    local += DOUBLE_LOCAL_COUNT + SINGLE_LOCAL_COUNT;
    for (let rest = <u32>(used >> 32); rest != 0; rest &= rest - 1, local++) t.setLocalOf(32 + ctz(rest), local);
  }

  // ---- structure ----

  /** A block and what it dominates. */
  emitTree(number: u32): void {
    const block = this.b.block(number);
    if (block.isLoop != 0) {
      this.t.opIndex(w.LOOP, w.TYPE_VOID);
      this.push(LABEL_LOOP | number);
    }
    if (block.isCheck != 0) this.check(block);
    this.emitWithin(number, this.b.orderCount);
    if (block.isLoop != 0) this.pop();
  }

  /** The block inside a label for each merge point it dominates, the last in order outermost, each followed by its tree. */
  emitWithin(number: u32, below: u32): void {
    const merge = this.mergeBelow(number, below);
    if (merge == 0) {
      this.emitBlock(number);
      return;
    }
    const child = this.b.ordered(merge - 1);
    this.t.opIndex(w.BLOCK, w.TYPE_VOID);
    this.push(LABEL_AFTER | child);
    this.emitWithin(number, merge - 1);
    this.pop();
    this.emitTree(child);
  }

  /** Order of the last merge point with order at most `below` that `number` dominates immediately; 0 when none. */
  mergeBelow(number: u32, below: u32): u32 {
    for (let n = below; n != 0; n--) {
      const child = this.b.ordered(n - 1);
      if (child == this.b.root || this.b.block(child).idom != number) continue;
      if (number == this.b.dispatch || this.b.block(child).forwardCount > 1) return n;
    }
    return 0;
  }

  /** Leaves when less is left than the longest way to the next check. */
  check(block: Block): void {
    const t = this.t;
    t.get_(LOCAL_COUNT);
    t.i32(block.path);
    t.op(w.I32_LT_S);
    t.hintTaken(0);
    t.opIndex(w.IF, w.TYPE_VOID);
    const pc = this.b.pcOf(this.b.instruction(block.first).slot);
    this.leave(pc, LEFT_FOR_BUDGET, this.exitLabel(block.dirtyIn, block.narrowIn) + 1);
    t.op(w.END);
  }

  emitBlock(number: u32): void {
    const t = this.t;
    const b = this.b;
    if (number == b.dispatch) {
      this.emitDispatch();
      return;
    }
    const block = b.block(number);
    t.get_(LOCAL_COUNT);
    t.i32(block.count);
    t.op(w.I32_SUB);
    t.set_(LOCAL_COUNT);
    const spans = findSpans(b, block);
    if (spans == 0) this.emitBody(block, 0);
    else this.emitTwice(block, spans);
    const last = b.last(block);
    if (isTransfer(last)) this.begin(last, 1);
    this.emitEnd(number, block);
  }

  emitDispatch(): void {
    const t = this.t;
    const b = this.b;
    t.get_(LOCAL_DISPATCH);
    t.op(w.BR_TABLE);
    t.unsigned(b.entryCount - 1);
    for (let n: u32 = 0; n < b.entryCount; n++) t.unsigned(this.labelOf(LABEL_AFTER | b.entry(n)));
  }

  emitEnd(number: u32, block: Block): void {
    const t = this.t;
    const b = this.b;
    const last = b.last(block);
    // The trees emitted on the way have instructions of their own.
    const next = t.next;
    const target = t.pc + last.imm;
    switch (block.end) {
      case END_FALL:
        this.branchTo(number, block.succ0, block.entry0, next, last.isStep ? 0 : dirtyAfter(last));
        return;
      case END_BRANCH: {
        translateCondition(t, last.operation, last.decoded);
        t.opIndex(w.IF, w.TYPE_VOID);
        this.push(LABEL_OTHER);
        this.branchTo(number, block.succ0, block.entry0, target, dirtyAfter(last));
        this.pop();
        t.narrow = block.narrowOut;
        this.branchTo(number, block.succ1, block.entry1, next, dirtyAfter(last));
        return;
      }
      case END_JUMP:
        this.branchTo(number, block.succ0, block.entry0, target, dirtyAfter(last));
        return;
      case END_CALL:
        this.emitCall(number, block, last);
        return;
      case END_COMPUTED:
        this.emitComputed(last);
        return;
      case END_STEP:
        return;
      case END_LEAVE:
        this.goOn(b.pcOf(block.leaveSlot), last.isStep ? 0 : dirtyAfter(last));
        return;
      default:
        unreachable();
    }
  }

  /** Goes to a block, or to `pc` outside of the region when there is none. */
  branchTo(from: u32, successor: u32, entry: u32, pc: u64, dirty: u64): void {
    const t = this.t;
    if (successor == 0) {
      this.goOn(pc, dirty);
      return;
    }
    const target = successor - 1;
    const block = this.b.block(target);
    if (isMerge(this.b, target)) t.changeForms(<u32>block.liveIn, block.narrowIn);
    if (target == this.b.dispatch) {
      t.i32(entry);
      t.set_(LOCAL_DISPATCH);
    }
    if (block.order <= this.b.block(from).order) t.opIndex(w.BR, this.labelOf(LABEL_LOOP | target));
    else if (block.forwardCount > 1) t.opIndex(w.BR, this.labelOf(LABEL_AFTER | target));
    else this.emitTree(target);
  }

  /**
   * Goes on at `pc`, which this region does not have: in another one if there is one, or in the interpreter, until the
   * function returns. What that returns is what this region would have.
   */
  goOn(pc: u64, dirty: u64): void {
    const t = this.t;
    t.storeRegisters(dirty);
    t.storeCount();
    t.hart();
    t.i64(pc);
    t.get_(LOCAL_DEPTH);
    t.get_(LOCAL_RETURN);
    // What lies within its reach may be had by translating it anew.
    if (pc - this.b.base < WINDOW_BYTE_LENGTH) {
      t.i32(this.b.region.number);
      t.call(helper.LEAVE_COLD);
    } else t.call(helper.CALL_REGION);
    t.op(w.RETURN);
  }

  // ---- calls and returns ----

  /** A guest call is a call of its region; coming back elsewhere than behind it unwinds to the dispatcher. */
  emitCall(number: u32, block: Block, last: Instruction): void {
    const t = this.t;
    const b = this.b;
    translateJump(t, last.operation, last.decoded);
    t.set_(LOCAL_PC);
    t.storeRegisters(last.dirty | last.writes);
    t.storeCount();
    const target = this.callTarget(block, last);
    const page = target == NO_TARGET ? 0 : pageToFetch(this.h, target);
    const callee = page == 0 ? changetype<Region>(0) : recordFor(target, page - 1);
    if (changetype<usize>(callee) != 0) {
      t.i32(0);
      t.access(w.I64_LOAD, 3, <u32>changetype<usize>(callee) + REGION_STAMP);
      t.loadHart(w.I64_LOAD, 3, HART_CODE_STAMP);
      t.op(w.I64_EQ);
      t.get_(LOCAL_DEPTH);
      t.i32(0);
      t.op(w.I32_NE);
      t.op(w.I32_AND);
      t.hintTaken(1);
      t.opIndex(w.IF, w.TYPE_I64);
      t.hart();
      t.get_(LOCAL_DEPTH);
      t.i32(1);
      t.op(w.I32_SUB);
      const m = theMachine();
      if (callee.module == m.moduleNumber) {
        t.call(FIRST_REGION_FUNCTION + callee.nextTableIndex - m.tableSize);
      } else {
        t.i32(0);
        t.access(w.I32_LOAD, 2, <u32>changetype<usize>(callee) + REGION_TABLE_INDEX);
        t.bytes2(w.CALL_INDIRECT, 0);
        t.byte(0);
      }
      t.op(w.ELSE);
    }
    t.hart();
    t.get_(LOCAL_PC);
    t.get_(LOCAL_DEPTH);
    t.i64(t.next);
    t.call(helper.CALL_REGION);
    if (changetype<usize>(callee) != 0) t.op(w.END);
    t.opIndex(w.LOCAL_TEE, LOCAL_PC);
    t.i64(t.next);
    t.op(w.I64_NE);
    t.hintTaken(0);
    t.opIndex(w.IF, w.TYPE_VOID);
    t.get_(LOCAL_PC);
    t.op(w.RETURN);
    t.op(w.END);
    if (block.succ0 == 0) {
      t.i64(t.next);
      t.op(w.RETURN);
      return;
    }
    t.loadCount();
    t.loadRegisters(last.live);
    this.branchTo(number, block.succ0, block.entry0, 0, 0);
  }

  /** Where a call goes, if that is known: JAL, or AUIPC and JALR next to each other. */
  callTarget(block: Block, last: Instruction): u64 {
    if (last.operation == op.OP_JAL) return this.t.pc + last.imm;
    if (block.count < 2) return NO_TARGET;
    const previous = this.b.instruction(block.first + block.count - 2);
    if (previous.operation != op.OP_AUIPC || previous.rd != last.rs1) return NO_TARGET;
    return (this.b.pcOf(previous.slot) + previous.imm + last.imm) & ~1;
  }

  /** To where a register says: a return gives the address to the caller, anything else goes on from here. */
  emitComputed(last: Instruction): void {
    const t = this.t;
    translateJump(t, last.operation, last.decoded);
    t.set_(LOCAL_PC);
    t.storeRegisters(dirtyAfter(last));
    t.storeCount();
    const isReturn = last.rs1 == 1 || last.rs1 == 5;
    if (isReturn) t.get_(LOCAL_PC);
    else {
      t.hart();
      t.get_(LOCAL_PC);
      t.get_(LOCAL_DEPTH);
      t.get_(LOCAL_RETURN);
      t.call(helper.CALL_REGION);
    }
    t.op(w.RETURN);
  }
}

/** Registers dirty behind an instruction that is no step. */
function dirtyAfter(i: Instruction): u64 {
  return i.dirty | i.writes;
}
