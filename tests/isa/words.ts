/** Words to try encodings on: the same on every run. */
import type { Encoding } from "../../assembly/isa/notation.js";

/** Unsigned 32-bit numbers, the same for the same seed (Marsaglia's xorshift32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed + 1) * 0x9e3779b9 || 1;
  }

  word(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return this.#state >>> 0;
  }
  /** An integer from 0 up to but not including `end`. */
  below(end: number): number {
    return this.word() % end;
  }
}

/** `count` words with the fixed bits of a row; all other bits vary, among them all 0 and all 1. */
export function wordsOf(encoding: Encoding, count: number, seed: number): number[] {
  const random = new Random(seed);
  const free = 0xffff_ffff & ~encoding.mask;
  return Array.from({ length: count }, (_, n) => {
    const bits = n === 0 ? 0 : n === 1 ? 0xffff_ffff : random.word();
    return ((bits & free) | encoding.match) >>> 0;
  });
}

export const halfwords: readonly number[] = Array.from({ length: 65536 }, (_, h) => h).filter((h) => (h & 3) !== 3);
