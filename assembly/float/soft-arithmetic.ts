/**
 * Addition, subtraction, multiplication, division and square root in integers, for either format, rounding mode and
 * any operands (IEEE 754-2019 §5.4.1). Slow and plain: arithmetic.ts answers the common case by other means and must
 * agree with this.
 */
import { FLAG_DZ, raise } from "./environment";
import {
  exponentOf,
  infinity,
  invalid,
  isInfinite,
  isNaN,
  isNegative,
  isZero,
  magnitude,
  propagateNaN,
  signMask,
  significandOf,
  withSign,
} from "./format";
import { cancelledZero, normaliseRoundPack, roundPack } from "./round";
import { multiplyHigh, shiftRightJam } from "./wide";

export function addSoft<T>(flags: usize, a: T, b: T, rm: u32): T {
  if (isNaN<T>(a) || isNaN<T>(b)) return propagateNaN<T>(flags, a, b);
  const isSubtraction = isNegative<T>(a) != isNegative<T>(b);
  if (isInfinite<T>(a)) return isInfinite<T>(b) && isSubtraction ? invalid<T>(flags) : a;
  if (isInfinite<T>(b)) return b;
  if (isZero<T>(b)) return isZero<T>(a) && isSubtraction ? cancelledZero<T>(rm) : a;
  if (isZero<T>(a)) return b;
  return magnitude<T>(a) >= magnitude<T>(b) ? addOrdered<T>(flags, a, b, rm) : addOrdered<T>(flags, b, a, rm);
}

/** large + small, both finite and not zero, |large| >= |small|. */
function addOrdered<T>(flags: usize, large: T, small: T, rm: u32): T {
  const negative = isNegative<T>(large);
  const exponent = exponentOf<T>(large);
  const augend = significandOf<T>(large);
  // Significands end in at least ten zeros. A shift that jams is thus one of more than ten, after which a difference
  // loses at most its leading bit: the jammed bit stays below those that rounding inspects.
  const addend = shiftRightJam(significandOf<T>(small), exponent - exponentOf<T>(small));
  if (negative == isNegative<T>(small)) {
    return normaliseRoundPack<T>(flags, negative, exponent, augend + addend, rm);
  }
  if (augend == addend) return cancelledZero<T>(rm);
  return normaliseRoundPack<T>(flags, negative, exponent, augend - addend, rm);
}

@inline export function subSoft<T>(flags: usize, a: T, b: T, rm: u32): T {
  return addSoft<T>(flags, a, b ^ signMask<T>(), rm);
}

export function mulSoft<T>(flags: usize, a: T, b: T, rm: u32): T {
  if (isNaN<T>(a) || isNaN<T>(b)) return propagateNaN<T>(flags, a, b);
  const negative = isNegative<T>(a) != isNegative<T>(b);
  if (isInfinite<T>(a) || isInfinite<T>(b)) {
    return isZero<T>(a) || isZero<T>(b) ? invalid<T>(flags) : withSign<T>(negative, infinity<T>());
  }
  if (isZero<T>(a) || isZero<T>(b)) return withSign<T>(negative, 0);
  const x = significandOf<T>(a);
  const y = significandOf<T>(b);
  const product = multiplyHigh(x, y) | <u64>(x * y != 0);
  // x × y × 2^(e - 124), its low 64 bits jammed away, is product × 2^(e - 60).
  return normaliseRoundPack<T>(flags, negative, exponentOf<T>(a) + exponentOf<T>(b) + 2, product, rm);
}

export function divSoft<T>(flags: usize, a: T, b: T, rm: u32): T {
  if (isNaN<T>(a) || isNaN<T>(b)) return propagateNaN<T>(flags, a, b);
  const negative = isNegative<T>(a) != isNegative<T>(b);
  if (isInfinite<T>(a)) return isInfinite<T>(b) ? invalid<T>(flags) : withSign<T>(negative, infinity<T>());
  if (isInfinite<T>(b)) return withSign<T>(negative, 0);
  if (isZero<T>(b)) {
    if (isZero<T>(a)) return invalid<T>(flags);
    raise(flags, FLAG_DZ);
    return withSign<T>(negative, infinity<T>());
  }
  if (isZero<T>(a)) return withSign<T>(negative, 0);
  // Long division in base 2^11, the largest base in which a 53-bit remainder can take another digit. The integer digit
  // and five more give a quotient of 55 or 56 bits, two more than any format keeps; the remainder is jammed.
  const divisor = significandOf<T>(b) >> 10;
  let remainder = significandOf<T>(a) >> 10;
  let quotient = remainder / divisor;
  remainder %= divisor;
  for (let digit = 0; digit < 5; digit++) {
    remainder <<= 11;
    quotient = (quotient << 11) | (remainder / divisor);
    remainder %= divisor;
  }
  quotient |= <u64>(remainder != 0);
  return normaliseRoundPack<T>(flags, negative, exponentOf<T>(a) - exponentOf<T>(b) + 7, quotient, rm);
}

export function sqrtSoft<T>(flags: usize, a: T, rm: u32): T {
  if (isNaN<T>(a)) return propagateNaN<T>(flags, a, a);
  if (isZero<T>(a)) return a;
  if (isNegative<T>(a)) return invalid<T>(flags);
  if (isInfinite<T>(a)) return a;
  // a = radicand × 2^(exponent - 62) with an even exponent, 2^62 <= radicand < 2^64.
  let exponent = exponentOf<T>(a);
  let radicand = significandOf<T>(a) << (exponent & 1);
  exponent &= ~1;
  // The square root of radicand × 2^48, bit by bit as by hand: two digits come down, one bit of the root is found.
  let root: u64 = 0;
  let remainder: u64 = 0;
  for (let bit = 0; bit < 56; bit++) {
    remainder = (remainder << 2) | (radicand >> 62);
    radicand <<= 2;
    const subtrahend = (root << 2) | 1;
    root <<= 1;
    if (remainder >= subtrahend) {
      remainder -= subtrahend;
      root |= 1;
    }
  }
  // 2^55 <= root < 2^56, and sqrt(a) is root × 2^(exponent / 2 - 55) and what the remainder stands for.
  return roundPack<T>(flags, false, exponent >> 1, (root << 7) | <u64>(remainder != 0), rm);
}
