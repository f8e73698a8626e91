/** Byte streams between the program and the guest as Web Streams. */
import { concatBytes } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";
import { badOption } from "./arguments.js";

/**
 * Bytes that a program is given: never in memory that it shares with another thread, so that they go wherever the Web
 * platform takes bytes.
 */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes on their way to a reader who takes them when he likes. */
export class ByteSource {
  readonly stream: ReadableStream<Bytes>;
  readonly #onTaken: (byteLength: number) => void;
  readonly #waiting: Bytes[] = [];
  #end: "open" | "ended" | { readonly error: Error } = "open";
  #isDiscarded = false;
  #wake: (() => void) | null = null;

  /**
   * @param onTaken so many bytes have found a reader, or never will
   * @param onCancel the reader wants no more
   */
  constructor(onTaken: (byteLength: number) => void, onCancel: () => void = () => {}) {
    this.#onTaken = onTaken;
    this.stream = new ReadableStream<Bytes>(
      {
        pull: (controller) => this.#pull(controller),
        cancel: () => {
          this.discard();
          onCancel();
        },
      },
      // A chunk is taken from here when somebody reads it, and no sooner.
      { highWaterMark: 0 },
    );
  }

  push(bytes: Uint8Array): void {
    if (this.#isDiscarded) {
      this.#onTaken(bytes.length);
      return;
    }
    this.#waiting.push(bytes as Bytes);
    this.#notify();
  }

  /** The stream ends after what was pushed. */
  end(): void {
    this.#finish("ended");
  }

  /** The stream fails after what was pushed. */
  fail(error: Error): void {
    this.#finish({ error });
  }

  /** Nobody will read what was pushed, nor what will be. */
  discard(): void {
    this.#isDiscarded = true;
    for (const bytes of this.#waiting.splice(0)) this.#onTaken(bytes.length);
    this.#finish("ended");
  }

  async #pull(controller: ReadableStreamDefaultController<Bytes>): Promise<void> {
    while (this.#waiting.length === 0 && this.#end === "open") {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const bytes = this.#waiting.shift();
    if (bytes !== undefined) {
      controller.enqueue(bytes);
      this.#onTaken(bytes.length);
    } else if (typeof this.#end === "object") {
      controller.error(this.#end.error);
    } else if (!this.#isDiscarded) {
      controller.close();
    }
  }

  #finish(end: "ended" | { readonly error: Error }): void {
    if (this.#end === "open") this.#end = end;
    this.#notify();
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

/**
 * All of a stream.
 *
 * @throws VivariumError `exec/output-too-large` when it is longer than `maxByteLength`
 */
export async function readAll(stream: ReadableStream<Uint8Array>, maxByteLength: number): Promise<Bytes> {
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let byteLength = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return concatBytes(chunks) as Bytes;
    byteLength += value.length;
    if (byteLength > maxByteLength) {
      const message = `exec: more output than ${maxByteLength} bytes; raise maxOutputByteLength, or spawn and read a stream`;
      throw new VivariumError("exec/output-too-large", message, { maxByteLength });
    }
    chunks.push(value);
  }
}

/** Text goes to the guest as UTF-8. @throws VivariumError `option/invalid` for what is neither text nor bytes */
export function toBytes(content: string | Uint8Array): Uint8Array {
  if (content instanceof Uint8Array) return content;
  if (typeof content !== "string") throw badOption("contents", content, "a text or a Uint8Array");
  return new TextEncoder().encode(content);
}
