import { dataView } from "../util/bytes.js";
import { type StateOf, schema, u32 } from "../util/schema.js";

const randomSchema = schema("seeded-random", 1, {
  counter: u32("numbers given out"),
  seed: u32("0 at power-on; another for a machine that goes on beside its original"),
});
type RandomState = StateOf<typeof randomSchema.fields>;

/** The golden ratio as a 32-bit fraction. */
const INCREMENT = 0x9e3779b9;

/**
 * Randomness for machines that must run the same way again: the same bytes every time. Good enough for a guest
 * that asks for entropy, no secret from anybody.
 */
export class SeededRandom {
  readonly schema = randomSchema;
  #counter = 0;
  #seed = 0;

  fill(into: Uint8Array): void {
    for (let index = 0; index < into.length; index++) into[index] = this.#next() >>> 24;
  }

  /** Other numbers from here on, which are again the same in every run. */
  renewIdentity(randomBytes: (into: Uint8Array) => void): void {
    const seed = new Uint8Array(4);
    randomBytes(seed);
    this.#seed = dataView(seed).getUint32(0, true);
  }

  reset(): void {
    this.load({ counter: 0, seed: 0 });
  }

  save(): RandomState {
    return { counter: this.#counter, seed: this.#seed };
  }

  load(state: RandomState): void {
    this.#counter = state.counter;
    this.#seed = state.seed;
  }

  #next(): number {
    this.#counter = (this.#counter + 1) >>> 0;
    const mixed = mix(Math.imul(this.#counter, INCREMENT));
    return this.#seed === 0 ? mixed : mix(mixed ^ this.#seed);
  }
}

/** Mixes bits until each depends on all (MurmurHash3's finalizer). */
function mix(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
