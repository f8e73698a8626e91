/**
 * FADD, FSUB, FMUL, FDIV and FSQRT (Unprivileged ISA, "Single-Precision Floating-Point Computational Instructions").
 * In mode RNE Wasm's own operation gives the result wherever it is plain which flags belong to it; the integer code of
 * soft-arithmetic.ts does the rest.
 */
import { FLAG_NX, RNE, isInexactAccrued, raise } from "./environment";
import { isClearlyNormal, isFiniteNumber, isProductShort, sumError } from "./native";
import { addSoft, divSoft, mulSoft, sqrtSoft, subSoft } from "./soft-arithmetic";

export function f32Add(flags: usize, a: u32, b: u32, rm: u32): u32 {
  return add<u32, f32>(flags, a, b, rm);
}

export function f64Add(flags: usize, a: u64, b: u64, rm: u32): u64 {
  return add<u64, f64>(flags, a, b, rm);
}

export function f32Sub(flags: usize, a: u32, b: u32, rm: u32): u32 {
  return sub<u32, f32>(flags, a, b, rm);
}

export function f64Sub(flags: usize, a: u64, b: u64, rm: u32): u64 {
  return sub<u64, f64>(flags, a, b, rm);
}

export function f32Mul(flags: usize, a: u32, b: u32, rm: u32): u32 {
  return mul<u32, f32>(flags, a, b, rm);
}

export function f64Mul(flags: usize, a: u64, b: u64, rm: u32): u64 {
  return mul<u64, f64>(flags, a, b, rm);
}

export function f32Div(flags: usize, a: u32, b: u32, rm: u32): u32 {
  return div<u32, f32>(flags, a, b, rm);
}

export function f64Div(flags: usize, a: u64, b: u64, rm: u32): u64 {
  return div<u64, f64>(flags, a, b, rm);
}

export function f32Sqrt(flags: usize, a: u32, rm: u32): u32 {
  return squareRoot<u32, f32>(flags, a, rm);
}

export function f64Sqrt(flags: usize, a: u64, rm: u32): u64 {
  return squareRoot<u64, f64>(flags, a, rm);
}

/**
 * A finite sum had finite operands and did not overflow. It did not underflow either: a sum is a multiple of the
 * smallest subnormal number, so a tiny one is exact. That leaves NX.
 */
@inline function add<T, F>(flags: usize, a: T, b: T, rm: u32): T {
  if (rm == RNE) {
    const x = reinterpret<F>(a);
    const y = reinterpret<F>(b);
    const sum = x + y;
    if (isFiniteNumber<F>(sum)) {
      if (!isInexactAccrued(flags) && sumError<F>(x, y, sum) != 0) raise(flags, FLAG_NX);
      return reinterpret<T>(sum);
    }
  }
  return addSoft<T>(flags, a, b, rm);
}

/** As add, of a and -b. */
@inline function sub<T, F>(flags: usize, a: T, b: T, rm: u32): T {
  if (rm == RNE) {
    const x = reinterpret<F>(a);
    const y = reinterpret<F>(b);
    const difference = x - y;
    if (isFiniteNumber<F>(difference)) {
      if (!isInexactAccrued(flags) && sumError<F>(x, -y, difference) != 0) raise(flags, FLAG_NX);
      return reinterpret<T>(difference);
    }
  }
  return subSoft<T>(flags, a, b, rm);
}

/** A clearly normal product had finite operands and can be inexact only. */
@inline function mul<T, F>(flags: usize, a: T, b: T, rm: u32): T {
  if (rm == RNE) {
    const product = reinterpret<F>(a) * reinterpret<F>(b);
    if (isClearlyNormal<F>(product) && (isInexactAccrued(flags) || isProductShort<T>(a, b))) {
      return reinterpret<T>(product);
    }
  }
  return mulSoft<T>(flags, a, b, rm);
}

/**
 * A clearly normal quotient had finite operands and a divisor other than zero, and can be inexact only. It is exact if
 * quotient × divisor fits the precision: that is within half a unit in the last place of the quotient, times the
 * divisor, of the dividend, which is nearer than two different numbers of that precision can be.
 */
@inline function div<T, F>(flags: usize, a: T, b: T, rm: u32): T {
  if (rm == RNE) {
    const quotient = reinterpret<F>(a) / reinterpret<F>(b);
    if (isClearlyNormal<F>(quotient)) {
      const bits = reinterpret<T>(quotient);
      if (isInexactAccrued(flags) || isProductShort<T>(bits, b)) return bits;
    }
  }
  return divSoft<T>(flags, a, b, rm);
}

/**
 * The root of a finite number from zero up has about half its exponent: it can be inexact only. It is exact if its
 * square is a without rounding: the square fits the precision, and a clearly normal one the exponent range.
 */
@inline function squareRoot<T, F>(flags: usize, a: T, rm: u32): T {
  if (rm == RNE) {
    const x = reinterpret<F>(a);
    if (x >= 0 && isFiniteNumber<F>(x)) {
      const root = sqrt<F>(x);
      const bits = reinterpret<T>(root);
      if (isInexactAccrued(flags)) return bits;
      if (root * root == x && isClearlyNormal<F>(x) && isProductShort<T>(bits, bits)) return bits;
    }
  }
  return sqrtSoft<T>(flags, a, rm);
}
