import { KIND_BRANCH, KIND_FLOAT, KIND_JUMP, KIND_MEMORY, translateFloat, translateFormula } from "../generated/translate";
import { LEFT_FOR_ACCESS, LEFT_FOR_STEP } from "../shared/region-exit";
import { ExitEmitter, LABEL_OTHER } from "./exit-emitter";
import { REASON_SHIFT } from "./exits";
import { mayLeave } from "./flow";
import * as helper from "./helpers";
import { Block, END_STEP, Instruction, isCsr } from "./region";
import { LOCAL_AHEAD, LOCAL_COUNT, LOCAL_PC, LOCAL_SPAN } from "./region-writer";
import { noteSource } from "./sources";
import { follow, forgetOrigins, offsetOf, spanAt, spanOf } from "./spans";
import * as w from "./wasm";
import { NARROW, RESULT_NARROW } from "./width";

/** Emits the instructions of a block, but for the branch or jump at its end. */
@unmanaged export class InstructionEmitter extends ExitEmitter {
  /** The block's body as it is when all of its spans are at hand, and as it is otherwise. */
  emitTwice(block: Block, spans: u32): void {
    const t = this.t;
    for (let n: u32 = 0; n < spans; n++) {
      const span = spanAt(n);
      t.openSpan(LOCAL_SPAN + n, span.base, span.first, span.end - span.first, span.isStore != 0);
      if (n != 0) t.op(w.I32_AND);
    }
    t.hintTaken(1);
    t.opIndex(w.IF, w.TYPE_VOID);
    this.push(LABEL_OTHER);
    forgetOrigins();
    this.emitBody(block, spans);
    t.op(w.ELSE);
    this.emitBody(block, 0);
    this.pop();
  }

  /** A block's instructions but for a transfer at its end. @param spans in which all accesses lie; 0 for none */
  emitBody(block: Block, spans: u32): void {
    const t = this.t;
    const b = this.b;
    for (let n: u32 = 0; n < block.count; n++) {
      const i = b.instruction(block.first + n);
      if (isTransfer(i)) return;
      this.begin(i, block.count - n);
      t.spill = i.dirty & i.reads;
      if (i.isStep) this.emitStep(block, i, n + 1 == block.count && block.end == END_STEP);
      else if (i.isFlags) this.emitFlags(i);
      else if (i.kind == KIND_FLOAT) translateFloat(t, i.operation, i.decoded);
      else this.emitFormula(i, spans);
      if (spans != 0) follow(i);
    }
  }

  /** Makes an instruction the one being translated. @param ahead instructions of its block from it on */
  begin(i: Instruction, ahead: u32): void {
    const t = this.t;
    t.pc = this.b.pcOf(i.slot);
    t.next = t.pc + i.byteLength;
    noteSource(this.b, i, t.at - this.bodiesStart);
    t.ahead = ahead;
    t.kept = 0;
    t.operation = i.operation;
    t.decoded = i.decoded;
    t.narrow = i.narrow;
    t.isNarrow = (i.width & NARROW) != 0;
    t.isResultNarrow = (i.width & RESULT_NARROW) != 0;
  }

  emitFormula(i: Instruction, spans: u32): void {
    const t = this.t;
    if (spans != 0 && i.kind == KIND_MEMORY) {
      const span = spanOf(i, spans);
      t.spanLocal = LOCAL_SPAN + span;
      t.spanOffset = offsetOf(i) - spanAt(span).first;
    } else if (mayLeave(i)) {
      t.exitLabel = this.exitLabel(i.dirty, i.narrow);
      t.leaveReason = LEFT_FOR_ACCESS;
    }
    translateFormula(t, i.operation, i.decoded);
    t.spanLocal = 0;
  }

  /** The interpreter executes the instruction, with all registers where it finds them. */
  emitStep(block: Block, i: Instruction, isEnd: bool): void {
    const t = this.t;
    t.storeRegisters(i.dirty);
    t.get_(LOCAL_COUNT);
    t.i32(t.ahead);
    t.op(w.I32_ADD);
    t.set_(LOCAL_COUNT);
    t.storeCount();
    t.hart();
    t.i64(t.pc);
    t.i64(i.decoded);
    t.call(isCsr(i.operation) ? helper.CSR : helper.STEP);
    if (isEnd) {
      t.op(w.DROP);
      t.i64(-1);
      t.op(w.RETURN);
      return;
    }
    t.opIndex(w.IF, w.TYPE_VOID);
    t.i64(-1);
    t.op(w.RETURN);
    t.op(w.END);
    t.get_(LOCAL_COUNT);
    t.i32(t.ahead);
    t.op(w.I32_SUB);
    t.set_(LOCAL_COUNT);
    t.loadRegisters(i.writes);
  }

  /** An access to fcsr, after which the region is left when floats are not any more as it needs them. */
  emitFlags(i: Instruction): void {
    const t = this.t;
    t.storeRegisters(t.spill);
    t.hart();
    t.i64(t.pc);
    t.i64(i.decoded);
    t.call(helper.FLAGS);
    t.hintTaken(0);
    t.opIndex(w.IF, w.TYPE_VOID);
    t.i64(t.next);
    t.set_(LOCAL_PC);
    t.i32((t.ahead - 1) | (LEFT_FOR_STEP << REASON_SHIFT));
    t.set_(LOCAL_AHEAD);
    t.opIndex(w.BR, this.exitLabel(i.dirty & ~i.writes, i.narrow) + 1);
    t.op(w.END);
    t.loadRegisters(i.writes);
  }
}

/** Whether an instruction is the branch or jump that ends its block. */
export function isTransfer(i: Instruction): bool {
  return i.kind == KIND_BRANCH || i.kind == KIND_JUMP;
}
