/**
 * Virtual machine generation id: tells the guest that it has become another machine, as a fork or a copy of a snapshot
 * does. Its kernel then makes its random numbers its own.
 *
 * | offset   | access | register                                                          |
 * |----------|--------|-------------------------------------------------------------------|
 * | 0 ... 15 | r      | the id, 16 bytes in any width; reading it acknowledges the change |
 *
 * The interrupt is high from a change until the id is read. A guest that has not read the id at all is not told of a
 * change: it will read the new one. (Linux 6.12 asks for the interrupt before it is ready to take it.)
 *
 * Source: "Virtual Machine Generation ID" (Microsoft, 2012); device tree binding `microsoft,vmgenid`.
 */
import { bytes, flag, type StateOf, schema } from "../util/schema.js";
import type { Device, InterruptLine, Width } from "./device.js";

const WINDOW_BYTE_LENGTH = 0x1000;
export const GENERATION_ID_BYTE_LENGTH = 16;

const generationSchema = schema("generation-id", 1, {
  id: bytes("the id", GENERATION_ID_BYTE_LENGTH),
  known: flag("the guest has read it since power-on"),
  changed: flag("since the guest last read it"),
});
type GenerationFields = typeof generationSchema.fields;
type GenerationState = StateOf<GenerationFields>;

export interface GenerationIdWires {
  readonly interrupt: InterruptLine;
  /** At power-on. */
  readonly id: Uint8Array;
}

export class GenerationId implements Device<GenerationFields> {
  readonly schema = generationSchema;
  readonly windowByteLength = WINDOW_BYTE_LENGTH;
  readonly #wires: GenerationIdWires;
  readonly #id = new Uint8Array(GENERATION_ID_BYTE_LENGTH);
  #known = false;
  #changed = false;

  constructor(wires: GenerationIdWires) {
    this.#wires = wires;
    this.reset();
  }

  get id(): Uint8Array {
    return this.#id;
  }

  read(offset: number, width: Width): number {
    if (offset < GENERATION_ID_BYTE_LENGTH) {
      this.#known = true;
      this.#setChanged(false);
    }
    let value = 0;
    for (let byte = width - 1; byte >= 0; byte--) value = value * 0x100 + (this.#id[offset + byte] ?? 0);
    return value;
  }

  write(): void {}

  /** The guest is another machine from now on. */
  renewIdentity(randomBytes: (into: Uint8Array) => void): void {
    randomBytes(this.#id);
    this.#setChanged(this.#known);
  }

  reset(): void {
    this.load({ id: this.#wires.id, known: false, changed: false });
  }

  save(): GenerationState {
    return { id: Uint8Array.from(this.#id), known: this.#known, changed: this.#changed };
  }

  /** A shorter id is one that ends in zeros. */
  load({ id, known, changed }: GenerationState): void {
    this.#id.fill(0);
    this.#id.set(id);
    this.#known = known;
    this.#setChanged(changed);
  }

  #setChanged(changed: boolean): void {
    this.#changed = changed;
    this.#wires.interrupt.set(changed);
  }
}
