import type { Writable } from "node:stream";
import type { ByteSink } from "../../devices/device.js";

/** Bytes that may wait for a slow reader before the guest is held back. */
const CONGESTION_BYTE_LENGTH = 256 * 1024;

/** Standard output or standard error: what the guest writes goes out in order, and a slow or lost reader shows. */
export class Output implements ByteSink {
  readonly #stream: Writable;
  #onLost: () => void = () => {};
  #lost = false;

  constructor(stream: Writable) {
    this.#stream = stream;
    // Without a listener an EPIPE would end the program with a stack trace.
    stream.on("error", () => this.#lose());
  }

  /** Whether nobody can read any more. What is written from then on is dropped. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Calls `callback` once when the reader is gone. */
  onLost(callback: () => void): void {
    this.#onLost = callback;
  }

  write(bytes: Uint8Array): void {
    // A copy: the caller may hand out guest memory, which changes before the stream has written it.
    if (!this.#lost && bytes.length > 0) this.#stream.write(Uint8Array.from(bytes));
  }

  /** Writes one line of our own. */
  line(text: string): void {
    this.write(Buffer.from(`${text}\n`));
  }

  /** Whether so much is waiting for the reader that the guest should write no more. */
  get congested(): boolean {
    return !this.#lost && this.#stream.writableLength >= CONGESTION_BYTE_LENGTH;
  }

  /** Resolves when the reader has taken everything, or is gone. */
  async drained(): Promise<void> {
    await this.#settled("drain");
  }

  /** Resolves when everything has been handed to the operating system, or never will be. */
  async flushed(): Promise<void> {
    if (this.#lost || this.#stream.writableLength === 0) return;
    await this.#settled("write");
  }

  async #settled(when: "drain" | "write"): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#stream.off("drain", done);
        this.#stream.off("close", done);
        this.#stream.off("error", done);
        resolve();
      };
      this.#stream.on("close", done);
      this.#stream.on("error", done);
      if (when === "drain") this.#stream.on("drain", done);
      else this.#stream.write(new Uint8Array(), done);
    });
  }

  #lose(): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#onLost();
  }
}
