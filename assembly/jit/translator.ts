import { RNE, RTZ } from "../float/environment";
import { rs1, rs2 } from "../semantics/operands";
import {
  DOUBLE_A,
  DOUBLE_B,
  DOUBLE_C,
  DOUBLE_P,
  DOUBLE_R,
  FloatWriter,
  SINGLE_A,
  SINGLE_B,
  SINGLE_C,
  SINGLE_R,
} from "./float-writer";
import { LOCAL_ENTRY, LOCAL_VALUE } from "./region-writer";
import * as w from "./wasm";

/**
 * From this biased exponent on, a product's rounding error is a double: with significands of 53 bits its lowest bit is
 * at most 105 places below the product's highest, and 2^-1074 is the smallest number there is.
 */
const PRODUCT_LOWEST: u32 = 1023 - 1074 + 105 + 1;

/**
 * The translator as a target of the semantics: the floating-point operations here, the others in the classes below it.
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
@unmanaged export class Translator extends FloatWriter {
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
      this.setFloat(DOUBLE_B);
      this.teeFloat(DOUBLE_A);
      this.getFloat(DOUBLE_B);
      code = w.F64_ADD;
    }
    this.op(code);
    this.setFloat(DOUBLE_R);
    this.isOutside(DOUBLE_R, 0);
    if (this.mustNoteInexact != 0) {
      this.sumError(DOUBLE_A, DOUBLE_B, DOUBLE_R, w.F64_ADD, w.F64_SUB);
      this.isNotZero();
      this.op(w.I32_OR);
    }
    return this.orDoubleByHelper();
  }
  f64Mul(a: u64, b: u64, mode: u32): u64 {
    if (mode != RNE) return this.doubleByHelper(2);
    if (this.mustNoteInexact == 0) return this.rounded(w.F64_MUL);
    if (this.hasFusedMultiplyAdd == 0) return this.doubleByHelper(2);
    this.setFloat(DOUBLE_B);
    this.teeFloat(DOUBLE_A);
    this.getFloat(DOUBLE_B);
    this.op(w.F64_MUL);
    this.setFloat(DOUBLE_R);
    this.isOutside(DOUBLE_R, PRODUCT_LOWEST);
    this.isProductInexact(DOUBLE_A, DOUBLE_B, DOUBLE_R);
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
    this.setFloat(DOUBLE_R);
    this.isOutside(DOUBLE_R, 2);
    return this.orDoubleByHelper();
  }
  f64MulAdd(a: u64, b: u64, c: u64, mode: u32): u64 {
    if (mode != RNE || this.hasFusedMultiplyAdd == 0) return this.doubleByHelper(3);
    this.setFloat(DOUBLE_C);
    this.setFloat(DOUBLE_B);
    this.setFloat(DOUBLE_A);
    this.fusedMultiplyAdd(DOUBLE_A, DOUBLE_B, DOUBLE_C);
    this.setFloat(DOUBLE_R);
    this.isOutside(DOUBLE_R, 2);
    if (this.mustNoteInexact != 0) {
      // Nothing is lost when neither the product nor its sum with c loses anything.
      this.getFloat(DOUBLE_A);
      this.getFloat(DOUBLE_B);
      this.op(w.F64_MUL);
      this.setFloat(DOUBLE_P);
      this.isOutside(DOUBLE_P, PRODUCT_LOWEST);
      this.op(w.I32_OR);
      this.isProductInexact(DOUBLE_A, DOUBLE_B, DOUBLE_P);
      this.op(w.I32_OR);
      this.sumError(DOUBLE_P, DOUBLE_C, DOUBLE_R, w.F64_ADD, w.F64_SUB);
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
    this.setFloat(DOUBLE_B);
    this.setFloat(DOUBLE_A);
    this.getFloat(DOUBLE_A);
    this.getFloat(DOUBLE_B);
    this.getFloat(DOUBLE_A);
    this.getFloat(DOUBLE_B);
    this.op(before);
    this.opIndex(w.LOCAL_TEE, LOCAL_ENTRY);
    this.op(w.SELECT);
    this.setFloat(DOUBLE_R);
    this.get_(LOCAL_ENTRY);
    this.getFloat(DOUBLE_A);
    this.getFloat(DOUBLE_B);
    this.op(after);
    this.op(w.I32_OR);
    this.op(w.I32_EQZ);
    return this.orDoubleByHelper();
  }
  f64Eq(a: u64, b: u64): u64 {
    return this.comparison(DOUBLE_A, DOUBLE_B, w.F64_EQ, w.F64_LT, w.F64_GT);
  }
  f64Lt(a: u64, b: u64): u64 {
    return this.comparison(DOUBLE_A, DOUBLE_B, w.F64_LT, w.F64_GE, 0);
  }
  f64Le(a: u64, b: u64): u64 {
    return this.comparison(DOUBLE_A, DOUBLE_B, w.F64_LE, w.F64_GT, 0);
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
    this.setFloat(DOUBLE_A);
    this.getFloat(DOUBLE_A);
    this.saturating(code);
    // The 32-bit results are sign-extended, unsigned ones too.
    if (code <= w.I32_TRUNC_SAT_F64_U) this.op(w.I64_EXTEND_I32_S);
    this.set_(LOCAL_VALUE);
    this.getFloat(DOUBLE_A);
    this.f64Const(low);
    this.op(above);
    this.getFloat(DOUBLE_A);
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
    this.setFloat(DOUBLE_R);
    this.isOutside(DOUBLE_R, 0);
    return this.orDoubleByHelper();
  }
}
