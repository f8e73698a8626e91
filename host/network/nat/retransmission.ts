/** When a segment counts as lost: RFC 6298. */
const GRANULARITY_MS = 10;
const TIMEOUT_MS_MIN = 250;
const TIMEOUT_MS_MAX = 30_000;
const TIMEOUT_MS_FIRST = 1000;

export class RetransmissionTimeout {
  #smoothedMs: number | null = null;
  #variationMs = 0;
  #backoff = 0;

  /** How long to wait for an acknowledgment, in milliseconds. */
  get ms(): number {
    const base =
      this.#smoothedMs === null
        ? TIMEOUT_MS_FIRST
        : Math.max(TIMEOUT_MS_MIN, this.#smoothedMs + Math.max(GRANULARITY_MS, 4 * this.#variationMs));
    return Math.min(TIMEOUT_MS_MAX, base * 2 ** this.#backoff);
  }

  /** How often in a row nothing came in time. */
  get expiredCount(): number {
    return this.#backoff;
  }

  /** A segment that was sent once was acknowledged after so long. */
  measured(ms: number): void {
    if (this.#smoothedMs === null) {
      this.#smoothedMs = ms;
      this.#variationMs = ms / 2;
    } else {
      this.#variationMs += (Math.abs(this.#smoothedMs - ms) - this.#variationMs) / 4;
      this.#smoothedMs += (ms - this.#smoothedMs) / 8;
    }
  }

  /** Something new was acknowledged. */
  progressed(): void {
    this.#backoff = 0;
  }

  expired(): void {
    this.#backoff++;
  }
}
