import { RNE } from "../float/environment";
import { HART_F, HART_X } from "../generated/hart";
import { floatHelperOf } from "../generated/translate";
import { rd, rm } from "../semantics/operands";
import { AccessTranslator } from "./access-translator";
import * as helper from "./helpers";
import { LOCAL_VALUE } from "./region-writer";
import * as w from "./wasm";

const DYNAMIC: u32 = 7;

// Locals for doubles that are not guest registers, counted from firstDoubleLocal.
export const DOUBLE_A: u32 = 0;
export const DOUBLE_B: u32 = 1;
export const DOUBLE_C: u32 = 2;
export const DOUBLE_R: u32 = 3;
export const DOUBLE_P: u32 = 4;
const DOUBLE_ERROR: u32 = 5;
export const DOUBLE_LOCAL_COUNT: u32 = 6;
/** Behind them, and before the registers: locals for singles. */
export const SINGLE_A: u32 = 6;
export const SINGLE_B: u32 = 7;
export const SINGLE_C: u32 = 8;
export const SINGLE_R: u32 = 9;
export const SINGLE_LOCAL_COUNT: u32 = 4;

const BOX: u64 = 0xffffffff00000000;
const CANONICAL_NAN_32: u32 = 0x7fc00000;

/** What the translator's floating-point operations are put together of: registers, the long way, checks of a result. */
@unmanaged export class FloatWriter extends AccessTranslator {
  // ---- registers ----

  f(offset: u32): u64 {
    this.double(offset);
    return this.formula(w.I64_REINTERPRET_F64);
  }
  setF(offset: u32, value: u64): void {
    this.op(w.F64_REINTERPRET_I64);
    this.setDouble(offset, 0);
  }
  double(offset: u32): u64 {
    this.get_(this.localOf(32 + (offset >> 3)));
    return 0;
  }
  setDouble(offset: u32, value: u64): void {
    this.set_(this.localOf(32 + (offset >> 3)));
  }
  single(offset: u32): u64 {
    this.f(offset);
    this.opIndex(w.LOCAL_TEE, LOCAL_VALUE);
    this.op(w.I32_WRAP_I64);
    this.i32(CANONICAL_NAN_32);
    this.get_(LOCAL_VALUE);
    this.i64(BOX);
    this.op(w.I64_GE_U);
    this.op(w.SELECT);
    return this.formula(w.F32_REINTERPRET_I32);
  }
  setSingle(offset: u32, value: u64): void {
    this.op(w.I32_REINTERPRET_F32);
    this.op(w.I64_EXTEND_I32_U);
    this.i64(BOX);
    this.op(w.I64_OR);
    this.setF(offset, 0);
  }

  // ---- the environment ----

  floatOff(): bool {
    return false;
  }
  /** frm is RNE in regions; a reserved mode is the interpreter's (region.ts). */
  roundingMode(i: u64): u32 {
    return rm(i) == DYNAMIC ? RNE : rm(i);
  }

  // ---- the long way ----

  /** Lets the interpreter's function execute the instruction. */
  callHelper(): void {
    this.storeRegisters(this.spill);
    this.hart();
    this.i64(this.decoded);
    this.call(helper.FIRST_FLOAT + floatHelperOf(this.operation));
  }
  drop(count: u32): void {
    for (; count != 0; count--) this.op(w.DROP);
  }
  /** The whole instruction the long way, for a double: its operands, which are on the stack, are not needed. */
  doubleByHelper(operands: u32): u64 {
    this.drop(operands);
    this.callHelper();
    this.loadHart(w.F64_LOAD, 3, <u32>HART_F + rd(this.decoded));
    return 0;
  }
  singleByHelper(operands: u32): u64 {
    this.drop(operands);
    this.callHelper();
    this.loadHart(w.F32_LOAD, 2, <u32>HART_F + rd(this.decoded));
    return 0;
  }
  integerByHelper(operands: u32): u64 {
    this.drop(operands);
    this.callHelper();
    this.loadHart(w.I64_LOAD, 3, <u32>HART_X + rd(this.decoded));
    return 0;
  }
  /** The condition on the stack says that the double in local DOUBLE_R will not do. */
  orDoubleByHelper(): u64 {
    this.beginRare();
    this.doubleByHelper(0);
    this.setFloat(DOUBLE_R);
    this.op(w.END);
    this.getFloat(DOUBLE_R);
    return 0;
  }
  orSingleByHelper(): u64 {
    this.beginRare();
    this.singleByHelper(0);
    this.setFloat(SINGLE_R);
    this.op(w.END);
    this.getFloat(SINGLE_R);
    return 0;
  }
  /** The condition on the stack says that the integer in LOCAL_VALUE will not do. */
  orIntegerByHelper(): u64 {
    this.beginRare();
    this.integerByHelper(0);
    this.set_(LOCAL_VALUE);
    this.op(w.END);
    this.get_(LOCAL_VALUE);
    return 0;
  }
  beginRare(): void {
    this.hintTaken(0);
    this.opIndex(w.IF, w.TYPE_VOID);
  }

  // ---- pieces ----

  getFloat(local: u32): void {
    this.get_(this.firstDoubleLocal + local);
  }
  setFloat(local: u32): void {
    this.set_(this.firstDoubleLocal + local);
  }
  teeFloat(local: u32): void {
    this.opIndex(w.LOCAL_TEE, this.firstDoubleLocal + local);
  }
  f64Const(value: f64): void {
    this.op(w.F64_CONST);
    store<f64>(<usize>this.at, value);
    this.at += 8;
  }
  saturating(code: u32): void {
    this.op(w.PREFIX_SATURATING);
    this.unsigned(code);
  }
  simd(code: u32): void {
    this.op(w.PREFIX_SIMD);
    this.unsigned(code);
  }
  /** Pushes whether the biased exponent of a double is below `lowest`, or that of infinities and NaNs. */
  isOutside(local: u32, lowest: u32): void {
    this.getFloat(local);
    this.op(w.I64_REINTERPRET_F64);
    this.i64(52);
    this.op(w.I64_SHR_U);
    this.op(w.I32_WRAP_I64);
    this.i32(0x7ff);
    this.outsideRange(lowest, 0x7ff);
  }
  isSingleOutside(local: u32, lowest: u32): void {
    this.getFloat(local);
    this.op(w.I32_REINTERPRET_F32);
    this.i32(23);
    this.op(w.I32_SHR_U);
    this.i32(0xff);
    this.outsideRange(lowest, 0xff);
  }
  outsideRange(lowest: u32, end: u32): void {
    this.op(w.I32_AND);
    if (lowest != 0) {
      this.i32(lowest);
      this.op(w.I32_SUB);
    }
    this.i32(end - lowest);
    this.op(w.I32_GE_U);
  }
  /** Pushes what x + y, rounded to `sum`, lost: Knuth's 2Sum (float/native.ts). Zero only when it lost nothing. */
  sumError(x: u32, y: u32, sum: u32, add: u32, sub: u32): void {
    // (x - (sum - (sum - x))) + (y - (sum - x))
    this.getFloat(x);
    this.getFloat(sum);
    this.getFloat(sum);
    this.getFloat(x);
    this.op(sub);
    this.op(sub);
    this.op(sub);
    this.getFloat(y);
    this.getFloat(sum);
    this.getFloat(x);
    this.op(sub);
    this.op(sub);
    this.op(add);
  }
  /** Pushes a * b + c, rounded once. */
  fusedMultiplyAdd(a: u32, b: u32, c: u32): void {
    this.splat(a);
    this.splat(b);
    this.splat(c);
    this.simd(w.F64X2_RELAXED_MADD);
    this.simd(w.F64X2_EXTRACT_LANE);
    this.byte(0);
  }
  splat(local: u32): void {
    this.getFloat(local);
    this.simd(w.F64X2_SPLAT);
  }
  /** Pushes whether a * b is not `product`, to which it was rounded; both are far from the smallest numbers. */
  isProductInexact(a: u32, b: u32, product: u32): void {
    this.getFloat(product);
    this.op(w.F64_NEG);
    this.setFloat(DOUBLE_ERROR);
    this.fusedMultiplyAdd(a, b, DOUBLE_ERROR);
    this.isNotZero();
  }
  /** Pushes whether something is not zero. */
  isNotZero(): void {
    this.f64Const(0);
    this.op(w.F64_NE);
  }
}
