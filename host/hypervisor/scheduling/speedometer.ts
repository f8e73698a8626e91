/** Slices that the estimate looks back on. */
const WINDOW = 63;
/** Before anything has been measured: slow enough for the first turn to be a short one. */
const FIRST_INSTRUCTIONS_PER_MS = 20_000;
/**
 * A turn of fewer instructions says little: unless that is a good part of what was granted, or a machine that was once
 * slow would be taken for slow for ever.
 */
const MEASURED_RETIRED_MIN = 10_000;
const MEASURED_PART_MIN = 0.25;

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

  /** @param granted what the turn had, in instructions */
  measure(retired: number, elapsedMs: number, granted: number): void {
    const wasLong = retired >= Math.min(MEASURED_RETIRED_MIN, granted * MEASURED_PART_MIN);
    if (!wasLong || retired === 0 || elapsedMs <= 0) return;
    this.#msPerInstruction[this.#next] = elapsedMs / retired;
    this.#next = (this.#next + 1) % WINDOW;
    const sorted = [...this.#msPerInstruction].sort((a, b) => a - b);
    this.#median = sorted[(sorted.length - 1) >> 1]!;
  }
}
