import type { HostServices } from "../../machine/host-services.js";

/** Machines that end together have their memory collected together. */
const PATIENCE_MS = 50;
/** Of the time of a thread that others use, collecting takes at most one part in so many. */
const COST_PARTS = 10;

/**
 * Has garbage collected some time after it was asked for: soon, but a collection looks at everything that is still
 * there, and a hundred machines that end one after the other are not to hold the others up a hundred times.
 */
export class GarbageCollection {
  readonly #host: Pick<HostServices, "monotonicMs" | "sleep">;
  readonly #collect: () => void;
  #isRequested = false;
  /** Not before then. */
  #dueMs = 0;

  /** @param collect takes its time, and nothing else is done meanwhile */
  constructor(host: Pick<HostServices, "monotonicMs" | "sleep">, collect: () => void) {
    this.#host = host;
    this.#collect = collect;
  }

  request(): void {
    if (this.#isRequested) return;
    this.#isRequested = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    await this.#host.sleep(Math.max(PATIENCE_MS, this.#dueMs - this.#host.monotonicMs())).done;
    // What is asked for from now on is not part of this one.
    this.#isRequested = false;
    const startMs = this.#host.monotonicMs();
    this.#collect();
    const endMs = this.#host.monotonicMs();
    this.#dueMs = endMs + (endMs - startMs) * COST_PARTS;
  }
}
