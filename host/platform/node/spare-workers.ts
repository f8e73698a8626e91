import type { Worker } from "node:worker_threads";

/** Workers that wait for a machine. */
const SPARE_COUNT = 3;
/** Whoever needs workers now needs the processors, too. */
const REST_MS = 300;

/**
 * Workers started before they are wanted, while there are machines: a fork then need not wait until its program is
 * loaded. They keep no program alive that has nothing else to do.
 */
export class SpareWorkers {
  readonly #start: () => Worker;
  readonly #startSpare: () => Promise<Worker>;
  readonly #waiting: Worker[] = [];
  #usedCount = 0;
  #timer: NodeJS.Timeout | null = null;

  /**
   * @param start starts a worker that is wanted now
   * @param startSpare starts one that has time to prepare itself; rejects when there can be none
   */
  constructor(start: () => Worker, startSpare: () => Promise<Worker>) {
    this.#start = start;
    this.#startSpare = startSpare;
  }

  /** One that is for the caller alone, until it has exited. */
  take(): Worker {
    const worker = this.#waiting.shift() ?? this.#start();
    worker.removeAllListeners();
    worker.ref();
    this.#usedCount++;
    worker.once("exit", () => {
      this.#usedCount--;
      this.#replenish();
    });
    this.#replenish();
    return worker;
  }

  #replenish(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    // Without spares everything goes as well, but slower.
    this.#timer = setTimeout(() => void this.#settle().catch(() => {}), REST_MS);
    this.#timer.unref();
  }

  /** One after the other, as many as there should be; none without a machine. */
  async #settle(): Promise<void> {
    this.#timer = null;
    if (this.#usedCount === 0) {
      for (const worker of this.#waiting.splice(0)) {
        worker.removeAllListeners();
        void worker.terminate();
      }
      return;
    }
    if (this.#waiting.length >= SPARE_COUNT) return;
    const worker = await this.#startSpare();
    worker.unref();
    const forget = (): void => {
      const index = this.#waiting.indexOf(worker);
      if (index >= 0) this.#waiting.splice(index, 1);
    };
    worker.once("error", forget);
    worker.once("exit", forget);
    worker.once("online", () => this.#replenish());
    this.#waiting.push(worker);
  }
}
