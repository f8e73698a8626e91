/**
 * IEEE 754 arithmetic by its definition: the exact result as a fraction of BigInts, then one rounding of it. It shares
 * no method with the library, which works on normalised significands with a jammed bit.
 */
import { DZ, type Format, NV, NX, OF, type Outcome, RDN, RMM, RNE, RTZ, RUP, UF } from "./float-core.js";

interface Parameters {
  /** Width of the whole number in bits. */
  readonly width: bigint;
  /** Precision: significand bits with the leading one. */
  readonly precision: bigint;
  /** Largest exponent; also the bias. */
  readonly emax: bigint;
}

export const PARAMETERS: Readonly<Record<Format, Parameters>> = {
  f32: { width: 32n, precision: 24n, emax: 127n },
  f64: { width: 64n, precision: 53n, emax: 1023n },
};

/** numerator / denominator, the denominator positive. */
interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

type Datum =
  | { readonly kind: "nan"; readonly signalling: boolean; readonly negative: boolean }
  | { readonly kind: "infinity"; readonly negative: boolean }
  | { readonly kind: "finite"; readonly negative: boolean; readonly value: Fraction };

export function canonicalNaN(format: Format): bigint {
  return infinityBits(format) | (1n << (PARAMETERS[format].precision - 2n));
}

export function infinityBits(format: Format): bigint {
  const { precision, emax } = PARAMETERS[format];
  return (2n * emax + 1n) << (precision - 1n);
}

export function signBit(format: Format): bigint {
  return 1n << (PARAMETERS[format].width - 1n);
}

export function isNaNBits(format: Format, bits: bigint): boolean {
  return (bits & ~signBit(format)) > infinityBits(format);
}

export function isSignallingBits(format: Format, bits: bigint): boolean {
  return isNaNBits(format, bits) && (bits & (1n << (PARAMETERS[format].precision - 2n))) === 0n;
}

export function decode(format: Format, bits: bigint): Datum {
  const { precision, emax } = PARAMETERS[format];
  const negative = (bits & signBit(format)) !== 0n;
  if (isNaNBits(format, bits)) return { kind: "nan", signalling: isSignallingBits(format, bits), negative };
  const absolute = bits & ~signBit(format);
  if (absolute === infinityBits(format)) return { kind: "infinity", negative };
  const field = absolute >> (precision - 1n);
  const fraction = absolute & ((1n << (precision - 1n)) - 1n);
  const integer = field === 0n ? fraction : fraction | (1n << (precision - 1n));
  const exponent = (field === 0n ? 1n : field) - emax - (precision - 1n);
  return { kind: "finite", negative, value: scaled(negative ? -integer : integer, exponent) };
}

/** integer × 2^exponent */
function scaled(integer: bigint, exponent: bigint): Fraction {
  return exponent >= 0n
    ? { numerator: integer << exponent, denominator: 1n }
    : { numerator: integer, denominator: 1n << -exponent };
}

/** Rounds an exact result other than zero to the format. */
export function round(format: Format, exact: Fraction, rm: number): Outcome {
  const { precision, emax } = PARAMETERS[format];
  const emin = 1n - emax;
  const negative = exact.numerator < 0n;
  const absolute = { ...exact, numerator: negative ? -exact.numerator : exact.numerator };
  const exponent = floorLog2(absolute);
  const unbounded = roundToMultiple(absolute, exponent - (precision - 1n), negative, rm);
  const isTiny = unbounded.multiple < scaledTo(emin, unbounded.quantum);
  const bounded = exponent < emin ? roundToMultiple(absolute, emin - (precision - 1n), negative, rm) : unbounded;
  const sign = negative ? signBit(format) : 0n;
  if (bounded.multiple >= scaledTo(emax + 1n, bounded.quantum)) {
    const towardsZero = rm === RTZ || rm === (negative ? RUP : RDN);
    return { bits: sign | (infinityBits(format) - (towardsZero ? 1n : 0n)), flags: OF | NX };
  }
  const flags = bounded.isExact ? 0 : isTiny ? NX | UF : NX;
  // Consecutive magnitudes have consecutive encodings, and each binade has 2^(precision - 1) of them.
  const binade = bounded.quantum - (emin - (precision - 1n));
  return { bits: sign | ((binade << (precision - 1n)) + bounded.multiple), flags };
}

/** 2^exponent in units of 2^quantum; 0 where it is less than one. */
function scaledTo(exponent: bigint, quantum: bigint): bigint {
  return exponent >= quantum ? 1n << (exponent - quantum) : 0n;
}

/** The multiple of 2^quantum that a positive number rounds to. */
function roundToMultiple(absolute: Fraction, quantum: bigint, negative: boolean, rm: number) {
  const numerator = quantum < 0n ? absolute.numerator << -quantum : absolute.numerator;
  const denominator = quantum > 0n ? absolute.denominator << quantum : absolute.denominator;
  const below = numerator / denominator;
  const excess = numerator % denominator;
  const isExact = excess === 0n;
  const versusHalf = 2n * excess - denominator;
  let up: boolean;
  if (rm === RNE) up = versusHalf > 0n || (versusHalf === 0n && below % 2n === 1n);
  else if (rm === RMM) up = versusHalf >= 0n;
  else if (rm === RUP) up = !isExact && !negative;
  else if (rm === RDN) up = !isExact && negative;
  else up = false;
  return { multiple: up ? below + 1n : below, quantum, isExact };
}

/** The largest k with 2^k <= a positive fraction. */
function floorLog2({ numerator, denominator }: Fraction): bigint {
  const estimate = BigInt(numerator.toString(2).length - denominator.toString(2).length);
  const isReached = estimate >= 0n ? numerator >= denominator << estimate : numerator << -estimate >= denominator;
  return isReached ? estimate : estimate - 1n;
}

function invalid(format: Format): Outcome {
  return { bits: canonicalNaN(format), flags: NV };
}

function ofNaNs(format: Format, operands: readonly Datum[]): Outcome | undefined {
  const nans = operands.filter((operand) => operand.kind === "nan");
  if (nans.length === 0) return undefined;
  return { bits: canonicalNaN(format), flags: nans.some((nan) => nan.signalling) ? NV : 0 };
}

function infinity(format: Format, negative: boolean): Outcome {
  return { bits: infinityBits(format) | (negative ? signBit(format) : 0n), flags: 0 };
}

function zero(format: Format, negative: boolean): Outcome {
  return { bits: negative ? signBit(format) : 0n, flags: 0 };
}

function isZero(datum: Datum): boolean {
  return datum.kind === "finite" && datum.value.numerator === 0n;
}

function plus(a: Fraction, b: Fraction): Fraction {
  return {
    numerator: a.numerator * b.denominator + b.numerator * a.denominator,
    denominator: a.denominator * b.denominator,
  };
}

function times(a: Fraction, b: Fraction): Fraction {
  return { numerator: a.numerator * b.numerator, denominator: a.denominator * b.denominator };
}

/** IEEE 754-2019 §5.4.1 addition, with §6.1 for infinities and §6.3 for the sign of zero. */
export function add(format: Format, a: bigint, b: bigint, rm: number): Outcome {
  return addData(format, decode(format, a), decode(format, b), rm);
}

function addData(format: Format, x: Datum, y: Datum, rm: number): Outcome {
  const nan = ofNaNs(format, [x, y]);
  if (nan) return nan;
  if (x.kind === "infinity" && y.kind === "infinity" && x.negative !== y.negative) return invalid(format);
  if (x.kind === "infinity") return infinity(format, x.negative);
  if (y.kind === "infinity") return infinity(format, y.negative);
  if (x.kind === "nan" || y.kind === "nan") throw new Error("NaNs are dealt with above");
  const sum = plus(x.value, y.value);
  if (sum.numerator !== 0n) return round(format, sum, rm);
  return zero(format, isZero(x) && isZero(y) && x.negative === y.negative ? x.negative : rm === RDN);
}

export function sub(format: Format, a: bigint, b: bigint, rm: number): Outcome {
  return add(format, a, b ^ signBit(format), rm);
}

export function mul(format: Format, a: bigint, b: bigint, rm: number): Outcome {
  const x = decode(format, a);
  const y = decode(format, b);
  const negative = x.negative !== y.negative;
  const nan = ofNaNs(format, [x, y]);
  if (nan) return nan;
  if (x.kind !== "finite" || y.kind !== "finite") {
    return isZero(x) || isZero(y) ? invalid(format) : infinity(format, negative);
  }
  const product = times(x.value, y.value);
  return product.numerator === 0n ? zero(format, negative) : round(format, product, rm);
}

export function div(format: Format, a: bigint, b: bigint, rm: number): Outcome {
  const x = decode(format, a);
  const y = decode(format, b);
  const negative = x.negative !== y.negative;
  const nan = ofNaNs(format, [x, y]);
  if (nan) return nan;
  if (x.kind !== "finite") return y.kind !== "finite" ? invalid(format) : infinity(format, negative);
  if (y.kind !== "finite") return zero(format, negative);
  if (isZero(y)) return isZero(x) ? invalid(format) : { ...infinity(format, negative), flags: DZ };
  if (isZero(x)) return zero(format, negative);
  const sign = y.negative ? -1n : 1n;
  const inverse = { numerator: sign * y.value.denominator, denominator: sign * y.value.numerator };
  return round(format, times(x.value, inverse), rm);
}

export function sqrt(format: Format, a: bigint, rm: number): Outcome {
  const x = decode(format, a);
  const nan = ofNaNs(format, [x]);
  if (nan) return nan;
  if (isZero(x)) return zero(format, x.negative);
  if (x.negative) return invalid(format);
  if (x.kind !== "finite") return infinity(format, false);
  // The root in units of 2^-k, of which it has far more than any format keeps. An inexact one lies strictly between
  // two multiples, where no rounding boundary is: the middle stands for it.
  const k = 1300n;
  const square = (x.value.numerator << (2n * k)) / x.value.denominator;
  const root = floorSqrt(square);
  const isExact = root * root === square && (x.value.numerator << (2n * k)) % x.value.denominator === 0n;
  return round(format, { numerator: 2n * root + (isExact ? 0n : 1n), denominator: 1n << (k + 1n) }, rm);
}

/** Newton's iteration from above. */
function floorSqrt(n: bigint): bigint {
  let root = 1n << BigInt((n.toString(2).length + 1) >> 1);
  while (true) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** a × b + c (§5.4.1 fusedMultiplyAdd); RISC-V raises NV for infinity × 0 whatever c is. */
export function mulAdd(format: Format, a: bigint, b: bigint, c: bigint, rm: number): Outcome {
  const [x, y, z] = [decode(format, a), decode(format, b), decode(format, c)];
  if ((x.kind === "infinity" && isZero(y)) || (isZero(x) && y.kind === "infinity")) return invalid(format);
  const nan = ofNaNs(format, [x, y, z]);
  if (nan) return nan;
  const negative = x.negative !== y.negative;
  const product: Datum =
    x.kind === "finite" && y.kind === "finite"
      ? { kind: "finite", negative, value: times(x.value, y.value) }
      : { kind: "infinity", negative };
  return addData(format, product, z, rm);
}

/** A binary64 rounded to binary32, or a binary32 as a binary64. */
export function convert(from: Format, to: Format, a: bigint, rm: number): Outcome {
  const x = decode(from, a);
  const nan = ofNaNs(to, [x]);
  if (nan) return nan;
  if (x.kind !== "finite") return infinity(to, x.negative);
  return isZero(x) ? zero(to, x.negative) : round(to, x.value, rm);
}

export function fromInteger(format: Format, integer: bigint, rm: number): Outcome {
  return integer === 0n ? zero(format, false) : round(format, { numerator: integer, denominator: 1n }, rm);
}

/** The integer types of FCVT; the result of a 32-bit one is sign-extended to 64 bits. */
export const INTEGER_RANGES = {
  I32: { lowest: -(2n ** 31n), highest: 2n ** 31n - 1n, width: 32 },
  U32: { lowest: 0n, highest: 2n ** 32n - 1n, width: 32 },
  I64: { lowest: -(2n ** 63n), highest: 2n ** 63n - 1n, width: 64 },
  U64: { lowest: 0n, highest: 2n ** 64n - 1n, width: 64 },
} as const;
export type IntegerType = keyof typeof INTEGER_RANGES;
export const INTEGER_TYPES = ["I32", "U32", "I64", "U64"] as const;

/** Unprivileged ISA, "F" extension, table "Domains of float-to-integer conversions and behavior for invalid inputs". */
export function toInteger(format: Format, type: IntegerType, a: bigint, rm: number): Outcome {
  const { lowest, highest, width } = INTEGER_RANGES[type];
  const outcome = (integer: bigint, flags: number) => ({
    bits: BigInt.asUintN(64, BigInt.asIntN(width, integer)),
    flags,
  });
  const x = decode(format, a);
  if (x.kind === "nan") return outcome(highest, NV);
  if (x.kind === "infinity") return outcome(x.negative ? lowest : highest, NV);
  const { numerator, denominator } = x.value;
  const rounded = roundToMultiple(
    { numerator: numerator < 0n ? -numerator : numerator, denominator },
    0n,
    x.negative,
    rm,
  );
  const integer = x.negative ? -rounded.multiple : rounded.multiple;
  if (integer < lowest) return outcome(lowest, NV);
  if (integer > highest) return outcome(highest, NV);
  return outcome(integer, rounded.isExact ? 0 : NX);
}

/** FEQ, FLT, FLE, FMIN and FMAX of a and b. */
export function compare(format: Format, a: bigint, b: bigint) {
  const x = decode(format, a);
  const y = decode(format, b);
  const anySignalling = isSignallingBits(format, a) || isSignallingBits(format, b);
  const quiet = anySignalling ? NV : 0;
  if (x.kind === "nan" || y.kind === "nan") {
    const unordered = (flags: number): Outcome => ({ bits: 0n, flags });
    const number = x.kind !== "nan" ? a : y.kind !== "nan" ? b : canonicalNaN(format);
    const selected: Outcome = { bits: number, flags: quiet };
    return { eq: unordered(quiet), lt: unordered(NV), le: unordered(NV), min: selected, max: selected };
  }
  const difference = sub(format, a, b, RNE);
  const isEqual = a === b || (isZero(x) && isZero(y));
  const isLess = !isEqual && (difference.bits & signBit(format)) !== 0n && !isNaNBits(format, difference.bits);
  const plain = (bits: bigint): Outcome => ({ bits, flags: 0 });
  // For minimum and maximum -0 is less than +0.
  const isBelow = isLess || (isEqual && x.negative);
  return {
    eq: plain(isEqual ? 1n : 0n),
    lt: plain(isLess ? 1n : 0n),
    le: plain(isLess || isEqual ? 1n : 0n),
    min: plain(isBelow ? a : b),
    max: plain(isBelow ? b : a),
  };
}
