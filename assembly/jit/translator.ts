import { HART_F, HART_X } from "../generated/hart";
import { TLB_ENTRY_COUNT } from "../mmu/tlb";
import { HELPER_CLMUL, HELPER_CLMUL_REVERSED, HELPER_DIV_S, HELPER_DIV_U, HELPER_LOAD, HELPER_MUL_HIGH_SS, HELPER_MUL_HIGH_SU, HELPER_MUL_HIGH_UU, HELPER_REM_S, HELPER_REM_U, HELPER_STORE, HELPER_XPERM } from "./helpers";
import * as w from "./wasm";
import { Writer } from "./writer";

// Parameters and locals of a region's function that are not guest registers.
export const LOCAL_HART: u32 = 0;
export const LOCAL_DEPTH: u32 = 1;
export const LOCAL_COUNT: u32 = 2; // i32: instructions left
export const LOCAL_LOAD_TLB: u32 = 3;
export const LOCAL_STORE_TLB: u32 = 4;
export const LOCAL_ENTRY: u32 = 5; // i32: TLB entry
export const LOCAL_FIX: u32 = 6; // i32: instructions counted ahead, at an exit
export const LOCAL_SPACE: u32 = 7; // i64
export const LOCAL_ADDRESS: u32 = 8; // i64
export const LOCAL_VALUE: u32 = 9; // i64
export const LOCAL_PC: u32 = 10; // i64: where to go on, at an exit
export const LOCAL_KEEP: u32 = 11; // i64, two of them
export const FIRST_REGISTER_LOCAL: u32 = 13;
export const I32_LOCALS_AFTER_PARAMETERS: u32 = 5;

/** Offsets in Hart of what regions use. */
import { HART_COUNTDOWN, HART_EVENT } from "../generated/hart";

/**
 * The translator as a target of the semantics: a value is on the Wasm stack, and an operation writes the instruction
 * that makes it. Values given and returned here are placeholders.
 */
@unmanaged export class Translator extends Writer {
  /** Virtual address of the instruction being translated, and of the next one. */
  pc: u64;
  next: u64;
  /** Instructions of the block that come after this one or are it: counted already, not executed when it traps. */
  ahead: u32;
  /** How many labels lie between here and the exit that stores the registers dirty here. */
  exitDepth: u32;
  /** Values kept by the instruction being translated. */
  kept: u32;
  /** Local of each guest register, a byte each, 0 for none: 32 of them, and one for discarded results. */
  locals0: u64;
  locals1: u64;
  locals2: u64;
  locals3: u64;

  localOf(r: u32): u32 {
    return load<u8>(changetype<usize>(this) + offsetof<Translator>("locals0") + r);
  }
  setLocalOf(r: u32, local: u32): void {
    store<u8>(changetype<usize>(this) + offsetof<Translator>("locals0") + r, <u8>local);
  }

  // ---- registers ----

  x(offset: u32): u64 {
    if (offset == 0) this.i64(0);
    else this.opIndex(w.LOCAL_GET, this.localOf(offset >> 3));
    return 0;
  }
  setX(offset: u32, value: u64): void {
    if (offset == 32 * 8) this.op(w.DROP);
    else this.opIndex(w.LOCAL_SET, this.localOf(offset >> 3));
  }
  f(offset: u32): u64 {
    this.opIndex(w.LOCAL_GET, LOCAL_HART);
    this.access(w.I64_LOAD, 3, HART_F + offset);
    return 0;
  }
  /** mstatus.FS is Dirty in a region that uses floats. */
  setF(offset: u32, value: u64): void {
    this.opIndex(w.LOCAL_SET, LOCAL_VALUE);
    this.opIndex(w.LOCAL_GET, LOCAL_HART);
    this.opIndex(w.LOCAL_GET, LOCAL_VALUE);
    this.access(w.I64_STORE, 3, HART_F + offset);
  }
  imm(value: i64): u64 {
    this.i64(value);
    return 0;
  }
  pc_(): u64 {
    this.i64(this.pc);
    return 0;
  }
  nextPc(): u64 {
    this.i64(this.next);
    return 0;
  }
  /** Takes the value off the stack into a local; using the result pushes it again: see `use`. */
  keep(value: u64): u64 {
    const local = LOCAL_KEEP + this.kept;
    this.kept += 1;
    this.opIndex(w.LOCAL_SET, local);
    return local;
  }
}
