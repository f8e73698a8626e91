import { HART_COUNTDOWN, HART_F, HART_PC, HART_X } from "../generated/hart";
import * as w from "./wasm";
import { Writer } from "./writer";

// Parameters and locals of a region's function that are not guest registers.
export const LOCAL_HART: u32 = 0; // i32
export const LOCAL_DEPTH: u32 = 1; // i32: how many calls may still be nested
export const LOCAL_COUNT: u32 = 2; // i32: instructions left
export const LOCAL_ENTRY: u32 = 3; // i32: TLB entry
export const LOCAL_AHEAD: u32 = 4; // i32: at an exit, instructions counted but not executed, and the reason
export const LOCAL_DISPATCH: u32 = 5; // i32: which entry the dispatch block goes to
export const LOCAL_PLACE: u32 = 6; // i32: what an atomic instruction updates, in linear memory
export const LOCAL_WORD: u32 = 7; // i32: LOCAL_VALUE when it is narrow; at an exit, the registers stored so
export const LOCAL_SPAN: u32 = 8; // i32, MAX_SPANS of them: where a span begins in linear memory
export const LOCAL_ADDRESS: u32 = 11; // i64
export const LOCAL_OFFSET: u32 = 12; // i64: in a page
export const LOCAL_VALUE: u32 = 13; // i64
export const LOCAL_PC: u32 = 14; // i64: where to go on, at an exit
export const LOCAL_RETURN: u32 = 15; // i64: where the function will probably return to
export const LOCAL_KEPT: u32 = 16; // i64, three of them
export const FIRST_REGISTER_LOCAL: u32 = 19;
export const I32_LOCAL_COUNT: u32 = 9;
export const I64_LOCAL_COUNT: u32 = 8;

// Types of values on the stack.
export const WIDE: u64 = 0; // i64
export const WORD: u64 = 1; // i32, standing for its sign extension if for more than 32 bits
export const POSITIVE_WORD: u64 = 2; // i32 below 2^31

/**
 * Writes a region's function: what is known of the place it writes at, and guest registers in their locals.
 *
 * The classes over it are the target of the semantics, each with its part of the operations. A value is on the Wasm
 * stack, and an operation writes the instruction that makes it; the values given and returned are the types of those,
 * but for a kept one, which is its local.
 */
@unmanaged export class RegionWriter extends Writer {
  /** Virtual address of the instruction being translated, and of the next one. */
  pc: u64;
  next: u64;
  /** This instruction and those of its block that follow it: counted already, not executed when it traps. */
  ahead: u32;
  /** Label, counted from here outwards, of the exit that stores the registers dirty here. */
  exitLabel: u32;
  /** LEFT_FOR_ACCESS or LEFT_FOR_FLOAT: why the instruction being translated may leave. */
  leaveReason: u32;
  /** Values kept by the instruction being translated, and the value of the constant it named last. */
  kept: u32;
  constant: u64;
  /**
   * Address of the only hart of the machine, which then need not be passed around: an access to a constant address
   * takes no register. 0 where there are several, and the hart is a parameter.
   */
  onlyHart: u32;
  /** Address of the load TLB where it is always the same: a lone hart's in user mode. Otherwise 0. */
  dataBank: u32;
  /** Where the function's body begins, and the end of its branch hints so far. */
  bodyStart: u32;
  hintsEnd: u32;
  hintCount: u32;

  /** The instruction being translated: its operation without variants, and its decoded form. */
  operation: u32;
  decoded: u64;
  /** Registers it reads whose locals may differ from the hart's. */
  spill: u64;
  /** Whether an inexact result must be noticed, because fflags.NX is not known to be set. */
  mustNoteInexact: u32;
  /** Whether the instruction being translated is narrow, and its result is to be in the narrow form. */
  isNarrow: bool;
  isResultNarrow: bool;
  /** Integer registers that are held by their 32-bit locals now. */
  narrow: u32;
  /** The local of the span that the access being translated lies in, and where it lies there; 0 outside of spans. */
  spanLocal: u32;
  spanOffset: u32;
  /** The first of the locals with doubles. */
  firstDoubleLocal: u32;
  /** Whether the engine has a fused multiply-add, which relaxed SIMD may or may not be. */
  hasFusedMultiplyAdd: u32;

  // Local of each guest register, a byte each, behind the fields: 32 integer ones, then 32 floating-point ones, then
  // the 32-bit ones of the integer registers.
  localOf(r: u32): u32 {
    return load<u8>(changetype<usize>(this) + offsetof<RegionWriter>() + r);
  }
  setLocalOf(r: u32, local: u32): void {
    store<u8>(changetype<usize>(this) + offsetof<RegionWriter>() + r, <u8>local);
  }
  wordLocalOf(r: u32): u32 {
    return this.localOf(64 + r);
  }
  setWordLocalOf(r: u32, local: u32): void {
    this.setLocalOf(64 + r, local);
  }
  isHeldNarrow(r: u32): bool {
    return ((this.narrow >> r) & 1) != 0;
  }

  get_(local: u32): void {
    this.opIndex(w.LOCAL_GET, local);
  }
  set_(local: u32): void {
    this.opIndex(w.LOCAL_SET, local);
  }

  // ---- branch hints ----

  /** The `if` that comes next is nearly always taken. WebAssembly branch hinting, "metadata.code.branch_hint". */
  hintTaken(isTaken: u32): void {
    let at = this.hintsEnd;
    let offset = this.at - this.bodyStart;
    while (offset >= 0x80) {
      store<u8>(<usize>at, <u8>((offset & 0x7f) | 0x80));
      offset >>= 7;
      at++;
    }
    store<u8>(<usize>at, <u8>offset);
    store<u8>(<usize>at, 1, 1);
    store<u8>(<usize>at, <u8>isTaken, 2);
    this.hintsEnd = at + 3;
    this.hintCount += 1;
  }

  // ---- the hart ----

  /** Pushes the hart, to be passed on. */
  hart(): void {
    if (this.onlyHart != 0) this.i32(this.onlyHart);
    else this.get_(LOCAL_HART);
  }
  /** Pushes what accessHart needs below the value it stores. */
  beforeAccess(): void {
    if (this.onlyHart != 0) this.i32(0);
    else this.get_(LOCAL_HART);
  }
  accessHart(code: u32, align: u32, offset: u32): void {
    this.access(code, align, this.onlyHart + offset);
  }
  loadHart(code: u32, align: u32, offset: u32): void {
    this.beforeAccess();
    this.accessHart(code, align, offset);
  }

  // ---- registers ----

  /** A register of which not all is wanted comes as it is held. */
  x(offset: u32): u64 {
    if (offset == 0) return this.imm(0);
    const r = offset >> 3;
    if (this.isHeldNarrow(r)) {
      this.get_(this.wordLocalOf(r));
      return WORD;
    }
    this.get_(this.localOf(r));
    return this.isNarrow ? this.wrap() : WIDE;
  }
  setX(offset: u32, value: u64): void {
    if (offset == 32 * 8) {
      this.op(w.DROP);
      return;
    }
    const r = offset >> 3;
    if (this.isResultNarrow) {
      if (value == WIDE) this.wrap();
      this.set_(this.wordLocalOf(r));
      this.narrow |= 1 << r;
    } else {
      if (value != WIDE) this.op(value == WORD ? w.I64_EXTEND_I32_S : w.I64_EXTEND_I32_U);
      this.set_(this.localOf(r));
      this.narrow &= ~(1 << r);
    }
  }
  wrap(): u64 {
    this.op(w.I32_WRAP_I64);
    return WORD;
  }
  imm(value: i64): u64 {
    this.constant = value;
    if (this.isNarrow) {
      this.i32(<i32>value);
      return WORD;
    }
    this.i64(value);
    return WIDE;
  }
  pc_(): u64 {
    this.i64(this.pc);
    return 0;
  }
  nextPc(): u64 {
    this.i64(this.next);
    return 0;
  }
  keep(value: u64): u64 {
    const local = LOCAL_KEPT + this.kept;
    this.kept += 1;
    this.set_(local);
    return local;
  }
  use(kept: u64): u64 {
    this.get_(<u32>kept);
    return 0;
  }

  // ---- state of the hart ----

  loadRegister(r: u32): void {
    if (r < 32) this.loadHart(w.I64_LOAD, 3, <u32>HART_X + 8 * r);
    else this.loadHart(w.F64_LOAD, 3, <u32>HART_F + 8 * (r - 32));
    this.set_(this.localOf(r));
    if (r < 32) this.narrow &= ~(1 << r);
  }
  storeRegister(r: u32): void {
    this.beforeAccess();
    if (r < 32 && this.isHeldNarrow(r)) {
      this.get_(this.wordLocalOf(r));
      this.op(w.I64_EXTEND_I32_S);
    } else this.get_(this.localOf(r));
    if (r < 32) this.accessHart(w.I64_STORE, 3, <u32>HART_X + 8 * r);
    else this.accessHart(w.F64_STORE, 3, <u32>HART_F + 8 * (r - 32));
  }
  /** @param mask integer registers in the low half, floating-point ones in the high half */
  loadRegisters(mask: u64): void {
    for (; mask != 0; mask &= mask - 1) this.loadRegister(<u32>ctz(mask));
  }
  storeRegisters(mask: u64): void {
    for (; mask != 0; mask &= mask - 1) this.storeRegister(<u32>ctz(mask));
  }
  /**
   * At an exit: stores the low halves of what is narrow, and notes in LOCAL_WORD what that is. Were they extended here,
   * the engine would do it once for all exits, before any of them, where it is in the way.
   */
  storeWords(): void {
    for (let rest = this.narrow; rest != 0; rest &= rest - 1) {
      const r = <u32>ctz(rest);
      this.beforeAccess();
      this.get_(this.wordLocalOf(r));
      this.accessHart(w.I32_STORE, 2, <u32>HART_X + 8 * r);
    }
    this.i32(this.narrow);
    this.set_(LOCAL_WORD);
  }
  /** Moves registers, some of `live`, to the locals that `narrow` says. Narrow ones are signed. */
  changeForms(live: u32, narrow: u32): void {
    for (let rest = (this.narrow ^ narrow) & live; rest != 0; rest &= rest - 1) {
      const r = <u32>ctz(rest);
      if (this.isHeldNarrow(r)) {
        this.get_(this.wordLocalOf(r));
        this.op(w.I64_EXTEND_I32_S);
        this.set_(this.localOf(r));
      } else {
        this.get_(this.localOf(r));
        this.wrap();
        this.set_(this.wordLocalOf(r));
      }
    }
  }
  loadCount(): void {
    this.loadHart(w.I32_LOAD, 2, HART_COUNTDOWN);
    this.set_(LOCAL_COUNT);
  }
  storeCount(): void {
    this.beforeAccess();
    this.get_(LOCAL_COUNT);
    this.accessHart(w.I32_STORE, 2, HART_COUNTDOWN);
  }
  storePcLocal(): void {
    this.beforeAccess();
    this.get_(LOCAL_PC);
    this.accessHart(w.I64_STORE, 3, HART_PC);
  }
}
