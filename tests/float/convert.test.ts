import { beforeAll, describe, expect, test } from "vitest";
import { FloatCore, FORMATS, NV, NX, OF, RDN, RMM, RNE, ROUNDING_MODES, RTZ, RUP, UF } from "./float-core.js";
import { bitsOf, EDGES, NANS } from "./numbers.js";

let core: FloatCore;
beforeAll(async () => {
  core = await FloatCore.create();
});

/** A 64-bit register that holds the integer. */
const register = (integer: bigint) => BigInt.asUintN(64, integer);

describe.each(FORMATS)("%s to an integer", (f) => {
  test.each([
    [2.5, [2n, 2n, 2n, 3n, 3n]],
    [3.5, [4n, 3n, 3n, 4n, 4n]],
    [-2.5, [-2n, -2n, -3n, -2n, -3n]],
    [-3.5, [-4n, -3n, -4n, -3n, -4n]],
    [0.5, [0n, 0n, 0n, 1n, 1n]],
    [2.25, [2n, 2n, 2n, 3n, 2n]],
    [2.75, [3n, 2n, 2n, 3n, 3n]],
    [EDGES[f].minSubnormal, [0n, 0n, 0n, 1n, 0n]],
    [-EDGES[f].minSubnormal, [0n, 0n, -1n, 0n, 0n]],
  ])("%d is rounded as the mode says and inexact", (value, integers) => {
    for (const rm of ROUNDING_MODES) {
      const expected = { bits: register(integers[rm]!), flags: NX };
      expect(core.call(`${f}ToI32`, [bitsOf(f, value)], rm)).toEqual(expected);
      expect(core.call(`${f}ToI64`, [bitsOf(f, value)], rm)).toEqual(expected);
    }
  });

  // Unprivileged ISA, table "Domains of float-to-integer conversions and behavior for invalid inputs".
  test.each([
    ["I32", -(2n ** 31n), 2n ** 31n - 1n],
    ["U32", 0n, -1n], // 2^32 - 1, sign-extended
    ["I64", -(2n ** 63n), 2n ** 63n - 1n],
    ["U64", 0n, 2n ** 64n - 1n],
  ] as const)(
    "%s saturates, NaNs upwards, and what does not fit is invalid but not inexact",
    (type, lowest, highest) => {
      const { quiet, signalling, signallingNegative } = NANS[f];
      for (const rm of ROUNDING_MODES) {
        for (const bits of [bitsOf(f, Infinity), bitsOf(f, EDGES[f].max), quiet, signalling, signallingNegative]) {
          expect(core.call(`${f}To${type}`, [bits], rm)).toEqual({ bits: register(highest), flags: NV });
        }
        for (const bits of [bitsOf(f, -Infinity), bitsOf(f, -EDGES[f].max)]) {
          expect(core.call(`${f}To${type}`, [bits], rm)).toEqual({ bits: register(lowest), flags: NV });
        }
      }
    },
  );

  test.each([
    ["I32", 2 ** 31, 2n ** 31n - 1n],
    ["U32", 2 ** 32, -1n],
    ["I64", 2 ** 63, 2n ** 63n - 1n],
    ["U64", 2 ** 64, -1n],
  ])("%s: %d is the first number above the range", (type, value, highest) => {
    for (const rm of ROUNDING_MODES) {
      expect(core.call(`${f}To${type}`, [bitsOf(f, value)], rm)).toEqual({ bits: register(highest), flags: NV });
      const previous = core.call(`${f}To${type}`, [bitsOf(f, value) - 1n], RTZ);
      expect(previous.flags & NV).toBe(0);
    }
  });

  test.each([
    ["I32", -(2 ** 31)],
    ["I64", -(2 ** 63)],
  ])("%s: %d is in the range and exact", (type, value) => {
    for (const rm of ROUNDING_MODES) {
      expect(core.call(`${f}To${type}`, [bitsOf(f, value)], rm)).toEqual({ bits: register(BigInt(value)), flags: 0 });
    }
  });

  test.each(["U32", "U64"])("%s: a negative number is invalid unless it is rounded to zero", (type) => {
    const call = (value: number, rm: number) => core.call(`${f}To${type}`, [bitsOf(f, value)], rm);
    for (const rm of ROUNDING_MODES) {
      expect(call(-0, rm)).toEqual({ bits: 0n, flags: 0 });
      expect(call(-1, rm)).toEqual({ bits: 0n, flags: NV });
      expect(call(-0.25, rm)).toEqual({ bits: 0n, flags: rm === RDN ? NV : NX });
      expect(call(-0.5, rm)).toEqual({ bits: 0n, flags: rm === RDN || rm === RMM ? NV : NX });
      expect(call(-0.75, rm)).toEqual({ bits: 0n, flags: rm === RTZ || rm === RUP ? NX : NV });
    }
  });

  test("an unsigned 32-bit result is sign-extended", () => {
    const result = core.call(`${f}ToU32`, [bitsOf(f, 2 ** 31)]);
    expect(result).toEqual({ bits: 0xffffffff80000000n, flags: 0 });
  });
});

test("f64 to a 32-bit integer: a fraction decides at the edge of the range", () => {
  const call = (type: string, value: number, rm: number) => core.call(`f64To${type}`, [bitsOf("f64", value)], rm);
  const least = register(-(2n ** 31n));
  expect(call("I32", -(2 ** 31) - 0.5, RNE)).toEqual({ bits: least, flags: NX });
  expect(call("I32", -(2 ** 31) - 0.5, RMM)).toEqual({ bits: least, flags: NV });
  expect(call("I32", -(2 ** 31) - 0.5, RDN)).toEqual({ bits: least, flags: NV });
  expect(call("I32", 2 ** 31 - 0.5, RNE)).toEqual({ bits: 0x7fffffffn, flags: NV });
  expect(call("I32", 2 ** 31 - 0.5, RDN)).toEqual({ bits: 0x7fffffffn, flags: NX });
  expect(call("U32", 2 ** 32 - 0.5, RTZ)).toEqual({ bits: register(-1n), flags: NX });
  expect(call("U32", 2 ** 32 - 0.5, RUP)).toEqual({ bits: register(-1n), flags: NV });
});

describe("from an integer", () => {
  test("a 32-bit integer is exact in binary64, signed or not, whatever the register's upper half", () => {
    for (const rm of ROUNDING_MODES) {
      expect(core.call("i32ToF64", [0x1234567880000000n], rm)).toEqual({ bits: bitsOf("f64", -(2 ** 31)), flags: 0 });
      expect(core.call("u32ToF64", [0x1234567880000001n], rm)).toEqual({ bits: bitsOf("f64", 2 ** 31 + 1), flags: 0 });
      expect(core.call("i32ToF32", [0x12345678ffffffffn], rm)).toEqual({ bits: bitsOf("f32", -1), flags: 0 });
      expect(core.call("u32ToF32", [0xffffffff80000000n], rm)).toEqual({ bits: bitsOf("f32", 2 ** 31), flags: 0 });
    }
  });

  test("zero is positive zero in every mode", () => {
    for (const name of ["i32ToF32", "u64ToF32", "i64ToF64", "u32ToF64"]) {
      for (const rm of ROUNDING_MODES) expect(core.call(name, [0n], rm)).toEqual({ bits: 0n, flags: 0 });
    }
  });

  const p = { f32: 24, f64: 53 } as const;
  test.each(FORMATS)("%s: the first integer that does not fit lies halfway", (f) => {
    const F = f.toUpperCase();
    const even = 2 ** p[f];
    const expected = [even, even, even, even + 2, even + 2];
    for (const rm of ROUNDING_MODES) {
      const integer = BigInt(even) + 1n;
      const outcome = { bits: bitsOf(f, expected[rm]!), flags: NX };
      expect(core.call(`u64To${F}`, [integer], rm)).toEqual(outcome);
      expect(core.call(`i64To${F}`, [integer], rm)).toEqual(outcome);
      const mirrored = [even, even, even + 2, even, even + 2];
      const negative = core.call(`i64To${F}`, [register(-integer)], rm);
      expect(negative).toEqual({ bits: bitsOf(f, -mirrored[rm]!), flags: NX });
    }
  });

  test.each(FORMATS)("%s: the largest and lowest 64-bit integers", (f) => {
    const F = f.toUpperCase();
    const below = 2 ** 64 * (1 - 2 ** -p[f]);
    const expected = [2 ** 64, below, below, 2 ** 64, 2 ** 64];
    for (const rm of ROUNDING_MODES) {
      const largest = core.call(`u64To${F}`, [2n ** 64n - 1n], rm);
      expect(largest).toEqual({ bits: bitsOf(f, expected[rm]!), flags: NX });
      expect(core.call(`i64To${F}`, [2n ** 63n], rm)).toEqual({ bits: bitsOf(f, -(2 ** 63)), flags: 0 });
    }
  });
});

describe("f64 to f32", () => {
  const { u, max, minNormal: n, minSubnormal: s } = EDGES.f32;
  test.each([
    ["halfway", 1 + u / 2, [1, 1, 1, 1 + u, 1 + u], NX],
    ["just above halfway", 1 + u / 2 + 2 ** -52, [1 + u, 1, 1, 1 + u, 1 + u], NX],
    ["the largest number", max, [max, max, max, max, max], 0],
    ["halfway above the range", -(2 ** 128 - 2 ** 103), [-Infinity, -max, -Infinity, -max, -Infinity], undefined],
    ["half the smallest number", s / 2, [0, 0, 0, s, s], NX | UF],
    ["an exact subnormal number", 3 * s, [3 * s, 3 * s, 3 * s, 3 * s, 3 * s], 0],
    ["tiny, rounded up to a normal number", n - s / 2, [n, n - s, n - s, n, n], NX | UF],
    ["not tiny after rounding", n * (1 - 2 ** -40), [n, n - s, n - s, n, n], undefined],
    ["the smallest binary64", 2 ** -1074, [0, 0, 0, s, 0], NX | UF],
    ["negative zero", -0, [-0, -0, -0, -0, -0], 0],
    ["infinity", Infinity, [Infinity, Infinity, Infinity, Infinity, Infinity], 0],
  ])("%s", (what, value, results, flags) => {
    const isUp = (rm: number) => results[rm] === results[RNE];
    for (const rm of ROUNDING_MODES) {
      let expected = flags;
      if (what === "halfway above the range") expected = isUp(rm) ? NX | OF : NX;
      if (what === "not tiny after rounding") expected = isUp(rm) ? NX : NX | UF;
      const outcome = core.call("f64ToF32", [bitsOf("f64", value)], rm);
      expect(outcome, `rm ${rm}`).toEqual({ bits: bitsOf("f32", results[rm]!), flags: expected });
    }
  });

  test("a NaN becomes the canonical one, invalid if signalling", () => {
    expect(core.call("f64ToF32", [NANS.f64.quiet])).toEqual({ bits: NANS.f32.canonical, flags: 0 });
    expect(core.call("f64ToF32", [NANS.f64.signalling])).toEqual({ bits: NANS.f32.canonical, flags: NV });
  });
});

describe("f32 to f64", () => {
  test.each([0, -0, 1, EDGES.f32.max, -EDGES.f32.minSubnormal, EDGES.f32.minNormal, -Infinity])(
    "%d is exact",
    (value) => {
      expect(core.call("f32ToF64", [bitsOf("f32", value)])).toEqual({ bits: bitsOf("f64", value), flags: 0 });
    },
  );

  test("a NaN becomes the canonical one, invalid if signalling", () => {
    expect(core.call("f32ToF64", [NANS.f32.quiet])).toEqual({ bits: NANS.f64.canonical, flags: 0 });
    expect(core.call("f32ToF64", [NANS.f32.signallingNegative])).toEqual({ bits: NANS.f64.canonical, flags: NV });
  });
});
