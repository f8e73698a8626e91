/**
 * FMADD, from which FMSUB, FNMSUB and FNMADD follow by flipping signs of operands (Unprivileged ISA, "F" extension,
 * "Single-Precision Floating-Point Computational Instructions").
 *
 * Wasm has no fused multiply-add. In mode RNE it is made of exact pieces in binary64 where that is provably enough;
 * soft-fma.ts does the rest.
 */
import { FLAG_NX, RNE, isInexactAccrued, raise } from "./environment";
import { isClearlyNormal, isFiniteNumber, sumError } from "./native";
import { mulAddSoft } from "./soft-fma";

/** a × b + c, rounded once. */
export function f32MulAdd(flags: usize, a: u32, b: u32, c: u32, rm: u32): u32 {
  if (rm == RNE) {
    // The product of two 24-bit significands is exact in binary64, whose exponent range holds it too. So `sum` is the
    // exact result rounded to 53 bits, and rounding that to binary32 gives what rounding the exact result would:
    // rounding is monotonic and the points halfway between two binary32 numbers are binary64 numbers, so only a sum
    // that is itself such a point can hide on which side of it the exact result lies.
    const product = <f64>reinterpret<f32>(a) * <f64>reinterpret<f32>(b);
    const addend = <f64>reinterpret<f32>(c);
    const sum = product + addend;
    const rounded = <f32>sum;
    if (isClearlyNormal<f32>(rounded) && !isHalfwayF32(sum)) {
      if (!isInexactAccrued(flags) && (<f64>rounded != sum || sumError<f64>(product, addend, sum) != 0)) {
        raise(flags, FLAG_NX);
      }
      return reinterpret<u32>(rounded);
    }
  }
  return mulAddSoft<u32>(flags, a, b, c, rm);
}

/** Whether x, in the range of normal binary32 numbers, lies halfway between two of them. */
@inline function isHalfwayF32(x: f64): bool {
  return (reinterpret<u64>(x) & 0x1fffffff) == 0x10000000;
}

/** Bounds on |a × b| within which the proof below holds. */
const PRODUCT_LIMIT: f64 = reinterpret<f64>(<u64>(1023 + 900) << 52);
const PRODUCT_FLOOR: f64 = reinterpret<f64>(<u64>(1023 - 900) << 52);

/**
 * a × b + c, rounded once.
 *
 * With 2^-900 < |a × b| < 2^900 the product's rounding error p is itself a binary64 number, a multiple of 2^-1006, and
 * productError computes it. If s is the rounding error of sum, the rounded product plus c, then the exact result is
 * sum + (s + p). It does not overflow if sum has not: beside a sum that large, p and s are nothing. A result near zero
 * comes of cancellation only; it is a multiple of 2^-1006 and thus exact and normal, or zero.
 *
 * If p = 0, sum is the exact product plus c, rounded: done. Otherwise tail, s + p rounded, is within half a unit of its
 * last place of the exact s + p. Scaled down and up by 2^-52 of itself, and rounded, it moves by a whole unit at least,
 * to either side of the exact value. If sum + tail rounds to the same number from both, so does the exact result in
 * between, since rounding is monotonic. (A subnormal tail does not move, but is exact, as every subnormal sum is.)
 */
export function f64MulAdd(flags: usize, a: u64, b: u64, c: u64, rm: u32): u64 {
  if (rm == RNE) {
    const x = reinterpret<f64>(a);
    const y = reinterpret<f64>(b);
    const z = reinterpret<f64>(c);
    const product = x * y;
    const sum = product + z;
    if (abs<f64>(product) > PRODUCT_FLOOR && abs<f64>(product) < PRODUCT_LIMIT && isFiniteNumber<f64>(sum)) {
      const p = productError(x, y, product);
      const s = sumError<f64>(product, z, sum);
      if (p == 0) {
        if (!isInexactAccrued(flags) && s != 0) raise(flags, FLAG_NX);
        return reinterpret<u64>(sum);
      }
      if (isInexactAccrued(flags)) {
        const tail = s + p;
        const lower = sum + tail * (1.0 - f64.EPSILON);
        const upper = sum + tail * (1.0 + f64.EPSILON);
        if (lower == upper) return reinterpret<u64>(lower);
      }
    }
  }
  return mulAddSoft<u64>(flags, a, b, c, rm);
}

/**
 * x × y - product, where `product` is x × y rounded: exact within the bounds above (Dekker's product). Where splitting
 * a factor from 2^996 up overflows, the answer is a NaN, which f64MulAdd finds equal to nothing.
 */
@inline function productError(x: f64, y: f64, product: f64): f64 {
  const xHigh = upperHalf(x);
  const xLow = x - xHigh;
  const yHigh = upperHalf(y);
  const yLow = y - yHigh;
  return xLow * yLow - (product - xHigh * yHigh - xLow * yHigh - xHigh * yLow);
}

/** x rounded to 26 bits such that 26 bits hold the rest with its sign (Veltkamp's splitting). */
@inline function upperHalf(x: f64): f64 {
  const scaled = 134217729.0 * x;
  return scaled - (scaled - x);
}
