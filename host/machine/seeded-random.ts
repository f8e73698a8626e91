import { type StateOf, schema, u32 } from "../util/schema.js";

const randomSchema = schema("seeded-random", 1, { counter: u32("numbers given out") });
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

  fill(into: Uint8Array): void {
    for (let index = 0; index < into.length; index++) into[index] = this.#next() >>> 24;
  }

  reset(): void {
    this.#counter = 0;
  }

  save(): RandomState {
    return { counter: this.#counter };
  }

  load(state: RandomState): void {
    this.#counter = state.counter;
  }

  /** A counter whose bits are mixed until each depends on all (MurmurHash3's finalizer). */
  #next(): number {
    this.#counter = (this.#counter + 1) >>> 0;
    let mixed = Math.imul(this.#counter, INCREMENT);
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  }
}
