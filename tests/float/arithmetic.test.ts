import { beforeAll, describe, expect, test } from "vitest";
import { DZ, FloatCore, FORMATS, type Format, NV, NX, OF, ROUNDING_MODES, UF } from "./float-core.js";
import { bitsOf, EDGES, NANS } from "./numbers.js";

let core: FloatCore;
beforeAll(async () => {
  core = await FloatCore.create();
});

/** One value for every mode, or one for each in the order RNE, RTZ, RDN, RUP, RMM. */
type PerMode = number | readonly [number, number, number, number, number];

function inMode(perMode: PerMode, rm: number): number {
  return typeof perMode === "number" ? perMode : perMode[rm]!;
}

interface Case {
  readonly what: string;
  readonly op: string;
  readonly operands: readonly number[];
  readonly result: PerMode;
  readonly flags: PerMode;
}

/** Makes cases of one operation. */
function casesOf(op: string) {
  return (what: string, operands: readonly number[], result: PerMode, flags: PerMode): Case => {
    return { what, op, operands, result, flags };
  };
}

function addition(f: Format): readonly Case[] {
  const { u, max, minNormal: n, minSubnormal: s } = EDGES[f];
  const add = casesOf("Add");
  const sub = casesOf("Sub");
  // The unit in the last place of the largest number, which is (2 - u) × 2^emax.
  const top = (max / (2 - u)) * u;
  const overflowing = OF | NX;
  return [
    add("an exact sum", [1, 1], 2, 0),
    add("halfway above an even number", [1, u / 2], [1, 1, 1, 1 + u, 1 + u], NX),
    add("halfway above an odd number", [1 + u, u / 2], [1 + 2 * u, 1 + u, 1 + u, 1 + 2 * u, 1 + 2 * u], NX),
    add("halfway below zero", [-1, -u / 2], [-1, -1, -1 - u, -1, -1 - u], NX),
    add("just above halfway", [1, (u / 2) * (1 + u)], [1 + u, 1, 1, 1 + u, 1 + u], NX),
    add("just below halfway", [1, (u / 2) * (1 - u / 2)], [1, 1, 1, 1 + u, 1], NX),
    add("one and next to nothing", [1, s], [1, 1, 1, 1 + u, 1], NX),
    add("one less next to nothing", [1, -s], [1, 1 - u / 2, 1 - u / 2, 1, 1], NX),
    add("rounding that carries into the exponent", [2 - u, u / 2], [2, 2 - u, 2 - u, 2, 2], NX),
    add("massive cancellation", [1 + u, -1], u, 0),
    add("cancellation to zero", [1, -1], [0, 0, -0, 0, 0], 0),
    add("zeros of opposite signs", [0, -0], [0, 0, -0, 0, 0], 0),
    add("negative zeros", [-0, -0], -0, 0),
    add("a number and zero", [-s, 0], -s, 0),
    add("a tiny sum, which is always exact and no underflow", [n, -s], n - s, 0),
    add("twice the largest number", [max, max], [Infinity, max, max, Infinity, Infinity], overflowing),
    add("twice the lowest number", [-max, -max], [-Infinity, -max, -Infinity, -max, -Infinity], overflowing),
    add(
      "the largest number and half a unit: overflow only where it is rounded up",
      [max, top / 2],
      [Infinity, max, max, Infinity, Infinity],
      [overflowing, NX, NX, overflowing, overflowing],
    ),
    add(
      "the largest number and a quarter of a unit",
      [max, top / 4],
      [max, max, max, Infinity, max],
      [NX, NX, NX, overflowing, NX],
    ),
    add("infinity and a number", [Infinity, -max], Infinity, 0),
    add("infinities of one sign", [-Infinity, -Infinity], -Infinity, 0),
    add("infinities of opposite signs", [Infinity, -Infinity], NaN, NV),
    sub("a number less itself", [3, 3], [0, 0, -0, 0, 0], 0),
    sub("zero less zero", [-0, 0], -0, 0),
    sub("halfway below", [-1, u / 2], [-1, -1, -1 - u, -1, -1 - u], NX),
    sub("infinity less itself", [Infinity, Infinity], NaN, NV),
  ];
}

function multiplication(f: Format): readonly Case[] {
  const { u, max, minNormal: n, minSubnormal: s } = EDGES[f];
  const mul = casesOf("Mul");
  const below = n - s;
  return [
    mul("an exact product", [3, -5], -15, 0),
    mul("halfway", [1 + u, 1.5], [1.5 + 2 * u, 1.5 + u, 1.5 + u, 1.5 + 2 * u, 1.5 + 2 * u], NX),
    mul("half the smallest number", [s, 0.5], [0, 0, 0, s, s], NX | UF),
    mul("half the smallest number, negated", [s, -0.5], [-0, -0, -s, -0, -s], NX | UF),
    mul("one and a half times the smallest number", [s, 1.5], [2 * s, s, s, 2 * s, 2 * s], NX | UF),
    mul("the smallest number squared", [s, s], [0, 0, 0, s, 0], NX | UF),
    mul("an exact subnormal number, which is no underflow", [n, 0.5], n / 2, 0),
    // n (1 - u/2) has a format's worth of bits were it not for the exponent: it stays tiny in every mode.
    mul("a tiny product that only the exponent range rounds", [n, 1 - u / 2], [n, below, below, n, n], NX | UF),
    // n (1 - u)(1 + u) = n (1 - u²), which to a format's worth of bits is n, if it is not rounded down.
    mul(
      "a product tiny before rounding but not after",
      [below, 1 + u],
      [n, below, below, n, n],
      [NX, NX | UF, NX | UF, NX, NX],
    ),
    mul("twice the largest number", [max, 2], [Infinity, max, max, Infinity, Infinity], OF | NX),
    mul("twice the lowest number", [-max, 2], [-Infinity, -max, -Infinity, -max, -Infinity], OF | NX),
    mul("zero and a negative number", [0, -1], -0, 0),
    mul("infinity and a negative number", [Infinity, -s], -Infinity, 0),
    mul("infinity and zero", [Infinity, 0], NaN, NV),
    mul("zero and infinity", [-0, Infinity], NaN, NV),
  ];
}

function division(f: Format): readonly Case[] {
  const { u, max, minNormal: n, minSubnormal: s } = EDGES[f];
  const div = casesOf("Div");
  return [
    div("an exact quotient", [6, -3], -2, 0),
    // 1 / (1 + u) = 1 - u + u² - ...: between 1 - u and 1 - u/2.
    div("a quotient above its lower neighbour", [1, 1 + u], [1 - u, 1 - u, 1 - u, 1 - u / 2, 1 - u], NX),
    // 1 / (1 - u/2) = 1 + u/2 + u²/4 + ...: just above halfway.
    div("a quotient just above halfway", [-1, 1 - u / 2], [-1 - u, -1, -1 - u, -1, -1 - u], NX),
    div("the smallest number in two", [s, 2], [0, 0, 0, s, s], NX | UF),
    div("a quotient far below the range", [s, max], [0, 0, 0, s, 0], NX | UF),
    div("an exact subnormal quotient", [n, 2], n / 2, 0),
    div("a quotient above the range", [max, 0.5], [Infinity, max, max, Infinity, Infinity], OF | NX),
    div("a quotient far above the range", [-max, s], [-Infinity, -max, -Infinity, -max, -Infinity], OF | NX),
    div("a number by zero", [1, 0], Infinity, DZ),
    div("a negative number by zero", [-s, 0], -Infinity, DZ),
    div("a number by negative zero", [1, -0], -Infinity, DZ),
    div("zero by zero", [0, 0], NaN, NV),
    div("infinity by zero, which is no division by zero", [Infinity, 0], Infinity, 0),
    div("infinity by infinity", [Infinity, -Infinity], NaN, NV),
    div("a number by infinity", [-1, Infinity], -0, 0),
    div("zero by a number", [0, -1], -0, 0),
  ];
}

function squareRoot(f: Format): readonly Case[] {
  const { u, minNormal: n } = EDGES[f];
  const sqrt = casesOf("Sqrt");
  return [
    sqrt("an exact root", [4], 2, 0),
    sqrt("an exact root of an odd power of two's multiple", [12.25], 3.5, 0),
    sqrt("the smallest normal number", [n], f === "f32" ? 2 ** -63 : 2 ** -511, 0),
    // The root of 1 + 2u is 1 + u - u²/2 + ...
    sqrt("a root just below a number", [1 + 2 * u], [1 + u, 1, 1, 1 + u, 1 + u], NX),
    // The root of 1 - u/2 is 1 - u/4 - u²/32 - ..., just below halfway.
    sqrt("a root just below halfway", [1 - u / 2], [1 - u / 2, 1 - u / 2, 1 - u / 2, 1, 1 - u / 2], NX),
    sqrt("zero", [0], 0, 0),
    sqrt("negative zero", [-0], -0, 0),
    sqrt("infinity", [Infinity], Infinity, 0),
    sqrt("a negative number", [-n], NaN, NV),
    sqrt("negative infinity", [-Infinity], NaN, NV),
  ];
}

function fused(f: Format): readonly Case[] {
  const { u, max, minNormal: n, minSubnormal: s } = EDGES[f];
  const mulAdd = casesOf("MulAdd");
  return [
    mulAdd("exact", [2, 3, 4], 10, 0),
    mulAdd("the part of a product that rounding it would lose", [1 + u, 1 + u, -(1 + 2 * u)], u * u, 0),
    mulAdd("the same with the other sign", [1 + u, 1 - u, -1], -u * u, 0),
    mulAdd("an addend that makes the product exact", [1 + u, 1 + u, -u * u], 1 + 2 * u, 0),
    mulAdd(
      "a product halfway and next to nothing more",
      [1 + 3 * u, 1.5, s],
      [1.5 + 5 * u, 1.5 + 4 * u, 1.5 + 4 * u, 1.5 + 5 * u, 1.5 + 5 * u],
      NX,
    ),
    mulAdd(
      "a product halfway, next to nothing less",
      [1 + u, 1.5, -s],
      [1.5 + u, 1.5 + u, 1.5 + u, 1.5 + 2 * u, 1.5 + u],
      NX,
    ),
    mulAdd(
      "a product halfway and zero",
      [1 + u, 1.5, -0],
      [1.5 + 2 * u, 1.5 + u, 1.5 + u, 1.5 + 2 * u, 1.5 + 2 * u],
      NX,
    ),
    mulAdd("a product above the range that the addend brings back", [max, 2, -max], max, 0),
    mulAdd("overflow", [max, 2, max], [Infinity, max, max, Infinity, Infinity], OF | NX),
    mulAdd("a product far below the addend", [s, s, n], [n, n, n, n + s, n], NX),
    mulAdd(
      "a product far below an addend that it draws under the normal numbers",
      [-s, s, n],
      [n, n - s, n - s, n, n],
      [NX, NX | UF, NX | UF, NX, NX],
    ),
    mulAdd("a product below the range, and zero", [s, 0.5, 0], [0, 0, 0, s, s], NX | UF),
    mulAdd("two halves of the smallest number", [s, 0.5, s], [2 * s, s, s, 2 * s, 2 * s], NX | UF),
    mulAdd("cancellation to zero", [2, 3, -6], [0, 0, -0, 0, 0], 0),
    mulAdd("zeros of opposite signs", [0, 1, -0], [0, 0, -0, 0, 0], 0),
    mulAdd("zeros of one sign", [0, -1, -0], -0, 0),
    mulAdd("a product of zero", [0, -5, 3], 3, 0),
    mulAdd("an infinite product", [-Infinity, 2, max], -Infinity, 0),
    mulAdd("an infinite addend", [max, max, -Infinity], -Infinity, 0),
    mulAdd("infinities of opposite signs", [Infinity, 1, -Infinity], NaN, NV),
    mulAdd("infinity times zero", [Infinity, 0, 1], NaN, NV),
    mulAdd("infinity times zero and a quiet NaN, which is invalid all the same", [0, -Infinity, NaN], NaN, NV),
    mulAdd("a quiet NaN as addend", [1, 1, NaN], NaN, 0),
  ];
}

const GROUPS = { addition, multiplication, division, squareRoot, fused };

describe.each(FORMATS)("%s", (f) => {
  describe.each(Object.entries(GROUPS))("%s", (_, group) => {
    test.each(group(f))("$what", ({ op, operands, result, flags }) => {
      for (const rm of ROUNDING_MODES) {
        for (const name of [`${f}${op}`, `${f}${op}Soft`]) {
          for (const accrued of [0, NX]) {
            expect(
              core.call(
                name,
                operands.map((operand) => bitsOf(f, operand)),
                rm,
                accrued,
              ),
              `rm ${rm}`,
            ).toEqual({
              bits: bitsOf(f, inMode(result, rm)),
              flags: inMode(flags, rm) | accrued,
            });
          }
        }
      }
    });
  });

  const { canonical, quiet, signalling, signallingNegative } = NANS[f];
  const one = bitsOf(f, 1);
  test.each(["Add", "Sub", "Mul", "Div"])("%s gives the canonical NaN for a NaN, invalid if signalling", (op) => {
    for (const rm of ROUNDING_MODES) {
      expect(core.call(f + op, [quiet, one], rm)).toEqual({ bits: canonical, flags: 0 });
      expect(core.call(f + op, [one, quiet], rm)).toEqual({ bits: canonical, flags: 0 });
      expect(core.call(f + op, [signalling, one], rm)).toEqual({ bits: canonical, flags: NV });
      expect(core.call(f + op, [quiet, signallingNegative], rm)).toEqual({ bits: canonical, flags: NV });
    }
  });

  test("a square root of a NaN is the canonical NaN, invalid if signalling", () => {
    expect(core.call(`${f}Sqrt`, [quiet])).toEqual({ bits: canonical, flags: 0 });
    expect(core.call(`${f}Sqrt`, [signallingNegative])).toEqual({ bits: canonical, flags: NV });
  });

  test("a fused multiply-add is invalid for a signalling NaN in any place", () => {
    for (let place = 0; place < 3; place++) {
      const operands = (nan: bigint) => [quiet, quiet, quiet].map((other, index) => (index === place ? nan : other));
      expect(core.call(`${f}MulAdd`, operands(quiet))).toEqual({ bits: canonical, flags: 0 });
      expect(core.call(`${f}MulAdd`, operands(signalling))).toEqual({ bits: canonical, flags: NV });
    }
  });

  test("flags accrue: those set before stay set", () => {
    expect(core.call(`${f}Add`, [one, one], 0, NV | DZ | OF | UF).flags).toBe(NV | DZ | OF | UF);
    expect(core.call(`${f}Div`, [one, bitsOf(f, 0)], 0, NX).flags).toBe(DZ | NX);
  });
});

/** Digits of 1/3 and of the square root of 2, cut to the format, and to nearest. */
const IRRATIONAL = {
  f32: { third: [0x3eaaaaaan, 0x3eaaaaabn], root: [0x3fb504f3n, 0x3fb504f3n] },
  f64: { third: [0x3fd5555555555555n, 0x3fd5555555555555n], root: [0x3ff6a09e667f3bccn, 0x3ff6a09e667f3bcdn] },
} as const;

test.each(FORMATS)("%s: a third and the square root of two have the right digits in every mode", (f) => {
  const { third, root } = IRRATIONAL[f];
  const outcomes = ([cut, near]: readonly [bigint, bigint]) => [near, cut, cut, cut + 1n, near];
  for (const rm of ROUNDING_MODES) {
    const quotient = core.call(`${f}Div`, [bitsOf(f, 1), bitsOf(f, 3)], rm);
    expect(quotient).toEqual({ bits: outcomes(third)[rm], flags: NX });
    const squareRoot = core.call(`${f}Sqrt`, [bitsOf(f, 2)], rm);
    expect(squareRoot).toEqual({ bits: outcomes(root)[rm], flags: NX });
  }
});
