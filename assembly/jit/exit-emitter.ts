import { HART_LEFT_FOR, HART_LEFT_REGION, Hart } from "../generated/hart";
import { REASON_SHIFT } from "./exits";
import { mayLeave } from "./flow";
import * as helper from "./helpers";
import { BUILD_END, Build } from "./region";
import { LOCAL_AHEAD, LOCAL_COUNT, LOCAL_PC, LOCAL_WORD } from "./region-writer";
import { Translator } from "./translator";
import * as w from "./wasm";

const LABELS: u32 = BUILD_END + 0x2000; // u16 an open label: kind and block
export const LABEL_OTHER: u32 = 0;
export const LABEL_LOOP: u32 = 0x4000;
export const LABEL_AFTER: u32 = 0x8000;
const EXITS: u32 = LABELS + 0x4000; // an exit: the registers it stores, u64, and those of them that are narrow, u64
const EXIT_SHIFT: u32 = 4;

/** The labels open where a region's function is being emitted, and the exits they lead to at its end. */
@unmanaged export class ExitEmitter {
  t: Translator;
  b: Build;
  h: Hart;
  labelCount: u32;
  exitCount: u32;
  /** Where the bodies of the module begin. */
  bodiesStart: u32;

  // ---- labels ----

  push(label: u32): void {
    store<u16>(<usize>(LABELS + (this.labelCount << 1)), <u16>label);
    this.labelCount += 1;
  }

  pop(): void {
    this.t.op(w.END);
    this.labelCount -= 1;
  }

  labelOf(label: u32): u32 {
    for (let n = this.labelCount; n != 0; n--) {
      if (load<u16>(<usize>(LABELS + ((n - 1) << 1))) == label) return this.labelCount - n;
    }
    return unreachable();
  }

  // ---- exits ----

  collectExits(): void {
    const b = this.b;
    this.exitCount = 0;
    for (let n: u32 = 0; n < b.orderCount; n++) {
      const block = b.block(b.ordered(n));
      if (block.isCheck != 0) this.addExit(block.dirtyIn, block.narrowIn);
      for (let k: u32 = 0; k < block.count; k++) {
        const i = b.instruction(block.first + k);
        if (i.isFlags) this.addExit(i.dirty & ~i.writes, i.narrow);
        else if (mayLeave(i) && !i.isStep) this.addExit(i.dirty, i.narrow);
      }
    }
  }

  addExit(mask: u64, narrow: u32): void {
    if (this.exitOf(mask, narrow) < this.exitCount) return;
    const exit = <usize>(EXITS + (this.exitCount << EXIT_SHIFT));
    store<u64>(exit, mask);
    store<u64>(exit, mask & narrow, 8);
    this.exitCount += 1;
  }

  exitOf(mask: u64, narrow: u32): u32 {
    let exit = <usize>EXITS;
    for (let n: u32 = 0; n < this.exitCount; n++, exit += 1 << EXIT_SHIFT) {
      if (load<u64>(exit) == mask && load<u64>(exit, 8) == (mask & narrow)) return n;
    }
    return this.exitCount;
  }

  /** Label of the exit that stores `mask`, counted from the innermost one open. */
  exitLabel(mask: u64, narrow: u32): u32 {
    const exit = this.exitOf(mask, narrow);
    if (exit == this.exitCount) unreachable();
    return this.labelCount + this.exitCount - 1 - exit;
  }

  /** Leaves the region for `pc`, where the interpreter goes on. */
  leave(pc: u64, reason: u32, exitLabel: u32): void {
    const t = this.t;
    t.i64(pc);
    t.set_(LOCAL_PC);
    t.i32(reason << REASON_SHIFT);
    t.set_(LOCAL_AHEAD);
    t.opIndex(w.BR, exitLabel);
  }

  /** Behind the body, each exit within the block whose label leads to it; what all of them do comes last. */
  emitExits(): void {
    const t = this.t;
    for (let n = this.exitCount; n != 0; n--) {
      t.op(w.END);
      t.narrow = <u32>load<u64>(<usize>(EXITS + ((n - 1) << EXIT_SHIFT)), 8);
      t.storeRegisters(load<u64>(<usize>(EXITS + ((n - 1) << EXIT_SHIFT))) & ~<u64>t.narrow);
      t.storeWords();
      t.opIndex(w.BR, n - 1);
    }
    t.op(w.END);
    t.storePcLocal();
    t.get_(LOCAL_COUNT);
    t.get_(LOCAL_AHEAD);
    t.i32((1 << REASON_SHIFT) - 1);
    t.op(w.I32_AND);
    t.op(w.I32_ADD);
    t.set_(LOCAL_COUNT);
    t.storeCount();
    t.beforeAccess();
    t.get_(LOCAL_AHEAD);
    t.i32(REASON_SHIFT);
    t.op(w.I32_SHR_U);
    t.accessHart(w.I32_STORE, 2, HART_LEFT_FOR);
    t.beforeAccess();
    t.i32(this.b.region.number);
    t.accessHart(w.I32_STORE, 2, HART_LEFT_REGION);
    t.hart();
    t.get_(LOCAL_WORD);
    t.call(helper.EXTEND_AND_UNWIND);
  }
}
