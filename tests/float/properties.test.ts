import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { FloatCore, FORMATS, type Format, NX, type Outcome, RNE, ROUNDING_MODES } from "./float-core.js";
import { integer64, operand, pair, triple } from "./operands.js";
import * as oracle from "./oracle.js";

/** Operands tried for each property; each stands for five rounding modes and several states of the flags. */
const RUNS = 4000;

let core: FloatCore;
beforeAll(async () => {
  core = await FloatCore.create();
});

/** fast-check shrinks and reports what throws; expect() itself is too slow for a million calls. */
function check(name: string, operands: readonly bigint[], rm: number, accrued: number, expected: Outcome): void {
  const actual = core.call(name, operands, rm, accrued);
  if (actual.bits === expected.bits && actual.flags === (expected.flags | accrued)) return;
  const show = ({ bits, flags }: Outcome) => `0x${bits.toString(16)} flags ${flags.toString(2).padStart(5, "0")}`;
  const call = `${name}(${operands.map((bits) => `0x${bits.toString(16)}`).join(", ")}) rm ${rm}`;
  throw new Error(`${call} after flags ${accrued}: got ${show(actual)}, expected ${show(expected)}`);
}

type Expectation = (operands: readonly bigint[], rm: number) => Outcome;

/** The export and, where there is one, its integer code do as the oracle says in all modes, NX accrued or not. */
function agreesWithOracle(
  name: string,
  operands: fc.Arbitrary<readonly bigint[]>,
  expected: Expectation,
  hasSoft = true,
) {
  fc.assert(
    fc.property(operands, (values) => {
      for (const rm of ROUNDING_MODES) {
        const outcome = expected(values, rm);
        check(name, values, rm, 0, outcome);
        check(name, values, rm, NX, outcome);
        if (hasSoft) check(`${name}Soft`, values, rm, 0, outcome);
      }
    }),
    { numRuns: RUNS },
  );
}

const one = (format: Format) => fc.tuple(operand(format));

describe.each(FORMATS)("%s against exact fractions rounded once, in every mode", (f) => {
  const F = f === "f32" ? "F32" : "F64";

  test("addition", () => agreesWithOracle(`${f}Add`, pair(f), ([a, b], rm) => oracle.add(f, a!, b!, rm)));
  test("subtraction", () => agreesWithOracle(`${f}Sub`, pair(f), ([a, b], rm) => oracle.sub(f, a!, b!, rm)));
  test("multiplication", () => agreesWithOracle(`${f}Mul`, pair(f), ([a, b], rm) => oracle.mul(f, a!, b!, rm)));
  test("division", () => agreesWithOracle(`${f}Div`, pair(f), ([a, b], rm) => oracle.div(f, a!, b!, rm)));
  test("square root", () => agreesWithOracle(`${f}Sqrt`, one(f), ([a], rm) => oracle.sqrt(f, a!, rm)));
  test("fused multiply-add", () =>
    agreesWithOracle(`${f}MulAdd`, triple(f), ([a, b, c], rm) => oracle.mulAdd(f, a!, b!, c!, rm)));

  test.each(oracle.INTEGER_TYPES)("to %s", (type) =>
    agreesWithOracle(`${f}To${type}`, one(f), ([a], rm) => oracle.toInteger(f, type, a!, rm), false),
  );
  test("from I32 and U32, of which the upper half is ignored", () => {
    agreesWithOracle(
      `i32To${F}`,
      fc.tuple(integer64),
      ([v], rm) => oracle.fromInteger(f, BigInt.asIntN(32, v!), rm),
      false,
    );
    agreesWithOracle(
      `u32To${F}`,
      fc.tuple(integer64),
      ([v], rm) => oracle.fromInteger(f, BigInt.asUintN(32, v!), rm),
      false,
    );
  });
  test("from I64", () =>
    agreesWithOracle(`i64To${F}`, fc.tuple(integer64), ([v], rm) => oracle.fromInteger(f, BigInt.asIntN(64, v!), rm)));
  test("from U64", () =>
    agreesWithOracle(`u64To${F}`, fc.tuple(integer64), ([v], rm) => oracle.fromInteger(f, v!, rm)));
});

describe("between the formats, in every mode", () => {
  test("binary64 to binary32", () =>
    agreesWithOracle("f64ToF32", fc.oneof(one("f64"), nearBinary32), ([a], rm) =>
      oracle.convert("f64", "f32", a!, rm),
    ));
  test("binary32 to binary64", () =>
    agreesWithOracle("f32ToF64", one("f32"), ([a], rm) => oracle.convert("f32", "f64", a!, rm), false));

  /** Binary64 numbers at or next to binary32 numbers and the halfway points between them. */
  const nearBinary32 = fc
    .tuple(operand("f32"), fc.constantFrom(0n, 1n << 28n), fc.bigInt(-2n, 2n))
    .map(([a, half, distance]): [bigint] => {
      return [BigInt.asUintN(64, oracle.convert("f32", "f64", a, RNE).bits + half + distance)];
    });
});

describe.each(FORMATS)("%s fast paths", (f) => {
  /** Operands whose results seldom leave the range, so that the fast path answers. */
  const ordinary = fc.tuple(operand(f), fc.bigInt(-70n, 70n)).map(([a, exponent]) => {
    const { precision, emax } = oracle.PARAMETERS[f];
    const fraction = a & ((1n << (precision - 1n)) - 1n);
    return (a & oracle.signBit(f)) | ((emax + exponent) << (precision - 1n)) | fraction;
  });
  const cases: [string, fc.Arbitrary<readonly bigint[]>][] = [
    ["Add", fc.tuple(ordinary, ordinary)],
    ["Sub", fc.tuple(ordinary, ordinary)],
    ["Mul", fc.tuple(ordinary, ordinary)],
    ["Div", fc.tuple(ordinary, ordinary)],
    ["Sqrt", fc.tuple(ordinary)],
    ["MulAdd", fc.oneof(fc.tuple(ordinary, ordinary, ordinary), triple(f))],
  ];

  test.each(cases)("%s gives the bits and flags that integer code gives", (op, operands) => {
    fc.assert(
      fc.property(operands, fc.nat(31), (values, accrued) => {
        check(`${f}${op}`, values, RNE, accrued, core.call(`${f}${op}Soft`, values, RNE, accrued));
      }),
      { numRuns: 4 * RUNS },
    );
  });
});

describe("binary64 in mode RNE", () => {
  const view = new DataView(new ArrayBuffer(8));
  const toNumber = (bits: bigint) => {
    view.setBigUint64(0, bits);
    return view.getFloat64(0);
  };
  const native: [string, (a: number, b: number) => number][] = [
    ["Add", (a, b) => a + b],
    ["Sub", (a, b) => a - b],
    ["Mul", (a, b) => a * b],
    ["Div", (a, b) => a / b],
  ];
  test.each(native)("%s in integers is what the host's processor computes", (op, compute) => {
    fc.assert(
      fc.property(pair("f64"), ([a, b]) => {
        expect(toNumber(core.call(`f64${op}Soft`, [a, b]).bits)).toBe(compute(toNumber(a), toNumber(b)));
      }),
      { numRuns: RUNS },
    );
  });
});

describe.each(FORMATS)("%s", (f) => {
  test.each(["Add", "Mul", "Min", "Max", "Eq"])("%s is commutative, in results and flags", (op) => {
    fc.assert(
      fc.property(pair(f), fc.constantFrom(...ROUNDING_MODES), ([a, b], rm) => {
        check(`${f}${op}`, [a, b], rm, 0, core.call(`${f}${op}`, [b, a], rm));
      }),
      { numRuns: RUNS },
    );
  });

  test("a product plus nothing is the product: fused multiply-add by way of multiplication", () => {
    fc.assert(
      fc.property(pair(f), fc.constantFrom(...ROUNDING_MODES), ([a, b], rm) => {
        // The zero has the sign of the product, so that a product of zero keeps its own.
        const c = (a ^ b) & oracle.signBit(f);
        check(`${f}MulAdd`, [a, b, c], rm, 0, core.call(`${f}Mul`, [a, b], rm));
      }),
      { numRuns: RUNS },
    );
  });

  test("an integer that fits the significand survives the way there and back", () => {
    const F = f === "f32" ? "F32" : "F64";
    const limit = 2n ** oracle.PARAMETERS[f].precision;
    fc.assert(
      fc.property(fc.bigInt(-limit, limit), fc.constantFrom(...ROUNDING_MODES), (integer, rm) => {
        const there = core.call(`i64To${F}`, [BigInt.asUintN(64, integer)], rm);
        const back = core.call(`${f}ToI64`, [there.bits], rm);
        expect([BigInt.asIntN(64, back.bits), there.flags, back.flags]).toEqual([integer, 0, 0]);
      }),
      { numRuns: RUNS },
    );
  });

  test("comparisons and classes follow from the numbers' exact values", () => {
    fc.assert(
      fc.property(pair(f), ([a, b]) => {
        const expected = oracle.compare(f, a, b);
        check(`${f}Eq`, [a, b], RNE, 0, expected.eq);
        check(`${f}Lt`, [a, b], RNE, 0, expected.lt);
        check(`${f}Le`, [a, b], RNE, 0, expected.le);
        check(`${f}Min`, [a, b], RNE, 0, expected.min);
        check(`${f}Max`, [a, b], RNE, 0, expected.max);
      }),
      { numRuns: RUNS },
    );
  });
});

test("every binary32 that is no NaN survives the way to binary64 and back", () => {
  fc.assert(
    fc.property(operand("f32"), fc.constantFrom(...ROUNDING_MODES), (a, rm) => {
      fc.pre(!oracle.isNaNBits("f32", a));
      const wide = core.call("f32ToF64", [a]);
      expect(core.call("f64ToF32", [wide.bits], rm)).toEqual({ bits: a, flags: 0 });
    }),
    { numRuns: RUNS },
  );
});
