/** Fused multiply-add in integers, for either format, rounding mode and any operands (IEEE 754-2019 §5.4.1). */
import {
  exponentOf,
  infinity,
  invalid,
  isInfinite,
  isNaN,
  isNegative,
  isSignallingNaN,
  isZero,
  propagateNaN,
  significandOf,
  withSign,
} from "./format";
import { cancelledZero, normaliseRoundPack } from "./round";
import { mulSoft } from "./soft-arithmetic";
import { multiplyHigh, shiftRightHigh, shiftRightJamLow } from "./wide";

/** a × b + c, rounded once. */
export function mulAddSoft<T>(flags: usize, a: T, b: T, c: T, rm: u32): T {
  const isProductInfinite = isInfinite<T>(a) || isInfinite<T>(b);
  const isProductZero = isZero<T>(a) || isZero<T>(b);
  // Infinity times zero is invalid even when c is a quiet NaN (Unprivileged ISA, "F" extension, FMADD.S).
  if (isProductInfinite && isProductZero) return invalid<T>(flags);
  if (isNaN<T>(a) || isNaN<T>(b) || isNaN<T>(c)) {
    return propagateNaN<T>(flags, a, isSignallingNaN<T>(b) ? b : c);
  }
  const isProductNegative = isNegative<T>(a) != isNegative<T>(b);
  const isSubtraction = isProductNegative != isNegative<T>(c);
  if (isProductInfinite) {
    if (isInfinite<T>(c) && isSubtraction) return invalid<T>(flags);
    return withSign<T>(isProductNegative, infinity<T>());
  }
  if (isInfinite<T>(c)) return c;
  if (isProductZero) return isZero<T>(c) && isSubtraction ? cancelledZero<T>(rm) : c;
  if (isZero<T>(c)) return mulSoft<T>(flags, a, b, rm);
  return mulAddFinite<T>(flags, a, b, c, rm);
}

/**
 * a × b + c, all finite and not zero.
 *
 * Product and addend are brought to 128 bits and a common exponent e, both standing for (high:low) × 2^(e - 124): the
 * product's leading bit is bit 124 or 125, the addend's bit 124. Either ends in at least twenty zeros, so a shift that
 * jams is one of more than twenty, after which a difference loses at most its leading bit.
 */
function mulAddFinite<T>(flags: usize, a: T, b: T, c: T, rm: u32): T {
  const isProductNegative = isNegative<T>(a) != isNegative<T>(b);
  const isSubtraction = isProductNegative != isNegative<T>(c);
  const x = significandOf<T>(a);
  const y = significandOf<T>(b);
  const z = significandOf<T>(c);
  const productExponent = exponentOf<T>(a) + exponentOf<T>(b);
  const addendExponent = exponentOf<T>(c);
  const exponent = max(productExponent, addendExponent);

  const productShift = exponent - productExponent;
  const productLow = shiftRightJamLow(multiplyHigh(x, y), x * y, productShift);
  const productHigh = shiftRightHigh(multiplyHigh(x, y), productShift);
  const addendShift = exponent - addendExponent;
  const addendLow = shiftRightJamLow(z >> 2, z << 62, addendShift);
  const addendHigh = shiftRightHigh(z >> 2, addendShift);

  let negative = isProductNegative;
  let high: u64;
  let low: u64;
  if (!isSubtraction) {
    low = productLow + addendLow;
    high = productHigh + addendHigh + <u64>(low < productLow);
  } else {
    low = productLow - addendLow;
    high = productHigh - addendHigh - <u64>(productLow < addendLow);
    if ((high | low) == 0) return cancelledZero<T>(rm);
    if (<i64>high < 0) {
      negative = !negative;
      low = -low;
      high = ~high + <u64>(low == 0);
    }
  }
  if (high == 0) return normaliseRoundPack<T>(flags, negative, exponent - 62, low, rm);
  // At least one zero leads, so the shift below is by 1 to 63.
  const shift = <i32>clz<u64>(high);
  const significand = (high << shift) | (low >> (64 - shift)) | <u64>((low << shift) != 0);
  return normaliseRoundPack<T>(flags, negative, exponent + 2 - shift, significand, rm);
}
