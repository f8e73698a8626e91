import type { WriteStream } from "node:tty";
import type { TerminalSize } from "../../control/console-session.js";
import type { ByteSink } from "../../devices/device.js";
import { VivariumError } from "../../util/errors.js";

/** Bytes that may wait for a slow reader before the guest is held back. */
const CONGESTION_BYTE_LENGTH = 256 * 1024;

const READER_GONE = "EPIPE";

/** Standard output or standard error: what the guest writes goes out in order, and a slow or lost reader shows. */
export class Output implements ByteSink {
  readonly #stream: WriteStream;
  #onLost: () => void = () => {};
  #failure: string | null = null;
  #release: () => void = () => {};
  #released = false;
  #abandoned = false;

  /** @param stream process.stdout or process.stderr, whatever it is connected to */
  constructor(stream: WriteStream) {
    this.#stream = stream;
    // Without a listener an EPIPE would end the program with a stack trace.
    stream.on("error", (error: NodeJS.ErrnoException) => this.#lose(error));
  }

  /** Whether nobody can read any more. What is written from then on is dropped. */
  get lost(): boolean {
    return this.#failure !== null;
  }

  /**
   * Says why the output is lost, if it is for another reason than that its reader has gone.
   *
   * @throws VivariumError `output/unwritable`
   */
  check(): void {
    if (this.#failure === null || this.#failure === READER_GONE) return;
    const message = `standard output cannot be written (${this.#failure}); expected a file, a pipe or a terminal with room`;
    throw new VivariumError("output/unwritable", message);
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY === true;
  }

  /** Null when it is no terminal, or one that does not know. */
  get terminalSize(): TerminalSize | null {
    const { columns, rows } = this.#stream;
    return this.isTerminal && columns > 0 && rows > 0 ? { columns, rows } : null;
  }

  /** Calls `callback` whenever the terminal's size has changed, until the result is called. */
  onResize(callback: () => void): () => void {
    this.#stream.on("resize", callback);
    return () => this.#stream.off("resize", callback);
  }

  /** Calls `callback` once when the reader is gone. */
  onLost(callback: () => void): void {
    this.#onLost = callback;
  }

  write(bytes: Uint8Array): void {
    // A copy: the caller may hand out guest memory, which changes before the stream has written it.
    if (!this.lost && bytes.length > 0) this.#stream.write(Uint8Array.from(bytes));
  }

  /** Writes one line of our own. */
  line(text: string): void {
    this.write(Buffer.from(`${text}\n`));
  }

  /** Whether so much is waiting for the reader that the guest should write no more. */
  get congested(): boolean {
    return !this.lost && !this.#released && this.#stream.writableLength >= CONGESTION_BYTE_LENGTH;
  }

  /** Resolves when the reader has taken everything, or is gone, or `release` is called. */
  async drained(): Promise<void> {
    if (this.#released) return;
    await this.#settled((done) => {
      this.#release = done;
      this.#stream.once("drain", done);
      return () => this.#stream.off("drain", done);
    });
  }

  /** Nobody has to wait for the reader any more. */
  release(): void {
    this.#released = true;
    this.#release();
  }

  /** What the reader has not taken is given up: `flushed` waits for nothing any more. */
  abandon(): void {
    this.#abandoned = true;
    this.release();
  }

  /** Resolves when everything has been handed to the operating system, or never will be. */
  async flushed(): Promise<void> {
    // A write that has failed at once says so with the next turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.lost || this.#abandoned || this.#stream.writableLength === 0) return;
    await this.#settled((done) => {
      this.#stream.write(new Uint8Array(), done);
      return () => {};
    });
  }

  /** @param subscribe lets its argument be called when it is so; returns how to undo that */
  async #settled(subscribe: (done: () => void) => () => void): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = () => {
        unsubscribe();
        this.#stream.off("close", done);
        resolve();
      };
      const unsubscribe = subscribe(done);
      // A lost reader closes the stream.
      this.#stream.once("close", done);
    });
  }

  #lose(error: NodeJS.ErrnoException): void {
    if (this.lost) return;
    this.#failure = error.code ?? error.message;
    this.#onLost();
  }
}
