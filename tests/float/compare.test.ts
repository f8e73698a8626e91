import { beforeAll, describe, expect, test } from "vitest";
import { FloatCore, FORMATS, NV } from "./float-core.js";
import { bitsOf, EDGES, NANS } from "./numbers.js";

let core: FloatCore;
beforeAll(async () => {
  core = await FloatCore.create();
});

describe.each(FORMATS)("%s comparison", (f) => {
  const { canonical, quiet, signalling, signallingNegative } = NANS[f];
  const one = bitsOf(f, 1);
  const { max, minSubnormal: s } = EDGES[f];

  test.each([
    [1, 1, { eq: 1n, lt: 0n, le: 1n }],
    [1, 2, { eq: 0n, lt: 1n, le: 1n }],
    [2, 1, { eq: 0n, lt: 0n, le: 0n }],
    [-2, -1, { eq: 0n, lt: 1n, le: 1n }],
    [-1, 1, { eq: 0n, lt: 1n, le: 1n }],
    [0, -0, { eq: 1n, lt: 0n, le: 1n }],
    [-0, 0, { eq: 1n, lt: 0n, le: 1n }],
    [0, s, { eq: 0n, lt: 1n, le: 1n }],
    [max, Infinity, { eq: 0n, lt: 1n, le: 1n }],
    [-Infinity, -max, { eq: 0n, lt: 1n, le: 1n }],
    [Infinity, Infinity, { eq: 1n, lt: 0n, le: 1n }],
  ])("%d and %d", (a, b, { eq, lt, le }) => {
    const operands = [bitsOf(f, a), bitsOf(f, b)];
    expect(core.call(`${f}Eq`, operands)).toEqual({ bits: eq, flags: 0 });
    expect(core.call(`${f}Lt`, operands)).toEqual({ bits: lt, flags: 0 });
    expect(core.call(`${f}Le`, operands)).toEqual({ bits: le, flags: 0 });
  });

  test("equality is quiet: only a signalling NaN is invalid", () => {
    expect(core.call(`${f}Eq`, [quiet, one])).toEqual({ bits: 0n, flags: 0 });
    expect(core.call(`${f}Eq`, [quiet, quiet])).toEqual({ bits: 0n, flags: 0 });
    expect(core.call(`${f}Eq`, [one, signalling])).toEqual({ bits: 0n, flags: NV });
    expect(core.call(`${f}Eq`, [signallingNegative, quiet])).toEqual({ bits: 0n, flags: NV });
  });

  test.each(["Lt", "Le"])("%s is signalling: any NaN is invalid", (op) => {
    for (const nan of [quiet, signalling, canonical]) {
      expect(core.call(f + op, [nan, one])).toEqual({ bits: 0n, flags: NV });
      expect(core.call(f + op, [one, nan])).toEqual({ bits: 0n, flags: NV });
    }
  });
});

describe.each(FORMATS)("%s minimum and maximum", (f) => {
  const { canonical, quiet, signalling, signallingNegative } = NANS[f];
  const one = bitsOf(f, 1);

  test.each([
    [1, 2],
    [-2, -1],
    [-0, 0],
    [-Infinity, EDGES[f].max],
    [-EDGES[f].minSubnormal, 0],
  ])("%d is less than %d, in either order", (lesser, greater) => {
    const [low, high] = [bitsOf(f, lesser), bitsOf(f, greater)];
    for (const operands of [
      [low, high],
      [high, low],
    ]) {
      expect(core.call(`${f}Min`, operands)).toEqual({ bits: low, flags: 0 });
      expect(core.call(`${f}Max`, operands)).toEqual({ bits: high, flags: 0 });
    }
  });

  test.each(["Min", "Max"])("%s of a number and a NaN is the number, invalid if the NaN is signalling", (op) => {
    expect(core.call(f + op, [quiet, one])).toEqual({ bits: one, flags: 0 });
    expect(core.call(f + op, [one, quiet])).toEqual({ bits: one, flags: 0 });
    expect(core.call(f + op, [signalling, one])).toEqual({ bits: one, flags: NV });
    expect(core.call(f + op, [one, signallingNegative])).toEqual({ bits: one, flags: NV });
  });

  test.each(["Min", "Max"])("%s of two NaNs is the canonical NaN, invalid if one is signalling", (op) => {
    expect(core.call(f + op, [quiet, quiet])).toEqual({ bits: canonical, flags: 0 });
    expect(core.call(f + op, [quiet, signalling])).toEqual({ bits: canonical, flags: NV });
  });
});

describe.each(FORMATS)("%s classification", (f) => {
  const { max, minNormal, minSubnormal } = EDGES[f];
  test.each([
    [-Infinity, 0],
    [-max, 1],
    [-minNormal, 1],
    [-(minNormal - minSubnormal), 2],
    [-minSubnormal, 2],
    [-0, 3],
    [0, 4],
    [minSubnormal, 5],
    [minNormal - minSubnormal, 5],
    [minNormal, 6],
    [1, 6],
    [Infinity, 7],
  ])("%d sets bit %d", (value, bit) => {
    const bits = bitsOf(f, value);
    expect(core.callPlain(`${f}Classify`, f === "f32" ? Number(bits) : bits)).toBe(1n << BigInt(bit));
  });

  test("signalling NaNs set bit 8, quiet ones bit 9, whatever their sign", () => {
    const { canonical, quiet, signalling, signallingNegative } = NANS[f];
    const classify = (bits: bigint) => core.callPlain(`${f}Classify`, f === "f32" ? Number(bits) : bits);
    expect([signalling, signallingNegative].map(classify)).toEqual([0x100n, 0x100n]);
    expect([canonical, quiet].map(classify)).toEqual([0x200n, 0x200n]);
  });
});

describe("NaN boxing", () => {
  test("a boxed binary32 has ones above it and comes out as it went in", () => {
    for (const bits of [0, 0x3f800000, 0x80000000, 0x7f800001, 0xffffffff]) {
      const boxed = core.callPlain("boxF32", bits);
      expect(boxed).toBe(0xffffffff00000000n | BigInt(bits));
      expect(core.callPlain("unboxF32", boxed)).toBe(BigInt(bits));
    }
  });

  test("a register that is not properly boxed reads as the canonical NaN", () => {
    for (const register of [0n, 0x3f800000n, 0xfffffffe3f800000n, 0x7fffffff3f800000n, bitsOf("f64", 1)]) {
      expect(core.callPlain("unboxF32", register)).toBe(0x7fc00000n);
    }
  });
});
