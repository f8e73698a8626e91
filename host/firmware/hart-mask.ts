import type { SbiHart } from "./platform.js";

/** A hart_mask_base of -1: every hart, whatever the mask. */
const ALL_HARTS = (1n << 64n) - 1n;

/**
 * The harts of a hart mask: bit i stands for hart `base + i`. SBI 2.0 section 3.1.
 *
 * @returns null when base or one of the harts does not exist
 */
export function selectHarts(harts: readonly SbiHart[], mask: bigint, base: bigint): readonly SbiHart[] | null {
  if (base === ALL_HARTS) return harts;
  if (base >= harts.length) return null;
  const first = Number(base);
  if (mask >> BigInt(harts.length - first) !== 0n) return null;
  return harts.filter((_, id) => id >= first && ((mask >> BigInt(id - first)) & 1n) === 1n);
}
