import { assert, VivariumError } from "../util/errors.js";
import { HostWorker } from "./host-worker.js";
import type { LaneReading } from "./messages.js";
import type { HypervisorPlatform } from "./platform.js";

/** How often workers are asked how they are. */
export const READING_MS = 1000;

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
  #isClosed = false;

  constructor(platform: HypervisorPlatform, options: WorkerPoolOptions) {
    this.#platform = platform;
    this.#options = options;
    this.#workers = Array.from({ length: options.count }, (_, number) => this.#start(number));
  }

  get workers(): readonly HostWorker[] {
    return this.#workers;
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
    while (!this.#isClosed && worker.isAlive) {
      await this.#sleep(READING_MS);
      if (this.#isClosed || !worker.isAlive) return;
      const { hangTimeoutMs } = this.#options;
      const cancel = this.#platform.schedule(
        () => worker.abort(`a machine has held the worker up for ${hangTimeoutMs / 1000} s`),
        hangTimeoutMs,
      );
      try {
        this.#options.onReadings(worker, await worker.call("readings", undefined));
      } catch (error) {
        if (!(error instanceof VivariumError)) throw error;
      } finally {
        cancel();
      }
    }
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#platform.schedule(resolve, delayMs));
  }
}
