/** The two directions between a UART and the world outside the machine. */
import type { ByteSink } from "../devices/device.js";
import { concatBytes } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";
import { bytes, type StateOf, schema } from "../util/schema.js";

/** The receiver of typed characters: takes as many as it has room for. */
export interface SerialReceiver {
  /** @returns how many of `input`, from its start, were taken */
  receive(input: Uint8Array): number;
}

/** More than this that the guest has not taken cannot be saved. */
const SAVED_BYTE_LENGTH_MAX = 16 * 1024 * 1024;

const serialInputSchema = schema("serial-input", 1, {
  waiting: bytes("typed, not taken by the UART yet", SAVED_BYTE_LENGTH_MAX),
});
type SerialInputState = StateOf<typeof serialInputSchema.fields>;

/** Typed characters on their way to the guest; whatever the UART has no room for waits here. */
export class SerialInput implements ByteSink {
  readonly schema = serialInputSchema;
  readonly #onInput: () => void;
  readonly #enter: (bytes: Uint8Array) => void;
  readonly #waiting: Uint8Array[] = [];

  /** @param enter lets what is typed reach `take`, now or later; at once unless given */
  constructor(onInput: () => void, enter?: (bytes: Uint8Array) => void) {
    this.#onInput = onInput;
    this.#enter = enter ?? ((bytes) => this.take(bytes));
  }

  /** Bytes that the guest has not taken yet. */
  get waitingByteLength(): number {
    return this.#waiting.reduce((sum, { length }) => sum + length, 0);
  }

  write(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#enter(Uint8Array.from(bytes));
  }

  /** What was typed has reached the machine. */
  take(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#onInput();
  }

  /** Hands over what the receiver has room for. */
  feed(receiver: SerialReceiver): void {
    for (;;) {
      const first = this.#waiting[0];
      if (first === undefined) return;
      const taken = receiver.receive(first);
      if (taken < first.length) {
        this.#waiting[0] = first.subarray(taken);
        return;
      }
      this.#waiting.shift();
    }
  }

  reset(): void {
    this.#waiting.length = 0;
  }

  /** @throws VivariumError `snapshot/input-waiting` when there is more than a state can hold */
  save(): SerialInputState {
    const byteLength = this.waitingByteLength;
    if (byteLength > SAVED_BYTE_LENGTH_MAX) {
      const message = `${byteLength} bytes of input wait for the guest; at most ${SAVED_BYTE_LENGTH_MAX} can be saved`;
      throw new VivariumError("snapshot/input-waiting", message, { byteLength });
    }
    return { waiting: concatBytes(this.#waiting) };
  }

  load(state: SerialInputState): void {
    this.reset();
    if (state.waiting.length > 0) this.take(state.waiting);
  }
}

const OUTPUT_BYTE_LENGTH_MAX = 16 * 1024;

/** The guest's characters, gathered: a UART sends one at a time, and who reads them is better served in lines. */
export class SerialOutput implements ByteSink {
  readonly #sink: ByteSink;
  readonly #gathered = new Uint8Array(OUTPUT_BYTE_LENGTH_MAX);
  #byteLength = 0;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  write(bytes: Uint8Array): void {
    if (this.#byteLength + bytes.length > OUTPUT_BYTE_LENGTH_MAX) this.flush();
    if (bytes.length > OUTPUT_BYTE_LENGTH_MAX) {
      this.#sink.write(bytes);
      return;
    }
    this.#gathered.set(bytes, this.#byteLength);
    this.#byteLength += bytes.length;
  }

  /** Passes on what was gathered. */
  flush(): void {
    if (this.#byteLength === 0) return;
    const bytes = this.#gathered.slice(0, this.#byteLength);
    this.#byteLength = 0;
    this.#sink.write(bytes);
  }
}
