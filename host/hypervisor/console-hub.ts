import { concatBytes } from "../util/bytes.js";

/** What whoever comes later is shown first, and what is kept for one who is slow. */
const KEPT_BYTE_LENGTH = 128 * 1024;
const LINE_FEED = 10;

/** Takes output; a promise holds back the rest until it resolves. */
type Receive = (bytes: Uint8Array) => void | Promise<void>;

/** What a machine writes to its serial console, for any number of those who look at it. */
export class ConsoleHub {
  #kept: Uint8Array[] = [];
  #keptLength = 0;
  readonly #watchers = new Set<Watcher>();

  write(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#kept.push(bytes);
    this.#keptLength += bytes.length;
    while (this.#keptLength - this.#kept[0]!.length >= KEPT_BYTE_LENGTH) {
      this.#keptLength -= this.#kept.shift()!.length;
    }
    for (const watcher of this.#watchers) watcher.write(bytes);
  }

  /** @returns a function that ends it */
  watch(receive: Receive): () => void {
    const watcher = new Watcher(receive);
    if (this.#keptLength > 0) watcher.write(concatBytes(this.#kept));
    this.#watchers.add(watcher);
    return () => {
      watcher.end();
      this.#watchers.delete(watcher);
    };
  }

  /** What is kept, as bytes. */
  get tail(): Uint8Array {
    return concatBytes(this.#kept);
  }

  /** The last lines of what is kept. */
  lastLines(count: number): Uint8Array {
    const bytes = this.tail;
    let found = 0;
    for (let at = bytes.length - 2; at >= 0; at--) {
      if (bytes[at] === LINE_FEED && ++found === count) return bytes.subarray(at + 1);
    }
    return bytes;
  }
}

/** One who looks. The guest does not wait for one who is slow: the middle of what is missed is left out. */
class Watcher {
  readonly #receive: Receive;
  #waiting: Uint8Array[] = [];
  #waitingLength = 0;
  #isBusy = false;
  #isEnded = false;

  constructor(receive: Receive) {
    this.#receive = receive;
  }

  write(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#waitingLength += bytes.length;
    while (this.#waiting.length > 1 && this.#waitingLength > KEPT_BYTE_LENGTH * 2) {
      this.#waitingLength -= this.#waiting.shift()!.length;
    }
    if (!this.#isBusy) void this.#give();
  }

  end(): void {
    this.#isEnded = true;
    this.#waiting = [];
  }

  async #give(): Promise<void> {
    this.#isBusy = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined && !this.#isEnded; next = this.#waiting.shift()) {
        this.#waitingLength -= next.length;
        await this.#receive(next);
      }
    } catch {
      // Who does not take it any more is not given any more.
      this.end();
    } finally {
      this.#isBusy = false;
    }
  }
}
