import type { HostServices } from "../../machine/host-services.js";
import { fillRandom } from "./random.js";

const NS_PER_MS = 1e6;

/** Time, sleep and randomness for a machine, from a browser's worker. */
export class BrowserHostServices implements HostServices {
  readonly #beforeGuest: () => Promise<void>;
  readonly #channel = new MessageChannel();
  /** Who waits for a turn of the event loop, a message each: several machines and files share a worker. */
  readonly #waiting: (() => void)[] = [];

  /**
   * @param beforeGuest awaited each time before the guest goes on: what holds the guest back while somebody is slow
   *   to take its output
   */
  constructor(beforeGuest: () => Promise<void> = async () => {}) {
    this.#beforeGuest = beforeGuest;
    this.#channel.port1.onmessage = () => this.#waiting.shift()?.();
  }

  nowNs(): bigint {
    return BigInt(Math.round((performance.timeOrigin + performance.now()) * NS_PER_MS));
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

  /** One turn of the event loop. A message to oneself gives it at once; nested timers wait for 4 ms. */
  async yieldToEvents(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      this.#channel.port2.postMessage(null);
    });
    await this.#beforeGuest();
  }

  randomBytes(into: Uint8Array): void {
    fillRandom(into);
  }
}
