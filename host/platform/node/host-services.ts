import { randomFillSync } from "node:crypto";
import { performance } from "node:perf_hooks";
import type { HostServices } from "../../machine/host-services.js";

const NS_PER_MS = 1_000_000n;

/** Time, sleep and randomness for a machine, from Node. */
export class NodeHostServices implements HostServices {
  readonly #beforeGuest: () => Promise<void>;

  /**
   * @param beforeGuest awaited each time before the guest goes on: what holds the guest back while somebody is slow
   *   to take its output
   */
  constructor(beforeGuest: () => Promise<void> = async () => {}) {
    this.#beforeGuest = beforeGuest;
  }

  nowNs(): bigint {
    return BigInt(Date.now()) * NS_PER_MS;
  }

  monotonicMs(): number {
    return performance.now();
  }

  sleep(ms: number): { readonly done: Promise<void>; wake(): void } {
    let wake = () => {};
    const done = new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    return { done, wake };
  }

  /** One turn of the event loop: completed reads and writes, typed keys and signals are delivered. */
  async yieldToEvents(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    await this.#beforeGuest();
  }

  randomBytes(into: Uint8Array): void {
    randomFillSync(into);
  }
}
