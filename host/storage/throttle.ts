/** A disk that does so much in a second and no more. */
import type { BlockBackend } from "./block-backend.js";

/** What a throttle lets through; a limit that is absent is none. */
export interface ThrottleLimits {
  readonly bytesPerSecond?: number;
  readonly operationsPerSecond?: number;
  /** What may go at once after a pause: in bytes and operations; a tenth of a second's worth when absent. */
  readonly burstBytes?: number;
  readonly burstOperations?: number;
}

/** Time, for a throttle. */
export interface ThrottleClock {
  /** A clock that is never set: milliseconds since some moment, with fractions. */
  monotonicMs(): number;
  sleep(ms: number): { readonly done: Promise<void>; wake(): void };
}

const BURST_SECONDS = 0.1;

/**
 * A bucket that fills at a rate and is drawn from. It can be drawn below empty, so that a request larger than the burst
 * passes, too, and those after it wait the longer.
 */
class Bucket {
  readonly #perMs: number;
  readonly #burst: number;
  #level: number;
  #atMs: number;

  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#level = burst;
    this.#atMs = nowMs;
  }

  /** Milliseconds until it is not empty. */
  waitMs(nowMs: number): number {
    this.#fill(nowMs);
    return this.#level > 0 ? 0 : -this.#level / this.#perMs + 1 / 1000;
  }

  draw(amount: number): void {
    this.#level -= amount;
  }

  #fill(nowMs: number): void {
    this.#level = Math.min(this.#burst, this.#level + (nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
  }
}

/** Reads, writes and zeroes pass in their order as the limits allow; flushes pass with what they follow. */
export class ThrottledDisk implements BlockBackend {
  readonly #disk: BlockBackend;
  readonly #clock: ThrottleClock;
  #buckets: { readonly bytes: Bucket | null; readonly operations: Bucket | null } = { bytes: null, operations: null };
  #queue: Promise<void> = Promise.resolve();
  #waitingCount = 0;
  #sleep: { wake(): void } | null = null;
  #isClosed = false;

  /** @param disk closed with the throttle */
  constructor(disk: BlockBackend, clock: ThrottleClock, limits: ThrottleLimits = {}) {
    this.#disk = disk;
    this.#clock = clock;
    this.setLimits(limits);
  }

  get byteLength(): number {
    return this.#disk.byteLength;
  }

  get readOnly(): boolean {
    return this.#disk.readOnly;
  }

  /** Other limits from now on, for what waits already, too. */
  setLimits(limits: ThrottleLimits): void {
    const { bytesPerSecond, operationsPerSecond, burstBytes, burstOperations } = limits;
    this.#buckets = {
      bytes: this.#bucket(bytesPerSecond, burstBytes),
      operations: this.#bucket(operationsPerSecond, burstOperations),
    };
    this.#sleep?.wake();
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    await this.#turn(into.length);
    await this.#disk.read(offset, into);
  }

  /** At once as long as there is no limit, and nothing that one has held up. */
  tryRead(offset: number, into: Uint8Array): boolean {
    const { bytes, operations } = this.#buckets;
    if (bytes !== null || operations !== null || this.#waitingCount > 0) return false;
    return this.#disk.tryRead?.(offset, into) === true;
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    await this.#turn(from.length);
    await this.#disk.write(offset, from);
  }

  async writeZeroes(offset: number, byteLength: number, unmap: boolean): Promise<void> {
    await this.#turn(unmap ? 0 : byteLength);
    await this.#disk.writeZeroes(offset, byteLength, unmap);
  }

  async discard(offset: number, byteLength: number): Promise<void> {
    await this.#turn(0);
    await this.#disk.discard(offset, byteLength);
  }

  async flush(): Promise<void> {
    await this.#disk.flush();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#sleep?.wake();
    await this.#disk.close();
  }

  #bucket(perSecond: number | undefined, burst: number | undefined): Bucket | null {
    if (perSecond === undefined) return null;
    return new Bucket(perSecond, burst ?? Math.max(1, perSecond * BURST_SECONDS), this.#clock.monotonicMs());
  }

  /** Resolves when this operation may begin. */
  #turn(byteLength: number): Promise<void> {
    this.#waitingCount++;
    const turn = this.#queue.then(() => this.#pass(byteLength));
    this.#queue = turn.then(() => {
      this.#waitingCount--;
    });
    return turn;
  }

  async #pass(byteLength: number): Promise<void> {
    for (;;) {
      const nowMs = this.#clock.monotonicMs();
      const { bytes, operations } = this.#buckets;
      const waitMs = Math.max(bytes?.waitMs(nowMs) ?? 0, operations?.waitMs(nowMs) ?? 0);
      if (waitMs === 0 || this.#isClosed) {
        bytes?.draw(byteLength);
        operations?.draw(1);
        return;
      }
      const sleep = this.#clock.sleep(waitMs);
      this.#sleep = sleep;
      await sleep.done;
      this.#sleep = null;
    }
  }
}
