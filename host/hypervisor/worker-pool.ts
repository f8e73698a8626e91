import { assert, VivariumError } from "../util/errors.js";
import { HostWorker } from "./host-worker.js";
import type { LaneReading } from "./messages.js";
import type { HypervisorPlatform } from "./platform.js";

/** How often workers are asked how they are. */
export const READING_MS = 1000;
const PIECES = 50;

export interface WorkerPoolOptions {
  readonly count: number;
  /** A worker that has not answered for so long is held up by a machine that does not end its turn. */
  readonly hangTimeoutMs: number;
  onReadings(worker: HostWorker, readings: readonly LaneReading[]): void;
  /** A worker has ended with all that ran there; another one takes its place. */
  onEnd(worker: HostWorker, error: Error): void;
}

/** The workers that machines run in, which are there as long as the hypervisor is. */
export class WorkerPool {
  readonly #platform: HypervisorPlatform;
  readonly #options: WorkerPoolOptions;
  readonly #workers: HostWorker[];
  /** Machines that are kept apart, by the numbers of their workers, which are above those of the others. */
  readonly #cells = new Map<number, string>();
  #isClosed = false;

  constructor(platform: HypervisorPlatform, options: WorkerPoolOptions) {
    this.#platform = platform;
    this.#options = options;
    this.#workers = Array.from({ length: options.count }, (_, number) => this.#start(number));
  }

  /** Those that machines share, by their numbers, and behind them those that one machine has for itself. */
  get workers(): readonly HostWorker[] {
    return this.#workers.filter(({ isAlive }) => isAlive);
  }

  /** How many workers machines share. */
  get sharedCount(): number {
    return this.#options.count;
  }

  isCell({ number }: HostWorker): boolean {
    return number >= this.sharedCount;
  }

  /** The worker that a machine has for itself, started if there is none yet. */
  cellOf(machine: string): HostWorker {
    for (const [number, owner] of this.#cells) if (owner === machine) return this.worker(number);
    let number = this.sharedCount;
    while (this.#cells.has(number)) number++;
    this.#cells.set(number, machine);
    this.#workers[number] = this.#start(number);
    return this.worker(number);
  }

  /** Ends the cells that nobody needs any more. @returns their numbers */
  closeCells(isNeeded: (machine: string) => boolean): readonly number[] {
    const unneeded = [...this.#cells].filter(
      ([number, name]) => !isNeeded(name) && this.worker(number).laneCount === 0,
    );
    return unneeded.map(([number]) => {
      this.#cells.delete(number);
      this.worker(number).terminate();
      return number;
    });
  }

  worker(number: number): HostWorker {
    const worker = this.#workers[number];
    assert(worker !== undefined, `there is no worker ${number}`);
    return worker;
  }

  close(): void {
    this.#isClosed = true;
    for (const worker of this.#workers) worker.terminate();
  }

  #start(number: number): HostWorker {
    const worker = new HostWorker(number, this.#platform.startHost(), (error) => {
      if (this.#isClosed) return;
      this.#workers[number] = this.#start(number);
      this.#options.onEnd(worker, error);
    });
    void this.#watch(worker);
    return worker;
  }

  async #watch(worker: HostWorker): Promise<void> {
    // Until its program has come up, no machine can hold it up; a program that cannot says so itself.
    await worker.call("readings", undefined).catch(() => {});
    while (!this.#isClosed && worker.isAlive) {
      await this.#sleep(READING_MS);
      if (this.#isClosed || !worker.isAlive) return;
      const cancel = this.#abortLater(worker);
      try {
        this.#options.onReadings(worker, await worker.call("readings", undefined));
      } catch (error) {
        if (!(error instanceof VivariumError)) throw error;
      } finally {
        cancel();
      }
    }
  }

  /**
   * Ends the worker unless it is cancelled in time. Time is counted in small pieces that begin when the one before has
   * ended: a host that gives this program no processor stops the count as well.
   */
  #abortLater(worker: HostWorker): () => void {
    const { hangTimeoutMs } = this.#options;
    let left = PIECES;
    let cancel = (): void => {};
    const next = (): void => {
      if (left-- > 0) cancel = this.#platform.schedule(next, hangTimeoutMs / PIECES);
      else worker.abort(`a machine has held the worker up for ${hangTimeoutMs / 1000} s`);
    };
    next();
    return () => cancel();
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#platform.schedule(resolve, delayMs));
  }
}
