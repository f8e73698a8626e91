/**
 * What the fast paths share. Wasm's own f32 and f64 operations round to nearest, ties to even, support subnormals and
 * raise no flags (WebAssembly Core 4.3.3), so they give the very bits that RISC-V asks for in mode RNE unless the
 * result is a NaN. What remains is to prove cheaply which flags accrue.
 *
 * A format is named by its bits' type T and its value's type F: <u32, f32> or <u64, f64>.
 */
import { fractionWidth } from "./format";

/** Finite: not a NaN, not an infinity. */
@inline export function isFiniteNumber<F>(x: F): bool {
  return abs<F>(x) < <F>Infinity;
}

/**
 * Finite and above the smallest normal number. A result of which this is true has neither overflowed nor underflowed:
 * had the exact result been tiny, rounding could not have carried it past the smallest normal number.
 */
@inline export function isClearlyNormal<F>(x: F): bool {
  return isFiniteNumber<F>(x) && abs<F>(x) > smallestNormal<F>();
}

@inline function smallestNormal<F>(): F {
  return sizeof<F>() == 8 ? <F>f64.MIN_NORMAL_VALUE : <F>f32.MIN_NORMAL_VALUE;
}

/**
 * How far x + y is from `sum`, its rounded value: exact, as Knuth's 2Sum is in round-to-nearest. Addition does not
 * underflow inexactly; where an intermediate overflows, the answer is not zero.
 */
@inline export function sumError<F>(x: F, y: F, sum: F): F {
  const yVirtual = sum - x;
  const xVirtual = sum - yVirtual;
  return x - xVirtual + (y - yVirtual);
}

/**
 * Whether the product of two numbers with these bits is known to fit the format's precision. Two significands of p
 * bits make a product of at most 2p bits that ends in as many zeros as both together; p of those make it fit. (With
 * p - 1 it fits sometimes. The bit set here stands for the leading one and also bounds the count for a zero fraction.)
 */
@inline export function isProductShort<T>(a: T, b: T): bool {
  const leadingBit = <T>1 << <T>fractionWidth<T>();
  return <i32>(ctz<T>(a | leadingBit) + ctz<T>(b | leadingBit)) > fractionWidth<T>();
}
