import type { HostServices } from "../machine/host-services.js";

/** What of `HostServices` Node and browsers give alike: sleep, a steady clock, and the guest held back. */
export abstract class TimedHostServices implements HostServices {
  readonly #beforeGuest: () => Promise<void>;

  /**
   * @param beforeGuest awaited each time before the guest goes on: what holds the guest back while somebody is slow
   *   to take its output
   */
  constructor(beforeGuest: () => Promise<void> = async () => {}) {
    this.#beforeGuest = beforeGuest;
  }

  abstract nowNs(): bigint;

  abstract randomBytes(into: Uint8Array): void;

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

  async yieldToEvents(): Promise<void> {
    await this.turnOfEvents();
    await this.#beforeGuest();
  }

  /** Resolves after one turn of the event loop, which does not wait for anything. */
  protected abstract turnOfEvents(): Promise<void>;
}
