/** Conversions to a floating-point format in integers, for any rounding mode (IEEE 754-2019 §5.4.1, §5.4.2). */
import {
  canonicalNaN,
  exponentOf,
  infinity,
  isInfinite,
  isNaN,
  isNegative,
  isZero,
  propagateNaN,
  significandOf,
  withSign,
} from "./format";
import { normaliseRoundPack, roundPack } from "./round";

/** The integer ±absolute as a number of format T. */
export function fromIntegerSoft<T>(flags: usize, negative: bool, absolute: u64, rm: u32): T {
  if (absolute == 0) return 0;
  return normaliseRoundPack<T>(flags, negative, 62, absolute, rm);
}

/** A binary64 as a binary32. */
export function f64ToF32Soft(flags: usize, a: u64, rm: u32): u32 {
  if (isNaN<u64>(a)) {
    propagateNaN<u64>(flags, a, a);
    return canonicalNaN<u32>();
  }
  const negative = isNegative<u64>(a);
  if (isInfinite<u64>(a)) return withSign<u32>(negative, infinity<u32>());
  if (isZero<u64>(a)) return withSign<u32>(negative, 0);
  return roundPack<u32>(flags, negative, exponentOf<u64>(a), significandOf<u64>(a), rm);
}
