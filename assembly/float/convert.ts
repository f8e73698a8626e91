/**
 * FCVT between formats and integers (Unprivileged ISA, "Single-Precision Floating-Point Conversion and Move
 * Instructions" and its double-precision counterpart).
 */
import { FLAG_NV, FLAG_NX, RDN, RMM, RNE, RUP, isInexactAccrued, raise } from "./environment";
import { canonicalNaN, fractionWidth, isNaN, propagateNaN } from "./format";
import { isClearlyNormal } from "./native";
import { f64ToF32Soft, fromIntegerSoft } from "./soft-convert";

const TWO_TO_31: f64 = 2147483648.0;
const TWO_TO_32: f64 = 4294967296.0;
const TWO_TO_63: f64 = 9223372036854775808.0;
const TWO_TO_64: f64 = 18446744073709551616.0;

/** FCVT.W.S. Every binary32 is a binary64 of the same value, so the conversions from it go through the wider one. */
export function f32ToI32(flags: usize, a: u32, rm: u32): u64 {
  return toI32(flags, <f64>reinterpret<f32>(a), rm);
}

export function f32ToU32(flags: usize, a: u32, rm: u32): u64 {
  return toU32(flags, <f64>reinterpret<f32>(a), rm);
}

export function f32ToI64(flags: usize, a: u32, rm: u32): u64 {
  return toI64(flags, <f64>reinterpret<f32>(a), rm);
}

export function f32ToU64(flags: usize, a: u32, rm: u32): u64 {
  return toU64(flags, <f64>reinterpret<f32>(a), rm);
}

export function f64ToI32(flags: usize, a: u64, rm: u32): u64 {
  return toI32(flags, reinterpret<f64>(a), rm);
}

export function f64ToU32(flags: usize, a: u64, rm: u32): u64 {
  return toU32(flags, reinterpret<f64>(a), rm);
}

export function f64ToI64(flags: usize, a: u64, rm: u32): u64 {
  return toI64(flags, reinterpret<f64>(a), rm);
}

export function f64ToU64(flags: usize, a: u64, rm: u32): u64 {
  return toU64(flags, reinterpret<f64>(a), rm);
}

/** FCVT.S.W, of the low half of v. */
export function i32ToF32(flags: usize, v: u64, rm: u32): u32 {
  return fromSigned<u32, f32>(flags, <i64>(<i32>v), rm);
}

/** FCVT.S.WU, of the low half of v. */
export function u32ToF32(flags: usize, v: u64, rm: u32): u32 {
  return fromUnsigned<u32, f32>(flags, <u64>(<u32>v), rm);
}

export function i64ToF32(flags: usize, v: u64, rm: u32): u32 {
  return fromSigned<u32, f32>(flags, <i64>v, rm);
}

export function u64ToF32(flags: usize, v: u64, rm: u32): u32 {
  return fromUnsigned<u32, f32>(flags, v, rm);
}

/** FCVT.D.W, of the low half of v: always exact, so `flags` and `rm` are there for uniformity only. */
export function i32ToF64(flags: usize, v: u64, rm: u32): u64 {
  return reinterpret<u64>(<f64>(<i32>v));
}

/** FCVT.D.WU, of the low half of v: as i32ToF64. */
export function u32ToF64(flags: usize, v: u64, rm: u32): u64 {
  return reinterpret<u64>(<f64>(<u32>v));
}

export function i64ToF64(flags: usize, v: u64, rm: u32): u64 {
  return fromSigned<u64, f64>(flags, <i64>v, rm);
}

export function u64ToF64(flags: usize, v: u64, rm: u32): u64 {
  return fromUnsigned<u64, f64>(flags, v, rm);
}

/** FCVT.D.S: exact, but a NaN becomes the canonical one and a signalling NaN is invalid. */
export function f32ToF64(flags: usize, a: u32): u64 {
  if (isNaN<u32>(a)) {
    propagateNaN<u32>(flags, a, a);
    return canonicalNaN<u64>();
  }
  return reinterpret<u64>(<f64>reinterpret<f32>(a));
}

/** FCVT.S.D. A clearly normal result can be inexact only. */
export function f64ToF32(flags: usize, a: u64, rm: u32): u32 {
  if (rm == RNE) {
    const x = reinterpret<f64>(a);
    const rounded = <f32>x;
    if (isClearlyNormal<f32>(rounded)) {
      if (<f64>rounded != x) raise(flags, FLAG_NX);
      return reinterpret<u32>(rounded);
    }
  }
  return f64ToF32Soft(flags, a, rm);
}

/*
 * From an integer: no exponent range is exceeded, so the result can be inexact only, and is exact in every mode if the
 * integer is no wider than a significand.
 */

@inline function fromSigned<T, F>(flags: usize, v: i64, rm: u32): T {
  const negative = v < 0;
  const absolute = <u64>(negative ? -v : v);
  if (fitsSignificand<T>(absolute) || (rm == RNE && isInexactAccrued(flags))) return reinterpret<T>(<F>v);
  return fromIntegerSoft<T>(flags, negative, absolute, rm);
}

@inline function fromUnsigned<T, F>(flags: usize, v: u64, rm: u32): T {
  if (fitsSignificand<T>(v) || (rm == RNE && isInexactAccrued(flags))) return reinterpret<T>(<F>v);
  return fromIntegerSoft<T>(flags, false, v, rm);
}

@inline function fitsSignificand<T>(absolute: u64): bool {
  return absolute >> (fractionWidth<T>() + 1) == 0;
}

/*
 * To an integer: x is rounded to an integral binary64, which is exact in every mode, and what does not fit, NaN
 * included, is invalid and saturates. An integral x inside the bounds converts exactly.
 */

@inline function toI32(flags: usize, x: f64, rm: u32): u64 {
  const integral = roundToIntegral(x, rm);
  if (integral >= -TWO_TO_31 && integral < TWO_TO_31) return converted(flags, x, integral, <u64>(<i64>integral));
  return saturated(flags, x, 0xffffffff80000000, 0x7fffffff);
}

/** The result is sign-extended from 32 bits, as that of every W instruction. */
@inline function toU32(flags: usize, x: f64, rm: u32): u64 {
  const integral = roundToIntegral(x, rm);
  if (integral >= 0 && integral < TWO_TO_32) return converted(flags, x, integral, <u64>(<i64>(<i32>(<u32>integral))));
  return saturated(flags, x, 0, 0xffffffffffffffff);
}

@inline function toI64(flags: usize, x: f64, rm: u32): u64 {
  const integral = roundToIntegral(x, rm);
  if (integral >= -TWO_TO_63 && integral < TWO_TO_63) return converted(flags, x, integral, <u64>(<i64>integral));
  return saturated(flags, x, 0x8000000000000000, 0x7fffffffffffffff);
}

@inline function toU64(flags: usize, x: f64, rm: u32): u64 {
  const integral = roundToIntegral(x, rm);
  if (integral >= 0 && integral < TWO_TO_64) return converted(flags, x, integral, <u64>integral);
  return saturated(flags, x, 0, 0xffffffffffffffff);
}

@inline function converted(flags: usize, x: f64, integral: f64, result: u64): u64 {
  if (integral != x) raise(flags, FLAG_NX);
  return result;
}

@inline function saturated(flags: usize, x: f64, lowest: u64, highest: u64): u64 {
  raise(flags, FLAG_NV);
  return x < 0 ? lowest : highest;
}

function roundToIntegral(x: f64, rm: u32): f64 {
  switch (rm) {
    case RNE:
      return nearest<f64>(x);
    case RDN:
      return floor<f64>(x);
    case RUP:
      return ceil<f64>(x);
    case RMM: {
      // Neither the fraction nor, where there is one, the next integer needs more bits than x has.
      const truncated = trunc<f64>(x);
      return abs<f64>(x - truncated) >= 0.5 ? truncated + copysign<f64>(1.0, x) : truncated;
    }
    default:
      return trunc<f64>(x); // RTZ
  }
}
