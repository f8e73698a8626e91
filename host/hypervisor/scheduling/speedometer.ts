/** Slices that the estimate looks back on. */
const WINDOW = 63;
/** Before anything has been measured. */
const FIRST_INSTRUCTIONS_PER_MS = 100_000;
/** A slice of fewer instructions says little. */
const MEASURED_RETIRED_MIN = 10_000;

/**
 * How fast a machine runs: the median of its last slices, so that a host that stands still, or that runs another
 * program for a while, does not count as long as it is not in most of them.
 */
export class Speedometer {
  readonly #msPerInstruction: number[] = [];
  #next = 0;
  #median = 1 / FIRST_INSTRUCTIONS_PER_MS;

  /** What `retired` instructions cost. */
  msOf(retired: number): number {
    return retired * this.#median;
  }

  /** At least 1. */
  instructionsIn(ms: number): number {
    return Math.max(1, Math.floor(ms / this.#median));
  }

  measure(retired: number, elapsedMs: number): void {
    if (retired < MEASURED_RETIRED_MIN || elapsedMs <= 0) return;
    this.#msPerInstruction[this.#next] = elapsedMs / retired;
    this.#next = (this.#next + 1) % WINDOW;
    const sorted = [...this.#msPerInstruction].sort((a, b) => a - b);
    this.#median = sorted[sorted.length >> 1]!;
  }
}
