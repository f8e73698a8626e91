/** A rate and how far it may be exceeded for a while. */
export interface Rate {
  readonly bytesPerSecond: number;
  /** What may pass at once after a pause. */
  readonly burstByteLength: number;
}

/** Everything passes. */
export const UNLIMITED: Rate = { bytesPerSecond: Number.MAX_VALUE, burstByteLength: Number.MAX_VALUE };

/** Who waits looks again at least so often: the rate may have changed. */
const DELAY_MS_MAX = 1000;

/** Lets bytes through at a rate. What passes at once may overdraw it; then it waits until the debt is paid. */
export class TokenBucket {
  #rate: Rate;
  #tokens: number;
  #filledMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#tokens = rate.burstByteLength;
    this.#filledMs = nowMs;
  }

  get rate(): Rate {
    return this.#rate;
  }

  /** Another rate from now on. */
  setRate(rate: Rate, nowMs: number): void {
    this.#fill(nowMs);
    this.#rate = rate;
    this.#tokens = Math.min(this.#tokens, rate.burstByteLength);
  }

  /** How long to wait before something may pass: 0 for not at all. */
  delayMs(nowMs: number): number {
    this.#fill(nowMs);
    if (this.#tokens > 0) return 0;
    // One byte more than the debt, or the wait would end just before something may pass.
    return Math.min(DELAY_MS_MAX, Math.max(1, ((1 - this.#tokens) / this.#rate.bytesPerSecond) * 1000));
  }

  take(byteLength: number): void {
    this.#tokens -= byteLength;
  }

  #fill(nowMs: number): void {
    const earned = (Math.max(0, nowMs - this.#filledMs) * this.#rate.bytesPerSecond) / 1000;
    this.#tokens = Math.min(this.#rate.burstByteLength, this.#tokens + earned);
    this.#filledMs = nowMs;
  }
}
