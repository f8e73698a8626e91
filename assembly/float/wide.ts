/**
 * Shifts that remember what they drop, and products of 128 bits, held as two u64: `high` × 2^64 + `low`.
 *
 * "Jam" means that a bit equal to one that is shifted out leaves the lowest bit of the result set. Rounding cares only
 * whether anything other than zero lies beyond the bits it inspects, so the jammed bit stands for all of them.
 */

/** value >> count, jammed; any count from 0. */
@inline export function shiftRightJam(value: u64, count: i32): u64 {
  if (count > 63) return <u64>(value != 0);
  const kept = value >> count;
  return kept | <u64>((kept << count) != value);
}

/** High half of (high:low) >> count; any count from 0. */
@inline export function shiftRightHigh(high: u64, count: i32): u64 {
  return count > 63 ? 0 : high >> count;
}

/** Low half of (high:low) >> count, jammed; any count from 0. */
@inline export function shiftRightJamLow(high: u64, low: u64, count: i32): u64 {
  if (count == 0) return low;
  if (count > 63) return shiftRightJam(high, count - 64) | <u64>(low != 0);
  return (high << (64 - count)) | shiftRightJam(low, count);
}

/** High half of the product a × b; the low half is a * b. */
@inline export function multiplyHigh(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff;
  const a1 = a >> 32;
  const b0 = b & 0xffffffff;
  const b1 = b >> 32;
  // Each of the two sums is at most (2^32 - 1)^2 + 2 (2^32 - 1) = 2^64 - 1, so neither overflows.
  const middle = a1 * b0 + ((a0 * b0) >> 32);
  const cross = a0 * b1 + (middle & 0xffffffff);
  return a1 * b1 + (middle >> 32) + (cross >> 32);
}
