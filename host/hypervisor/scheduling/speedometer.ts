/** Slices that the estimate looks back on. */
const WINDOW = 63;
/** How many of them are faster than the estimate: a busy host disturbs more than half of them. */
const FASTER_PART = 0.25;
/** Before anything has been measured: slow enough for the first turn to be a short one. */
const FIRST_INSTRUCTIONS_PER_MS = 20_000;
/**
 * A turn of fewer instructions says little: unless that is a good part of what was granted, or a machine that was once
 * slow would be taken for slow for ever.
 */
const MEASURED_RETIRED_MIN = 10_000;
const MEASURED_PART_MIN = 0.25;
/** A slice that takes longer than so many times what it should is disturbed, by the machine itself or by the host. */
const DISTURBED = 1.25;
/** More of one slice than this is the host's standing still. */
const DISTURBANCE_MS_MAX = 20;
/** What a slice weighs in `disturbance`. */
const GAIN = 1 / 64;
/** More of one slice than so many times what it should take is no lag. */
const LAG_FACTOR_MAX = 2;
/** What a slice weighs in `lag`: of a machine that is always busy, the last second or so counts. */
const LAG_GAIN = 1 / 256;

/** How fast a machine runs, and how evenly. */
export class Speedometer {
  readonly #msPerInstruction: number[] = [];
  #next = 0;
  #estimate = 1 / FIRST_INSTRUCTIONS_PER_MS;
  readonly #disturbance = new MovingRatio(GAIN);
  readonly #lag = new MovingRatio(LAG_GAIN);

  /** What `retired` instructions cost when nothing disturbs them. */
  msOf(retired: number): number {
    return retired * this.#estimate;
  }

  /** At least 1. */
  instructionsIn(ms: number): number {
    return Math.max(1, Math.floor(ms / this.#estimate));
  }

  /**
   * Time that its slices have lately taken beyond what they should, in parts of what they should. Null before there are
   * enough of them.
   */
  get disturbance(): number | null {
    return this.#isKnown ? this.#disturbance.value : null;
  }

  /**
   * The same of all its slices, a little at a time: it shows a machine whose instructions are not all alike, and hardly
   * shows a host that stands still now and then.
   */
  get lag(): number | null {
    return this.#isKnown ? this.#lag.value : null;
  }

  /** @param granted what the turn had, in instructions */
  measure(retired: number, elapsedMs: number, granted: number): void {
    const wasLong = retired >= Math.min(MEASURED_RETIRED_MIN, granted * MEASURED_PART_MIN);
    if (!wasLong || retired === 0 || elapsedMs <= 0) return;
    const expectedMs = this.msOf(retired);
    const disturbedMs = Math.min(DISTURBANCE_MS_MAX, Math.max(0, elapsedMs - DISTURBED * expectedMs));
    this.#disturbance.add(disturbedMs, expectedMs);
    this.#lag.add(Math.min(LAG_FACTOR_MAX * expectedMs, Math.max(0, elapsedMs - expectedMs)), expectedMs);
    this.#msPerInstruction[this.#next] = elapsedMs / retired;
    this.#next = (this.#next + 1) % WINDOW;
    const sorted = [...this.#msPerInstruction].sort((a, b) => a - b);
    this.#estimate = sorted[Math.floor((sorted.length - 1) * FASTER_PART)]!;
  }

  get #isKnown(): boolean {
    return this.#msPerInstruction.length === WINDOW;
  }
}

/** One sum divided by another, in which what is long ago counts little. */
class MovingRatio {
  readonly #gain: number;
  #part = 0;
  #whole = 0;

  constructor(gain: number) {
    this.#gain = gain;
  }

  get value(): number {
    return this.#part / this.#whole;
  }

  add(part: number, whole: number): void {
    this.#part += (part - this.#part) * this.#gain;
    this.#whole += (whole - this.#whole) * this.#gain;
  }
}
