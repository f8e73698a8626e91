/** FMIN, FMAX, FEQ, FLT, FLE and FCLASS (Unprivileged ISA, "F" and "D" extensions). */
import { FLAG_NV, raise } from "./environment";
import {
  canonicalNaN,
  exponentField,
  isInfinite,
  isNaN,
  isNegative,
  isSignallingNaN,
  isZero,
  propagateNaN,
} from "./format";

/** FMIN.S: the lesser, -0 being less than +0; of a number and a NaN the number (IEEE 754-2019 minimumNumber). */
export function f32Min(flags: usize, a: u32, b: u32): u32 {
  if (isNaN<u32>(a) || isNaN<u32>(b)) return numberOf<u32>(flags, a, b);
  return reinterpret<u32>(min<f32>(reinterpret<f32>(a), reinterpret<f32>(b)));
}

export function f64Min(flags: usize, a: u64, b: u64): u64 {
  if (isNaN<u64>(a) || isNaN<u64>(b)) return numberOf<u64>(flags, a, b);
  return reinterpret<u64>(min<f64>(reinterpret<f64>(a), reinterpret<f64>(b)));
}

/** FMAX.S: the greater, by the rules of FMIN.S. */
export function f32Max(flags: usize, a: u32, b: u32): u32 {
  if (isNaN<u32>(a) || isNaN<u32>(b)) return numberOf<u32>(flags, a, b);
  return reinterpret<u32>(max<f32>(reinterpret<f32>(a), reinterpret<f32>(b)));
}

export function f64Max(flags: usize, a: u64, b: u64): u64 {
  if (isNaN<u64>(a) || isNaN<u64>(b)) return numberOf<u64>(flags, a, b);
  return reinterpret<u64>(max<f64>(reinterpret<f64>(a), reinterpret<f64>(b)));
}

/** FEQ.S: a quiet comparison, invalid for signalling NaNs only. */
export function f32Eq(flags: usize, a: u32, b: u32): bool {
  if (isSignallingNaN<u32>(a) || isSignallingNaN<u32>(b)) raise(flags, FLAG_NV);
  return reinterpret<f32>(a) == reinterpret<f32>(b);
}

export function f64Eq(flags: usize, a: u64, b: u64): bool {
  if (isSignallingNaN<u64>(a) || isSignallingNaN<u64>(b)) raise(flags, FLAG_NV);
  return reinterpret<f64>(a) == reinterpret<f64>(b);
}

/** FLT.S: a signalling comparison, invalid for any NaN. */
export function f32Lt(flags: usize, a: u32, b: u32): bool {
  if (isNaN<u32>(a) || isNaN<u32>(b)) raise(flags, FLAG_NV);
  return reinterpret<f32>(a) < reinterpret<f32>(b);
}

export function f64Lt(flags: usize, a: u64, b: u64): bool {
  if (isNaN<u64>(a) || isNaN<u64>(b)) raise(flags, FLAG_NV);
  return reinterpret<f64>(a) < reinterpret<f64>(b);
}

/** FLE.S: a signalling comparison, invalid for any NaN. */
export function f32Le(flags: usize, a: u32, b: u32): bool {
  if (isNaN<u32>(a) || isNaN<u32>(b)) raise(flags, FLAG_NV);
  return reinterpret<f32>(a) <= reinterpret<f32>(b);
}

export function f64Le(flags: usize, a: u64, b: u64): bool {
  if (isNaN<u64>(a) || isNaN<u64>(b)) raise(flags, FLAG_NV);
  return reinterpret<f64>(a) <= reinterpret<f64>(b);
}

/** FCLASS.S: a mask with one of ten bits set. */
export function f32Classify(a: u32): u32 {
  return classify<u32>(a);
}

export function f64Classify(a: u64): u32 {
  return classify<u64>(a);
}

/** The one of a and b that is not a NaN, or the canonical NaN if both are; invalid if one of them is signalling. */
function numberOf<T>(flags: usize, a: T, b: T): T {
  propagateNaN<T>(flags, a, b);
  if (!isNaN<T>(a)) return a;
  return isNaN<T>(b) ? canonicalNaN<T>() : b;
}

/** Unprivileged ISA, "Single-Precision Floating-Point Classify Instruction". */
const CLASS_NEGATIVE_INFINITY: u32 = 1 << 0;
const CLASS_NEGATIVE_NORMAL: u32 = 1 << 1;
const CLASS_NEGATIVE_SUBNORMAL: u32 = 1 << 2;
const CLASS_NEGATIVE_ZERO: u32 = 1 << 3;
const CLASS_POSITIVE_ZERO: u32 = 1 << 4;
const CLASS_POSITIVE_SUBNORMAL: u32 = 1 << 5;
const CLASS_POSITIVE_NORMAL: u32 = 1 << 6;
const CLASS_POSITIVE_INFINITY: u32 = 1 << 7;
const CLASS_SIGNALLING_NAN: u32 = 1 << 8;
const CLASS_QUIET_NAN: u32 = 1 << 9;

@inline function classify<T>(a: T): u32 {
  if (isNaN<T>(a)) return isSignallingNaN<T>(a) ? CLASS_SIGNALLING_NAN : CLASS_QUIET_NAN;
  const negative = isNegative<T>(a);
  if (isInfinite<T>(a)) return negative ? CLASS_NEGATIVE_INFINITY : CLASS_POSITIVE_INFINITY;
  if (isZero<T>(a)) return negative ? CLASS_NEGATIVE_ZERO : CLASS_POSITIVE_ZERO;
  if (exponentField<T>(a) == 0) return negative ? CLASS_NEGATIVE_SUBNORMAL : CLASS_POSITIVE_SUBNORMAL;
  return negative ? CLASS_NEGATIVE_NORMAL : CLASS_POSITIVE_NORMAL;
}
