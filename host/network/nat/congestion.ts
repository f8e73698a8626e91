/**
 * How much may be on its way: RFC 5681, with the loss recovery of RFC 6675, or RFC 6582 for a guest without SACK. The
 * wire to a guest is short and loses next to nothing, so it begins with more than one would send into the Internet.
 */
const FIRST_WINDOW_BYTE_LENGTH = 256 * 1024;
const WINDOW_BYTE_LENGTH_MAX = 8 * 1024 * 1024;

export class Congestion {
  #window = FIRST_WINDOW_BYTE_LENGTH;
  #threshold = Number.POSITIVE_INFINITY;

  /** In bytes. */
  get window(): number {
    return this.#window;
  }

  acknowledged(byteLength: number, mss: number): void {
    const isSlowStart = this.#window < this.#threshold;
    const growth = isSlowStart ? byteLength : (mss * Math.min(byteLength, this.#window)) / this.#window;
    this.#window = Math.min(WINDOW_BYTE_LENGTH_MAX, this.#window + growth);
  }

  /** A segment was lost and the ones after it came. */
  lost(inFlight: number, mss: number): void {
    this.#threshold = Math.max(inFlight / 2, 2 * mss);
    this.#window = this.#threshold;
  }

  /** Nothing came back in time. */
  expired(inFlight: number, mss: number): void {
    this.#threshold = Math.max(inFlight / 2, 2 * mss);
    this.#window = mss;
  }
}
