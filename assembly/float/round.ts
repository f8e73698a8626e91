/** Rounding (IEEE 754-2019 §4.3) and the exceptions that come of it: inexact, overflow, underflow (§7.4 to §7.6). */
import { FLAG_NX, FLAG_OF, FLAG_UF, RDN, RMM, RNE, RTZ, RUP, raise } from "./environment";
import { LEADING_BIT, exponentBias, fractionWidth, infinity, largestFinite, withSign } from "./format";
import { shiftRightJam } from "./wide";

/**
 * significand / 2^bits, rounded to an integer.
 *
 * @param bits     how many bits are rounded away, 1 to 63
 * @param negative sign of the number whose magnitude this is
 */
export function roundQuotient(significand: u64, bits: i32, negative: bool, rm: u32): u64 {
  const half = <u64>1 << (bits - 1);
  const quotient = significand >> bits;
  const remainder = significand & ((half << 1) - 1);
  let isUp = false;
  switch (rm) {
    case RNE:
      isUp = remainder > half || (remainder == half && (quotient & 1) != 0);
      break;
    case RTZ:
      break;
    case RDN:
      isUp = negative && remainder != 0;
      break;
    case RUP:
      isUp = !negative && remainder != 0;
      break;
    case RMM:
      isUp = remainder >= half;
      break;
  }
  return quotient + <u64>isUp;
}

/**
 * The number of format T nearest, in the sense of rm, to ±significand × 2^(exponent - 62).
 *
 * @param significand normalised: its leading bit is bit 62; its lowest bit may be a jammed one
 */
export function roundPack<T>(flags: usize, negative: bool, exponent: i32, significand: u64, rm: u32): T {
  const field = exponent + exponentBias<T>();
  if (field <= 0) return roundPackSubnormal<T>(flags, negative, field, significand, rm);
  const droppedBits = LEADING_BIT - fractionWidth<T>();
  const rounded = roundQuotient(significand, droppedBits, negative, rm);
  // The leading bit adds one to the exponent field. A carry out of the fraction adds another and leaves it zero.
  const packed = (<u64>(field - 1) << fractionWidth<T>()) + rounded;
  if (packed >= <u64>infinity<T>()) return overflow<T>(flags, negative, rm);
  if (rounded << droppedBits != significand) raise(flags, FLAG_NX);
  return withSign<T>(negative, <T>packed);
}

/** roundPack of what is below the normal numbers before rounding: `field`, its biased exponent, is at most 0. */
function roundPackSubnormal<T>(flags: usize, negative: bool, field: i32, significand: u64, rm: u32): T {
  const droppedBits = LEADING_BIT - fractionWidth<T>();
  const denormalised = shiftRightJam(significand, 1 - field);
  // Rounding up to the smallest normal number carries into the exponent field, as it should.
  const packed = roundQuotient(denormalised, droppedBits, negative, rm);
  if (packed << droppedBits != denormalised) {
    // Tininess after rounding: were the exponent unbounded, would all the bits of the format still leave the result
    // below the smallest normal number? Only from the binade just below can rounding carry it there.
    const isTiny = field < 0 || roundQuotient(significand, droppedBits, negative, rm) >> (fractionWidth<T>() + 1) == 0;
    raise(flags, isTiny ? FLAG_NX | FLAG_UF : FLAG_NX);
  }
  return withSign<T>(negative, <T>packed);
}

function overflow<T>(flags: usize, negative: bool, rm: u32): T {
  raise(flags, FLAG_OF | FLAG_NX);
  const staysFinite = rm == RTZ || rm == (negative ? RUP : RDN);
  return withSign<T>(negative, staysFinite ? largestFinite<T>() : infinity<T>());
}

/** roundPack of a significand that has its leading bit anywhere; it may not be zero. */
@inline
export function normaliseRoundPack<T>(flags: usize, negative: bool, exponent: i32, significand: u64, rm: u32): T {
  const shift = <i32>clz<u64>(significand) - 1;
  const normalised = shift < 0 ? shiftRightJam(significand, 1) : significand << shift;
  return roundPack<T>(flags, negative, exponent - shift, normalised, rm);
}

/** The zero that is the exact sum of two numbers of opposite signs (IEEE 754-2019 §6.3). */
@inline export function cancelledZero<T>(rm: u32): T {
  return withSign<T>(rm == RDN, 0);
}
