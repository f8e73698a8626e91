/**
 * The binary interchange formats (IEEE 754-2019 §3.4) as raw bits.
 *
 * A format is named by the unsigned integer type T that holds its bits, so that one generic function serves both:
 *
 *     T     format     sign   biased exponent   fraction   bias
 *     u32   binary32    31        30..23          22..0     127
 *     u64   binary64    63        62..52          51..0    1023
 *
 * Biased exponent 0 holds zeros and subnormals, the all-ones one infinities and NaNs. A NaN whose top fraction bit is
 * clear is signalling.
 *
 * Integer code works on finite numbers other than zero in *unpacked* form, the same for both formats:
 *
 *     |a| = significand × 2^(exponent - 62),   2^62 <= significand < 2^63
 *
 * that is, `exponent` is the power of two of the leading bit, which stands at bit 62. Bit 63 is room for a carry.
 */
import { FLAG_NV, raise } from "./environment";

/** Bit number of the leading bit of an unpacked significand. */
export const LEADING_BIT: i32 = 62;

/** Width of the fraction field in bits. */
@inline export function fractionWidth<T>(): i32 {
  return sizeof<T>() == 8 ? 52 : 23;
}

@inline export function exponentBias<T>(): i32 {
  return sizeof<T>() == 8 ? 1023 : 127;
}

/** The all-ones biased exponent. */
@inline export function exponentFieldMax<T>(): i32 {
  return sizeof<T>() == 8 ? 0x7ff : 0xff;
}

@inline export function signMask<T>(): T {
  return <T>1 << (<T>sizeof<T>() * 8 - 1);
}

@inline export function infinity<T>(): T {
  return <T>exponentFieldMax<T>() << <T>fractionWidth<T>();
}

@inline export function largestFinite<T>(): T {
  return infinity<T>() - 1;
}

/** The one NaN that arithmetic gives (Unprivileged ISA, "NaN Generation and Propagation"). */
@inline export function canonicalNaN<T>(): T {
  return infinity<T>() | quietBit<T>();
}

@inline function quietBit<T>(): T {
  return <T>1 << <T>(fractionWidth<T>() - 1);
}

@inline export function isNegative<T>(a: T): bool {
  return (a & signMask<T>()) != 0;
}

/** a without its sign. As an unsigned integer it is ordered as |a| is. */
@inline export function magnitude<T>(a: T): T {
  return a & ~signMask<T>();
}

@inline export function isNaN<T>(a: T): bool {
  return magnitude<T>(a) > infinity<T>();
}

@inline export function isSignallingNaN<T>(a: T): bool {
  return isNaN<T>(a) && (a & quietBit<T>()) == 0;
}

@inline export function isInfinite<T>(a: T): bool {
  return magnitude<T>(a) == infinity<T>();
}

@inline export function isZero<T>(a: T): bool {
  return magnitude<T>(a) == 0;
}

@inline export function exponentField<T>(a: T): i32 {
  return <i32>(magnitude<T>(a) >> <T>fractionWidth<T>());
}

@inline export function fractionField<T>(a: T): u64 {
  return <u64>a & ((<u64>1 << fractionWidth<T>()) - 1);
}

/** A number of the given sign whose other bits are `bits`. */
@inline export function withSign<T>(negative: bool, bits: T): T {
  return negative ? bits | signMask<T>() : bits;
}

/** Unpacked significand of a finite number other than zero. */
@inline export function significandOf<T>(a: T): u64 {
  const fraction = fractionField<T>(a);
  return exponentField<T>(a) == 0
    ? fraction << (clz<u64>(fraction) - 1)
    : ((<u64>1 << fractionWidth<T>()) | fraction) << (LEADING_BIT - fractionWidth<T>());
}

/** Unpacked exponent of a finite number other than zero. */
@inline export function exponentOf<T>(a: T): i32 {
  const field = exponentField<T>(a);
  return field == 0
    ? 64 - <i32>clz<u64>(fractionField<T>(a)) - fractionWidth<T>() - exponentBias<T>()
    : field - exponentBias<T>();
}

/** The result of an invalid operation. */
@inline export function invalid<T>(flags: usize): T {
  raise(flags, FLAG_NV);
  return canonicalNaN<T>();
}

/** The result of an operation with a NaN among its operands: canonical, and invalid if one of them is signalling. */
@inline export function propagateNaN<T>(flags: usize, a: T, b: T): T {
  if (isSignallingNaN<T>(a) || isSignallingNaN<T>(b)) raise(flags, FLAG_NV);
  return canonicalNaN<T>();
}

/** A binary32 as a 64-bit register holds it (Unprivileged ISA, "D" extension, "NaN Boxing of Narrower Values"). */
@inline export function boxF32(bits: u32): u64 {
  return 0xffffffff00000000 | <u64>bits;
}

/** The binary32 in a 64-bit register; the canonical NaN if the register does not hold a properly boxed one. */
@inline export function unboxF32(register: u64): u32 {
  return register >= 0xffffffff00000000 ? <u32>register : canonicalNaN<u32>();
}
