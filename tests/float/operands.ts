/** Operands on which floating-point code goes wrong: values near every boundary, and tuples chosen against each other. */
import fc from "fast-check";
import { type Format, RNE } from "./float-core.js";
import { infinityBits, mul, PARAMETERS, signBit } from "./oracle.js";

function clamp(value: bigint, low: bigint, high: bigint): bigint {
  return value < low ? low : value > high ? high : value;
}

function exponentFields(format: Format): fc.Arbitrary<bigint> {
  const { precision, emax } = PARAMETERS[format];
  const last = 2n * emax + 1n;
  const near = (field: bigint) => fc.bigInt(clamp(field - 3n, 0n, last), clamp(field + 3n, 0n, last));
  return fc.oneof(
    near(0n),
    near(last),
    near(emax),
    near(emax + precision),
    near(emax - precision),
    near(emax / 2n),
    near(emax + 31n),
    near(emax + 63n),
    fc.bigInt(clamp(emax - 2n * precision, 0n, last), clamp(emax + 2n * precision, 0n, last)),
    fc.bigInt(0n, last),
  );
}

function fractions(format: Format): fc.Arbitrary<bigint> {
  const width = PARAMETERS[format].precision - 1n;
  const ones = (1n << width) - 1n;
  const bit = fc.bigInt(0n, width - 1n).map((position) => 1n << position);
  return fc.oneof(
    fc.constantFrom(0n, 1n, ones, ones - 1n, 1n << (width - 1n), (1n << (width - 1n)) - 1n),
    bit,
    bit.map((b) => ones - b),
    bit.map((b) => b - 1n),
    bit.map((b) => ones & ~(b - 1n)),
    fc.tuple(bit, bit).map(([a, b]) => a | b),
    fc.bigInt(0n, 0xfffn),
    fc.bigInt(0n, 0xfffn).map((high) => (high << width) >> 12n),
    fc.bigInt(0n, ones),
  );
}

/** Any number of the format, boundaries likely. */
export function operand(format: Format): fc.Arbitrary<bigint> {
  const width = PARAMETERS[format].precision - 1n;
  return fc
    .tuple(fc.boolean(), exponentFields(format), fractions(format))
    .map(([negative, field, fraction]) => (negative ? signBit(format) : 0n) | (field << width) | fraction);
}

/** a and, often, another a few units in the last place, or a chosen power of two, away from it; of either sign. */
export function pair(format: Format): fc.Arbitrary<[bigint, bigint]> {
  return fc
    .tuple(operand(format), operand(format), fc.nat(3), fc.bigInt(-3n, 3n), fc.boolean())
    .map(([a, b, choice, distance, flip]) => {
      const { precision, emax } = PARAMETERS[format];
      const magnitude = a & (signBit(format) - 1n);
      const sign = (a & signBit(format)) ^ (flip ? signBit(format) : 0n);
      if (choice === 0) return [a, sign | clamp(magnitude + distance, 0n, signBit(format) - 1n)];
      if (choice === 1) {
        // Exponents that add up to one at which a product, or a quotient by the inverse, is on the edge of the range.
        const target = [1n, 1n - precision, 2n * emax, 2n * emax + 1n][Number(distance + 3n) % 4]! + distance;
        const field = clamp(target + emax - (magnitude >> (precision - 1n)), 0n, 2n * emax);
        return [a, sign | (field << (precision - 1n)) | (b & ((1n << (precision - 1n)) - 1n))];
      }
      return [a, b];
    });
}

/** Factors and an addend that often cancels their product, but for a few units in the last place. */
export function triple(format: Format): fc.Arbitrary<[bigint, bigint, bigint]> {
  return fc
    .tuple(pair(format), operand(format), fc.nat(2), fc.bigInt(-2n, 2n), fc.bigInt(-110n, 60n))
    .map(([[a, b], c, choice, distance, binades]) => {
      const product = mul(format, a, b, RNE).bits ^ signBit(format);
      const magnitude = product & (signBit(format) - 1n);
      const sign = product & signBit(format);
      const highest = infinityBits(format);
      if (choice === 0) return [a, b, sign | clamp(magnitude + distance, 0n, highest)];
      if (choice === 1) {
        // An addend at a chosen distance in magnitude from the product.
        const { precision } = PARAMETERS[format];
        const shifted = clamp(magnitude + (binades << (precision - 1n)), 0n, highest);
        const fraction = c & ((1n << (precision - 1n)) - 1n);
        return [a, b, (c & signBit(format)) | ((shifted >> (precision - 1n)) << (precision - 1n)) | fraction];
      }
      return [a, b, c];
    });
}

/** 64-bit integers about powers of two and with runs of ones. */
export const integer64: fc.Arbitrary<bigint> = fc.oneof(
  fc
    .tuple(fc.bigInt(0n, 64n), fc.bigInt(-3n, 3n), fc.boolean())
    .map(([exponent, offset, negate]) =>
      BigInt.asUintN(64, negate ? -((1n << exponent) + offset) : (1n << exponent) + offset),
    ),
  fc
    .tuple(fc.bigInt(0n, 63n), fc.bigInt(0n, 63n))
    .map(([high, low]) =>
      BigInt.asUintN(64, (1n << high) | (1n << low) | ((1n << low) >> 24n) | ((1n << high) >> 53n)),
    ),
  fc.bigInt(0n, 2n ** 64n - 1n),
);
