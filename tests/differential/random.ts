/**
 * Pseudo-random numbers from a 32-bit seed: the same on every machine, so that a seed names a program.
 *
 * The generator is Marsaglia's xorshift128 ("Xorshift RNGs", 2003), its state filled by a multiplicative hash.
 */
export class Random {
  readonly #state = new Uint32Array(4);

  constructor(seed: number) {
    for (let n = 0; n < 4; n++) this.#state[n] = hash(seed + n * 0x9e3779b9);
    for (let n = 0; n < 8; n++) this.u32();
  }

  u32(): number {
    const state = this.#state;
    let t = state[3]!;
    const s = state[0]!;
    state[3] = state[2]!;
    state[2] = state[1]!;
    state[1] = s;
    t ^= t << 11;
    t ^= t >>> 8;
    state[0] = t ^ s ^ (s >>> 19);
    return state[0];
  }
  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }
  bits(width: number): number {
    return width === 0 ? 0 : this.u32() >>> (32 - width);
  }
  /** 0 to count - 1. */
  below(count: number): number {
    return Math.floor((this.u32() / 2 ** 32) * count);
  }
  /** first to last. */
  between(first: number, last: number): number {
    return first + this.below(last - first + 1);
  }
  /** True in `percent` of 100 cases. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
  /** One of the items, each as probable as its weight among all; weights of 0 are never picked. */
  weighted<T>(items: readonly (readonly [weight: number, item: T])[]): T {
    let left = this.below(items.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, item] of items) {
      if (left < weight) return item;
      left -= weight;
    }
    throw new Error("weighted: no items");
  }
}

function hash(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const SINGLE_BOX = 0xffffffff_00000000n;

/** Bit patterns of single precision at the edges of what the standard distinguishes. */
const HARD_SINGLES: readonly bigint[] = [
  0x00000000n, // zero, smallest and largest subnormal, smallest normal
  0x00000001n,
  0x007fffffn,
  0x00800000n,
  0x3f800000n, // 1, its neighbours, 1/2, 3/2
  0x3f800001n,
  0x3f7fffffn,
  0x3f000000n,
  0x3fc00000n,
  0x34000000n, // the smallest x with 1 + x > 1, and half of it
  0x33800000n,
  0x4b000000n, // 2^23 and 2^24: where fractions and odd numbers end
  0x4b7fffffn,
  0x4b800000n,
  0x4effffffn, // around 2^31, 2^32, 2^63, 2^64: the limits of conversions
  0x4f000000n,
  0x4f7fffffn,
  0x4f800000n,
  0x5effffffn,
  0x5f000000n,
  0x5f7fffffn,
  0x5f800000n,
  0x7f7fffffn, // largest, infinity, NaNs: canonical, quiet with payload, signalling
  0x7f800000n,
  0x7fc00000n,
  0x7fd00001n,
  0x7f800001n,
  0x7fbfffffn,
];

const HARD_DOUBLES: readonly bigint[] = [
  0x0000000000000000n,
  0x0000000000000001n,
  0x000fffffffffffffn,
  0x0010000000000000n,
  0x3ff0000000000000n,
  0x3ff0000000000001n,
  0x3fefffffffffffffn,
  0x3fe0000000000000n,
  0x3ff8000000000000n,
  0x3cb0000000000000n,
  0x3ca0000000000000n,
  0x4330000000000000n, // 2^52, 2^53
  0x433fffffffffffffn,
  0x4340000000000000n,
  0x41dfffffffc00000n, // around 2^31, 2^32, 2^63, 2^64
  0x41dfffffffe00000n,
  0x41e0000000000000n,
  0x41e0000000100000n,
  0x41efffffffe00000n,
  0x41f0000000000000n,
  0x43dfffffffffffffn,
  0x43e0000000000000n,
  0x43efffffffffffffn,
  0x43f0000000000000n,
  0x47efffffe0000000n, // largest single, and what rounds to infinity when narrowed
  0x47efffffefffffffn,
  0x47effffff0000000n,
  0x3810000000000000n, // smallest normal single, smallest subnormal single, half of it
  0x380fffffffffffffn,
  0x36a0000000000000n,
  0x3690000000000000n,
  0x7fefffffffffffffn,
  0x7ff0000000000000n,
  0x7ff8000000000000n,
  0x7ffc000000000001n,
  0x7ff0000000000001n,
  0x7ff7ffffffffffffn,
];

const HARD_INTEGERS: readonly bigint[] = [0n, 1n, 2n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fffffffn]
  .concat([0x80000000n, 0xffffffffn, 0x100000000n, 0x7fffffffffffffffn, 0x8000000000000000n, 0x5555555555555555n])
  .concat([31n, 32n, 63n, 64n])
  .flatMap((value) => [value, BigInt.asUintN(64, -value)]);

/** An integer register's value: often at an edge, small or a power of two, else random. */
export function hardInteger(random: Random): bigint {
  switch (random.below(6)) {
    case 0:
    case 1:
      return random.pick(HARD_INTEGERS);
    case 2:
      return BigInt.asUintN(64, BigInt(random.between(-64, 64)));
    case 3: {
      const power = 1n << BigInt(random.below(64));
      return BigInt.asUintN(64, random.chance(50) ? power : power - 1n);
    }
    case 4:
      return BigInt.asUintN(64, BigInt(random.u32() | 0));
    default:
      return random.u64();
  }
}

/** A floating-point register's value: singles, mostly well boxed, and doubles, of all kinds and signs. */
export function hardFloat(random: Random): bigint {
  const isSingle = random.chance(50);
  if (isSingle) {
    const value = random.weighted<() => bigint>([
      [5, () => random.pick(HARD_SINGLES)],
      [3, () => (BigInt(random.between(100, 150)) << 23n) | BigInt(random.bits(23))],
      [2, () => BigInt(random.bits(31))],
    ])();
    const signed = random.chance(50) ? value | 0x80000000n : value;
    return random.chance(92) ? SINGLE_BOX | signed : (random.u64() & SINGLE_BOX) | signed;
  }
  const value = random.weighted<() => bigint>([
    [5, () => random.pick(HARD_DOUBLES)],
    [3, () => (BigInt(random.between(980, 1066)) << 52n) | (random.u64() >> 12n)],
    [1, () => (BigInt(random.between(1010, 1036)) << 52n) | ((random.u64() >> 12n) & 0xfffff00000000n)],
    [2, () => random.u64() >> 1n],
  ])();
  return random.chance(50) ? value | 0x8000000000000000n : value;
}
