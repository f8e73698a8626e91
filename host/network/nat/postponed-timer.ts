import type { NetworkClock } from "../link.js";

/** Half a millisecond early is in time: clocks and timers are not the same. */
const TOLERANCE_MS = 0.5;

/** A timer that is put off again and again, with every segment, and costs a timer of the host's only now and then. */
export class PostponedTimer {
  readonly #clock: NetworkClock;
  readonly #expire: () => void;
  #cancel: (() => void) | null = null;
  /** When the host's timer goes off, and when ours is to. */
  #timerMs = Number.POSITIVE_INFINITY;
  #deadlineMs = Number.POSITIVE_INFINITY;

  constructor(clock: NetworkClock, expire: () => void) {
    this.#clock = clock;
    this.#expire = expire;
  }

  /** Expires in `ms` from now, in place of any other time. */
  arm(ms: number): void {
    this.#deadlineMs = this.#clock.nowMs() + ms;
    if (this.#cancel !== null && this.#timerMs <= this.#deadlineMs) return;
    this.#cancel?.();
    this.#timerMs = this.#deadlineMs;
    this.#cancel = this.#clock.after(ms, () => this.#tick());
  }

  /** Does not expire any more. */
  cancel(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #tick(): void {
    this.#cancel = null;
    const left = this.#deadlineMs - this.#clock.nowMs();
    if (left > TOLERANCE_MS) this.arm(left);
    else this.#expire();
  }
}
