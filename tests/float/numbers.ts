/** Bit patterns of numbers written as JavaScript's, and the quantities in which a format's edges are described. */
import type { Format } from "./float-core.js";

interface Edges {
  /** Distance from 1 to the next number. */
  readonly u: number;
  readonly max: number;
  readonly minNormal: number;
  readonly minSubnormal: number;
}

export const EDGES: Readonly<Record<Format, Edges>> = {
  f32: { u: 2 ** -23, max: (2 - 2 ** -23) * 2 ** 127, minNormal: 2 ** -126, minSubnormal: 2 ** -149 },
  f64: { u: 2 ** -52, max: Number.MAX_VALUE, minNormal: 2 ** -1022, minSubnormal: 2 ** -1074 },
};

export const NANS = {
  f32: { canonical: 0x7fc00000n, quiet: 0xffc12345n, signalling: 0x7f800001n, signallingNegative: 0xffbfffffn },
  f64: {
    canonical: 0x7ff8000000000000n,
    quiet: 0xfff8123456789abcn,
    signalling: 0x7ff0000000000001n,
    signallingNegative: 0xfff7ffffffffffffn,
  },
} as const;

/** Bits of a number that the format can hold exactly; of any NaN the canonical one's. */
export function bitsOf(format: Format, value: number): bigint {
  if (Number.isNaN(value)) return NANS[format].canonical;
  const view = new DataView(new ArrayBuffer(8));
  if (format === "f64") {
    view.setFloat64(0, value);
    return view.getBigUint64(0);
  }
  if (Math.fround(value) !== value) throw new Error(`${value} is no binary32 number`);
  view.setFloat32(0, value);
  return BigInt(view.getUint32(0));
}
