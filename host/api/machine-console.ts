import { ByteSource, type Bytes, toBytes } from "./streams.js";

/** What the console of a machine sends to its worker. */
export interface ConsoleWires {
  type(bytes: Uint8Array): void;
  resize(columns: number, rows: number): void;
  /** Whether the guest is held back while its output is not taken. */
  hold(hold: boolean): void;
  taken(byteLength: number): void;
}

/** What is kept of output that nobody reads. */
const TAIL_BYTE_LENGTH = 64 * 1024;

/** The guest's serial console. */
export class MachineConsole {
  /** Takes bytes, and text as UTF-8, as if somebody typed them. Writing waits while the guest does not read. */
  readonly writable: WritableStream<Uint8Array | string>;
  readonly #wires: ConsoleWires;
  #source: ByteSource | null = null;
  #tail: Uint8Array[] = [];
  #tailLength = 0;
  #untyped = 0;
  #onTyped: (() => void)[] = [];

  /** @internal */
  constructor(wires: ConsoleWires) {
    this.#wires = wires;
    this.writable = new WritableStream<Uint8Array | string>({
      write: (chunk) => {
        const bytes = toBytes(chunk);
        if (bytes.length === 0) return;
        this.#untyped += bytes.length;
        const reached = new Promise<void>((resolve) => this.#onTyped.push(resolve));
        wires.type(bytes);
        return reached;
      },
    });
  }

  /**
   * What the guest writes, from the last 64 KiB written before this was first asked for.
   *
   * Whoever has asked for it has to read it, or cancel it: the guest waits while more than some 256 KiB are not taken.
   */
  get readable(): ReadableStream<Bytes> {
    if (this.#source === null) {
      this.#source = new ByteSource(
        (byteLength) => this.#wires.taken(byteLength),
        () => this.#wires.hold(false),
      );
      this.#wires.hold(true);
      for (const bytes of this.#tail) this.#source.push(bytes);
      this.#tail = [];
    }
    return this.#source.stream;
  }

  /** Tells the guest the size of its console, in characters. */
  resize(columns: number, rows: number): void {
    this.#wires.resize(columns, rows);
  }

  /** @internal What the guest has written. */
  receive(bytes: Uint8Array): void {
    if (this.#source !== null) {
      this.#source.push(bytes);
      return;
    }
    this.#wires.taken(bytes.length);
    this.#tail.push(bytes);
    this.#tailLength += bytes.length;
    while (this.#tailLength - this.#tail[0]!.length >= TAIL_BYTE_LENGTH) this.#tailLength -= this.#tail.shift()!.length;
  }

  /** @internal So much of what was typed has reached the guest. */
  typed(byteLength: number): void {
    this.#untyped -= byteLength;
    if (this.#untyped <= 0) for (const resolve of this.#onTyped.splice(0)) resolve();
  }

  /** @internal There is no machine any more. */
  end(): void {
    this.#source?.end();
    this.typed(this.#untyped);
  }
}
