/** Workers that wait for a machine. */
const SPARE_COUNT = 2;
/** Whoever needs workers now needs the processors, too. */
const REST_MS = 300;

/**
 * Workers started before they are wanted: a fork then need not wait until its program is loaded. There are none for a page
 * with one machine, which has no use for them; and none once the last machine has gone.
 */
export class SpareWorkers {
  readonly #start: () => Worker;
  readonly #waiting: Worker[] = [];
  #usedCount = 0;
  /** Whether there was more than one machine at a time. */
  #isWanted = false;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(start: () => Worker) {
    this.#start = start;
  }

  /** One that is for the caller alone, until it is given to `ended`. */
  take(): Worker {
    const worker = this.#waiting.shift() ?? this.#start();
    worker.onerror = null;
    this.#usedCount++;
    if (this.#usedCount > 1) this.#isWanted = true;
    this.#replenish();
    return worker;
  }

  /** One that was taken is no more. */
  ended(): void {
    this.#usedCount--;
    this.#replenish();
  }

  #replenish(): void {
    if (!this.#isWanted) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#settle(), REST_MS);
  }

  /** One after the other, as many as there should be; none without a machine. */
  #settle(): void {
    this.#timer = null;
    if (this.#usedCount === 0) {
      this.#isWanted = false;
      for (const worker of this.#waiting.splice(0)) worker.terminate();
      return;
    }
    if (this.#waiting.length >= SPARE_COUNT) return;
    const worker = this.#start();
    // One that cannot be loaded is told of by the next that is wanted.
    worker.onerror = (event) => {
      event.preventDefault();
      const index = this.#waiting.indexOf(worker);
      if (index >= 0) this.#waiting.splice(index, 1);
    };
    this.#waiting.push(worker);
    this.#replenish();
  }
}
