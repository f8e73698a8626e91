import { TimedHostServices } from "../../api/timed-host-services.js";
import { fillRandom } from "./random.js";

const NS_PER_MS = 1e6;

/** Time, sleep and randomness for a machine, from a browser's worker. */
export class BrowserHostServices extends TimedHostServices {
  readonly #channel = new MessageChannel();
  /** Who waits for a turn of the event loop, a message each: several machines and files share a worker. */
  readonly #waiting: (() => void)[] = [];

  constructor(beforeGuest?: () => Promise<void>) {
    super(beforeGuest);
    this.#channel.port1.onmessage = () => this.#waiting.shift()?.();
  }

  nowNs(): bigint {
    return BigInt(Math.round((performance.timeOrigin + performance.now()) * NS_PER_MS));
  }

  randomBytes(into: Uint8Array): void {
    fillRandom(into);
  }

  /** A message to oneself gives a turn at once; nested timers wait for 4 ms. */
  protected turnOfEvents(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#channel.port2.postMessage(null);
    });
  }
}
