/** The point in a machine's file that it goes on from: how old it is, and what it is worth. */
export class SavedPoint {
  #isOwn: boolean;
  #savedMs = 0;
  /** How the machine stood then; null when that is not known. */
  #signs: readonly number[] | null = null;
  #hasFailed = false;
  /** Whether its kernel may have been at its end already. */
  isDoubtful = false;
  /** Whether it has been gone on from after a failure. */
  isRetried = false;

  /** @param isOwn whether nobody asked for it: the machine saved itself, because it was time */
  constructor(isOwn: boolean) {
    this.#isOwn = isOwn;
  }

  get isOwn(): boolean {
    return this.#isOwn;
  }

  /** Whether the machine, which has failed, is to go on from a point before it: it would fail again. */
  get isSpent(): boolean {
    return this.#isOwn && this.#hasFailed;
  }

  /**
   * When it is to be saved next by itself; null when it has done nothing since.
   *
   * @param signs how the machine stands now
   */
  dueMs(everySeconds: number, signs: readonly number[]): number | null {
    const isSame = this.#signs?.every((sign, index) => sign === signs[index]) ?? false;
    return isSame ? null : this.#savedMs + 1000 * everySeconds;
  }

  /** The machine has come to a worker: nothing is due yet. */
  came(nowMs: number): void {
    this.#savedMs = nowMs;
    this.#signs = null;
  }

  savedItself(signs: readonly number[], nowMs: number): void {
    this.#saved(true, signs, nowMs);
  }

  /** Somebody has chosen the point. */
  asked(signs: readonly number[] | null = null, nowMs = this.#savedMs): void {
    this.#saved(false, signs, nowMs);
    this.isRetried = false;
  }

  /**
   * The machine has failed, which is nobody else's fault. It goes on from what it saved by itself once; when it fails again
   * soon after, or was about to fail there already, it does not.
   */
  failed(isSoon: boolean): void {
    this.#hasFailed = this.isDoubtful || (this.isRetried && isSoon);
    this.isRetried = true;
  }

  #saved(isOwn: boolean, signs: readonly number[] | null, nowMs: number): void {
    this.#isOwn = isOwn;
    this.#savedMs = nowMs;
    this.#signs = signs;
    this.#hasFailed = false;
    this.isDoubtful = false;
  }
}
