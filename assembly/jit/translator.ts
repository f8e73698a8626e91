import { RNE, RTZ } from "../float/environment";
import { HART_F, HART_X } from "../generated/hart";
import { floatHelperOf } from "../generated/translate";
import { rd, rm, rs1, rs2 } from "../semantics/operands";
import { FormulaTranslator, LOCAL_ENTRY, LOCAL_VALUE } from "./formula-translator";
import * as helper from "./helpers";
import * as w from "./wasm";

const DYNAMIC: u32 = 7;

// Locals for doubles that are not guest registers, counted from firstDoubleLocal.
const A: u32 = 0;
const B: u32 = 1;
const C: u32 = 2;
const R: u32 = 3;
const P: u32 = 4;
const ERROR: u32 = 5;
export const DOUBLE_LOCAL_COUNT: u32 = 6;
/** Behind them, and before the registers: locals for singles. */
const SINGLE_A: u32 = 6;
const SINGLE_B: u32 = 7;
const SINGLE_C: u32 = 8;
const SINGLE_R: u32 = 9;
export const SINGLE_LOCAL_COUNT: u32 = 4;

/**
 * From this biased exponent on, a product's rounding error is a double: with significands of 53 bits its lowest bit is
 * at most 105 places below the product's highest, and 2^-1074 is the smallest number there is.
 */
const PRODUCT_LOWEST: u32 = 1023 - 1074 + 105 + 1;

const BOX: u64 = 0xffffffff00000000;
const CANONICAL_NAN_32: u32 = 0x7fc00000;

/**
 * Floating-point operations of the translator.
 *
 * A region that rounds is entered only while mstatus.FS is Dirty and frm is RNE, and, unless it was made to note inexact
 * results, fflags.NX is set (cache.ts, floatLevel). Wasm's operations round to nearest, ties to even, and so give the
 * bits that RISC-V asks for unless the result is a NaN (float/native.ts). What flags may accrue is told by the result:
 *
 * - A result whose exponent is neither the largest one nor one of the two lowest has not overflowed, is no NaN, and was
 *   not tiny: had the exact result been below the smallest normal number, rounding could not have doubled it. NX alone
 *   may accrue, and is set already.
 * - A sum or difference underflows only exactly (Hauser 1996): there the lowest exponents are as good as any.
 *
 * Otherwise, and for what has no such short way, the interpreter's function for the instruction is called: it finds its
 * operands in the hart and leaves its result there.
 */
@unmanaged export class Translator extends FormulaTranslator {
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
  /** The condition on the stack says that the double in local R will not do. */
  orDoubleByHelper(): u64 {
    this.beginRare();
    this.doubleByHelper(0);
    this.setFloat(R);
    this.op(w.END);
    this.getFloat(R);
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
    this.setFloat(ERROR);
    this.fusedMultiplyAdd(a, b, ERROR);
    this.isNotZero();
  }
  /** Pushes whether something is not zero. */
  isNotZero(): void {
    this.f64Const(0);
    this.op(w.F64_NE);
  }

  // ---- double precision ----

  f64Add(a: u64, b: u64, mode: u32): u64 {
    return this.sum(w.F64_ADD, mode);
  }
  f64Sub(a: u64, b: u64, mode: u32): u64 {
    return this.sum(w.F64_SUB, mode);
  }
  sum(code: u32, mode: u32): u64 {
    if (mode != RNE) return this.doubleByHelper(2);
    if (this.mustNoteInexact != 0) {
      // x - y is x + (-y), flags and all.
      if (code == w.F64_SUB) this.op(w.F64_NEG);
      this.setFloat(B);
      this.teeFloat(A);
      this.getFloat(B);
      code = w.F64_ADD;
    }
    this.op(code);
    this.setFloat(R);
    this.isOutside(R, 0);
    if (this.mustNoteInexact != 0) {
      this.sumError(A, B, R, w.F64_ADD, w.F64_SUB);
      this.isNotZero();
      this.op(w.I32_OR);
    }
    return this.orDoubleByHelper();
  }
  f64Mul(a: u64, b: u64, mode: u32): u64 {
    if (mode != RNE) return this.doubleByHelper(2);
    if (this.mustNoteInexact == 0) return this.rounded(w.F64_MUL);
    if (this.hasFusedMultiplyAdd == 0) return this.doubleByHelper(2);
    this.setFloat(B);
    this.teeFloat(A);
    this.getFloat(B);
    this.op(w.F64_MUL);
    this.setFloat(R);
    this.isOutside(R, PRODUCT_LOWEST);
    this.isProductInexact(A, B, R);
    this.op(w.I32_OR);
    return this.orDoubleByHelper();
  }
  f64Div(a: u64, b: u64, mode: u32): u64 {
    return mode != RNE || this.mustNoteInexact != 0 ? this.doubleByHelper(2) : this.rounded(w.F64_DIV);
  }
  f64Sqrt(a: u64, mode: u32): u64 {
    return mode != RNE || this.mustNoteInexact != 0 ? this.doubleByHelper(1) : this.rounded(w.F64_SQRT);
  }
  rounded(code: u32): u64 {
    this.op(code);
    this.setFloat(R);
    this.isOutside(R, 2);
    return this.orDoubleByHelper();
  }
  f64MulAdd(a: u64, b: u64, c: u64, mode: u32): u64 {
    if (mode != RNE || this.hasFusedMultiplyAdd == 0) return this.doubleByHelper(3);
    this.setFloat(C);
    this.setFloat(B);
    this.setFloat(A);
    this.fusedMultiplyAdd(A, B, C);
    this.setFloat(R);
    this.isOutside(R, 2);
    if (this.mustNoteInexact != 0) {
      // Nothing is lost when neither the product nor its sum with c loses anything.
      this.getFloat(A);
      this.getFloat(B);
      this.op(w.F64_MUL);
      this.setFloat(P);
      this.isOutside(P, PRODUCT_LOWEST);
      this.op(w.I32_OR);
      this.isProductInexact(A, B, P);
      this.op(w.I32_OR);
      this.sumError(P, C, R, w.F64_ADD, w.F64_SUB);
      this.isNotZero();
      this.op(w.I32_OR);
    }
    return this.orDoubleByHelper();
  }
  f64Neg(a: u64): u64 {
    return this.formula(w.F64_NEG);
  }
  f64CopySign(a: u64, b: u64): u64 {
    return this.formula(w.F64_COPYSIGN);
  }
  f64XorSign(a: u64, b: u64): u64 {
    if (rs1(this.decoded) == rs2(this.decoded)) {
      this.op(w.DROP);
      return this.formula(w.F64_ABS);
    }
    this.op(w.I64_REINTERPRET_F64);
    this.i64(i64.MIN_VALUE);
    this.op(w.I64_AND);
    this.set_(LOCAL_VALUE);
    this.op(w.I64_REINTERPRET_F64);
    this.get_(LOCAL_VALUE);
    this.op(w.I64_XOR);
    return this.formula(w.F64_REINTERPRET_I64);
  }
  f64Min(a: u64, b: u64): u64 {
    return this.lesser(w.F64_LT, w.F64_GT);
  }
  f64Max(a: u64, b: u64): u64 {
    return this.lesser(w.F64_GT, w.F64_LT);
  }
  /** The operand that `before` says comes first; equal ones may be zeros of unlike sign, unordered ones NaNs. */
  lesser(before: u32, after: u32): u64 {
    this.setFloat(B);
    this.setFloat(A);
    this.getFloat(A);
    this.getFloat(B);
    this.getFloat(A);
    this.getFloat(B);
    this.op(before);
    this.opIndex(w.LOCAL_TEE, LOCAL_ENTRY);
    this.op(w.SELECT);
    this.setFloat(R);
    this.get_(LOCAL_ENTRY);
    this.getFloat(A);
    this.getFloat(B);
    this.op(after);
    this.op(w.I32_OR);
    this.op(w.I32_EQZ);
    return this.orDoubleByHelper();
  }
  f64Eq(a: u64, b: u64): u64 {
    return this.comparison(A, B, w.F64_EQ, w.F64_LT, w.F64_GT);
  }
  f64Lt(a: u64, b: u64): u64 {
    return this.comparison(A, B, w.F64_LT, w.F64_GE, 0);
  }
  f64Le(a: u64, b: u64): u64 {
    return this.comparison(A, B, w.F64_LE, w.F64_GT, 0);
  }
  /** Where neither the comparison nor what is left of the possibilities is true, there is a NaN. */
  comparison(a: u32, b: u32, code: u32, other: u32, another: u32): u64 {
    this.setFloat(b);
    this.setFloat(a);
    this.getFloat(a);
    this.getFloat(b);
    this.op(code);
    this.opIndex(w.LOCAL_TEE, LOCAL_ENTRY);
    this.op(w.I64_EXTEND_I32_U);
    this.set_(LOCAL_VALUE);
    this.get_(LOCAL_ENTRY);
    this.orCompare(a, b, other);
    if (another != 0) this.orCompare(a, b, another);
    this.op(w.I32_EQZ);
    return this.orIntegerByHelper();
  }
  orCompare(a: u32, b: u32, code: u32): void {
    this.getFloat(a);
    this.getFloat(b);
    this.op(code);
    this.op(w.I32_OR);
  }
  f64Classify(a: u64): u64 {
    return this.integerByHelper(1);
  }

  // ---- doubles and integers ----

  f64ToI32(a: u64, mode: u32): u64 {
    return this.toInteger(mode, w.I32_TRUNC_SAT_F64_S, w.F64_GT, -2147483649.0, 2147483648.0);
  }
  f64ToU32(a: u64, mode: u32): u64 {
    return this.toInteger(mode, w.I32_TRUNC_SAT_F64_U, w.F64_GT, -1.0, 4294967296.0);
  }
  f64ToI64(a: u64, mode: u32): u64 {
    return this.toInteger(mode, w.I64_TRUNC_SAT_F64_S, w.F64_GE, -9223372036854775808.0, 9223372036854775808.0);
  }
  f64ToU64(a: u64, mode: u32): u64 {
    return this.toInteger(mode, w.I64_TRUNC_SAT_F64_U, w.F64_GT, -1.0, 18446744073709551616.0);
  }
  /** Towards zero, or the nearest integer's value: in range there is no flag but NX. */
  toInteger(mode: u32, code: u32, above: u32, low: f64, end: f64): u64 {
    if (mode > RTZ || this.mustNoteInexact != 0) return this.integerByHelper(1);
    if (mode == RNE) this.op(w.F64_NEAREST);
    this.setFloat(A);
    this.getFloat(A);
    this.saturating(code);
    // The 32-bit results are sign-extended, unsigned ones too.
    if (code <= w.I32_TRUNC_SAT_F64_U) this.op(w.I64_EXTEND_I32_S);
    this.set_(LOCAL_VALUE);
    this.getFloat(A);
    this.f64Const(low);
    this.op(above);
    this.getFloat(A);
    this.f64Const(end);
    this.op(w.F64_LT);
    this.op(w.I32_AND);
    this.op(w.I32_EQZ);
    return this.orIntegerByHelper();
  }
  /** Every 32-bit integer is a double. */
  i32ToF64(a: u64, mode: u32): u64 {
    this.op(w.I32_WRAP_I64);
    return this.formula(w.F64_CONVERT_I32_S);
  }
  u32ToF64(a: u64, mode: u32): u64 {
    this.op(w.I32_WRAP_I64);
    return this.formula(w.F64_CONVERT_I32_U);
  }
  i64ToF64(a: u64, mode: u32): u64 {
    if (mode != RNE || this.mustNoteInexact != 0) return this.doubleByHelper(1);
    return this.formula(w.F64_CONVERT_I64_S);
  }
  u64ToF64(a: u64, mode: u32): u64 {
    if (mode != RNE || this.mustNoteInexact != 0) return this.doubleByHelper(1);
    return this.formula(w.F64_CONVERT_I64_U);
  }

  // ---- single precision ----

  f32Add(a: u64, b: u64, mode: u32): u64 {
    return this.singleRounded(w.F32_ADD, 2, mode, 0);
  }
  f32Sub(a: u64, b: u64, mode: u32): u64 {
    return this.singleRounded(w.F32_SUB, 2, mode, 0);
  }
  f32Mul(a: u64, b: u64, mode: u32): u64 {
    return this.singleRounded(w.F32_MUL, 2, mode, 2);
  }
  f32Div(a: u64, b: u64, mode: u32): u64 {
    return this.singleRounded(w.F32_DIV, 2, mode, 2);
  }
  f32Sqrt(a: u64, mode: u32): u64 {
    return this.singleRounded(w.F32_SQRT, 1, mode, 2);
  }
  singleRounded(code: u32, operands: u32, mode: u32, lowest: u32): u64 {
    if (mode != RNE || this.mustNoteInexact != 0) return this.singleByHelper(operands);
    this.op(code);
    this.setFloat(SINGLE_R);
    this.isSingleOutside(SINGLE_R, lowest);
    return this.orSingleByHelper();
  }
  f32MulAdd(a: u64, b: u64, c: u64, mode: u32): u64 {
    if (mode != RNE || this.mustNoteInexact != 0 || this.hasFusedMultiplyAdd == 0) return this.singleByHelper(3);
    this.setFloat(SINGLE_C);
    this.setFloat(SINGLE_B);
    this.simd(w.F32X4_SPLAT);
    this.getFloat(SINGLE_B);
    this.simd(w.F32X4_SPLAT);
    this.getFloat(SINGLE_C);
    this.simd(w.F32X4_SPLAT);
    this.simd(w.F32X4_RELAXED_MADD);
    this.simd(w.F32X4_EXTRACT_LANE);
    this.byte(0);
    this.setFloat(SINGLE_R);
    this.isSingleOutside(SINGLE_R, 2);
    return this.orSingleByHelper();
  }
  f32Neg(a: u64): u64 {
    return this.formula(w.F32_NEG);
  }
  f32CopySign(a: u64, b: u64): u64 {
    return this.formula(w.F32_COPYSIGN);
  }
  f32XorSign(a: u64, b: u64): u64 {
    this.op(w.I32_REINTERPRET_F32);
    this.i32(i32.MIN_VALUE);
    this.op(w.I32_AND);
    this.set_(LOCAL_ENTRY);
    this.op(w.I32_REINTERPRET_F32);
    this.get_(LOCAL_ENTRY);
    this.op(w.I32_XOR);
    return this.formula(w.F32_REINTERPRET_I32);
  }
  f32Min(a: u64, b: u64): u64 {
    return this.singleByHelper(2);
  }
  f32Max(a: u64, b: u64): u64 {
    return this.singleByHelper(2);
  }
  f32Eq(a: u64, b: u64): u64 {
    return this.comparison(SINGLE_A, SINGLE_B, w.F32_EQ, w.F32_LT, w.F32_GT);
  }
  f32Lt(a: u64, b: u64): u64 {
    return this.comparison(SINGLE_A, SINGLE_B, w.F32_LT, w.F32_GE, 0);
  }
  f32Le(a: u64, b: u64): u64 {
    return this.comparison(SINGLE_A, SINGLE_B, w.F32_LE, w.F32_GT, 0);
  }
  f32Classify(a: u64): u64 {
    return this.integerByHelper(1);
  }

  // ---- singles, integers and doubles ----

  /** As a double, which every single is, a single has the same value, and is in range or not alike. */
  f32ToI32(a: u64, mode: u32): u64 {
    this.op(w.F64_PROMOTE_F32);
    return this.f64ToI32(0, mode);
  }
  f32ToU32(a: u64, mode: u32): u64 {
    this.op(w.F64_PROMOTE_F32);
    return this.f64ToU32(0, mode);
  }
  f32ToI64(a: u64, mode: u32): u64 {
    this.op(w.F64_PROMOTE_F32);
    return this.f64ToI64(0, mode);
  }
  f32ToU64(a: u64, mode: u32): u64 {
    this.op(w.F64_PROMOTE_F32);
    return this.f64ToU64(0, mode);
  }
  i32ToF32(a: u64, mode: u32): u64 {
    return this.integerToSingle(w.F32_CONVERT_I32_S, mode, true);
  }
  u32ToF32(a: u64, mode: u32): u64 {
    return this.integerToSingle(w.F32_CONVERT_I32_U, mode, true);
  }
  i64ToF32(a: u64, mode: u32): u64 {
    return this.integerToSingle(w.F32_CONVERT_I64_S, mode, false);
  }
  u64ToF32(a: u64, mode: u32): u64 {
    return this.integerToSingle(w.F32_CONVERT_I64_U, mode, false);
  }
  integerToSingle(code: u32, mode: u32, isWord: bool): u64 {
    if (mode != RNE || this.mustNoteInexact != 0) return this.singleByHelper(1);
    if (isWord) this.op(w.I32_WRAP_I64);
    return this.formula(code);
  }
  f64ToF32(a: u64, mode: u32): u64 {
    return this.singleRounded(w.F32_DEMOTE_F64, 1, mode, 2);
  }
  f32ToF64(a: u64): u64 {
    this.op(w.F64_PROMOTE_F32);
    this.setFloat(R);
    this.isOutside(R, 0);
    return this.orDoubleByHelper();
  }
}
