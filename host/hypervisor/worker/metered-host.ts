import type { HostServices } from "../../machine/host-services.js";

/** A host that knows how long its machine has had the thread: from each turn it got to the next one it gave away. */
export class MeteredHost implements HostServices {
  readonly #host: HostServices;
  #busyMs = 0;
  #sinceMs: number | null = null;

  constructor(host: HostServices) {
    this.#host = host;
  }

  /** What the guest's instructions and its devices' work took. */
  get busyMs(): number {
    return this.#busyMs;
  }

  nowNs(): bigint {
    return this.#host.nowNs();
  }

  monotonicMs(): number {
    return this.#host.monotonicMs();
  }

  sleep(ms: number): { readonly done: Promise<void>; wake(): void } {
    this.#pause();
    const { done, wake } = this.#host.sleep(ms);
    return { done: done.then(() => this.#begin()), wake };
  }

  async yieldToEvents(): Promise<void> {
    this.#pause();
    await this.#host.yieldToEvents();
    this.#begin();
  }

  randomBytes(into: Uint8Array): void {
    this.#host.randomBytes(into);
  }

  #begin(): void {
    this.#sinceMs = this.#host.monotonicMs();
  }

  #pause(): void {
    if (this.#sinceMs !== null) this.#busyMs += this.#host.monotonicMs() - this.#sinceMs;
    this.#sinceMs = null;
  }
}
