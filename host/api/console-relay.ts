import { ConsoleTail } from "../control/console-tail.js";
import type { ByteSink } from "../devices/device.js";
import type { Machine } from "../machine/machine.js";
import type { FromWorker } from "./messages.js";

/** Output that may be on its way to a reader before the guest is held back. */
const OUTPUT_MAX = 256 * 1024;
/** The rate of messages is bounded by gathering what comes within a slice. */
const GATHERED_MAX = 64 * 1024;

/** A console on its way to another thread. */
export interface ConsoleTransit {
  readonly tail: Uint8Array;
  readonly untaken: number;
  readonly holds: boolean;
  readonly typing: number;
}

/** The worker's end of the serial console. */
export class ConsoleRelay implements ByteSink {
  readonly #post: (message: FromWorker) => void;
  readonly #tail = new ConsoleTail();
  #gathered: Uint8Array[] = [];
  #gatheredLength = 0;
  #untaken = 0;
  #holds = false;
  #release: (() => void) | null = null;
  /** Typed bytes that the machine has not taken yet when last looked at. */
  #typing = 0;

  constructor(post: (message: FromWorker) => void) {
    this.#post = post;
  }

  /** What the guest writes. */
  write(bytes: Uint8Array): void {
    this.#tail.write(bytes);
    this.#gathered.push(Uint8Array.from(bytes));
    this.#gatheredLength += bytes.length;
    if (this.#gatheredLength >= GATHERED_MAX) this.flush();
  }

  /** What a relay elsewhere needs to go on amid everything; this one is of no use afterwards. */
  handOver(): ConsoleTransit {
    this.flush();
    return { tail: this.#tail.bytes(), untaken: this.#untaken, holds: this.#holds, typing: this.#typing };
  }

  takeOver({ tail, untaken, holds, typing }: ConsoleTransit): void {
    this.#tail.write(tail);
    this.#untaken = untaken;
    this.#holds = holds;
    this.#typing = typing;
  }

  /** The end of what the guest has written. */
  tail(): Uint8Array {
    return this.#tail.bytes();
  }

  flush(): void {
    for (const bytes of this.#gathered) this.#post({ kind: "console", bytes });
    this.#untaken += this.#gatheredLength;
    this.#gathered = [];
    this.#gatheredLength = 0;
  }

  type(bytes: Uint8Array, machine: Machine | null): void {
    if (machine === null) {
      this.#post({ kind: "typed", byteLength: bytes.length });
      return;
    }
    machine.serialInput.write(bytes);
    this.#typing += bytes.length;
  }

  /** Whether the guest waits for a reader who does not take its output. */
  hold(hold: boolean): void {
    this.#holds = hold;
    if (!hold) this.release();
  }

  taken(byteLength: number): void {
    this.#untaken = Math.max(0, this.#untaken - byteLength);
    if (this.#untaken <= OUTPUT_MAX) this.release();
  }

  /** Lets the guest go on, or come to its end. */
  release(): void {
    this.#release?.();
    this.#release = null;
  }

  /** The machine is off: what was typed is lost. */
  settle(): void {
    this.flush();
    if (this.#typing > 0) this.#post({ kind: "typed", byteLength: this.#typing });
    this.#typing = 0;
  }

  /** To be awaited between slices of the guest's time. */
  async beforeGuest(machine: Machine | null): Promise<void> {
    this.flush();
    const waiting = machine?.serialInput.waitingByteLength ?? 0;
    if (this.#typing > waiting) {
      this.#post({ kind: "typed", byteLength: this.#typing - waiting });
      this.#typing = waiting;
    }
    if (!this.#holds || this.#untaken <= OUTPUT_MAX) return;
    await new Promise<void>((resolve) => {
      this.#release = resolve;
    });
  }
}
