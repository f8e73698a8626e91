import type { BlockBackend } from "../../storage/block-backend.js";
import type { Border, Question } from "./border.js";
import type { RecordValue } from "./record-value.js";

/** What was read, or nothing for other operations; a text says why it failed. */
const DONE: Question<Uint8Array | string | null> = {
  name: "disk",
  read: (value) => (value === null || typeof value === "string" || value instanceof Uint8Array ? value : undefined),
  fallback: "the record has no such answer",
};

/** A disk whose contents are not part of its machine, seen through the border. */
export class BorderDisk implements BlockBackend {
  readonly byteLength: number;
  readonly readOnly: boolean;
  readonly #border: Border;
  readonly #inner: BlockBackend;

  constructor(border: Border, inner: BlockBackend) {
    this.#border = border;
    this.#inner = inner;
    this.byteLength = inner.byteLength;
    this.readOnly = inner.readOnly;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    const bytes = await this.#ask(async () => {
      // The guest's buffer is filled when the answer enters, and not before.
      const read = new Uint8Array(into.length);
      await this.#inner.read(offset, read);
      return read;
    });
    if (!(bytes instanceof Uint8Array) || bytes.length !== into.length) throw new Error("nothing was read");
    into.set(bytes);
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    await this.#ask(() => this.#inner.write(offset, from));
  }

  async writeZeroes(offset: number, byteLength: number, unmap: boolean): Promise<void> {
    await this.#ask(() => this.#inner.writeZeroes(offset, byteLength, unmap));
  }

  async discard(offset: number, byteLength: number): Promise<void> {
    await this.#ask(() => this.#inner.discard(offset, byteLength));
  }

  async flush(): Promise<void> {
    await this.#ask(() => this.#inner.flush());
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  async #ask(operation: () => Promise<unknown>): Promise<Uint8Array | null> {
    const done = await this.#border.askLater(DONE, () =>
      operation().then(
        (bytes): RecordValue => (bytes instanceof Uint8Array ? bytes : null),
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      ),
    );
    if (typeof done === "string") throw new Error(done);
    return done;
  }
}
