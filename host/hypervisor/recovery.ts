import type { RestartPolicy } from "../control/hypervisor/schemas.js";
import { KernelWatch } from "./kernel-watch.js";
import type { HypervisorPlatform } from "./platform.js";
import { BackOff, isRestarted, type MachineEnd } from "./restart.js";

export interface Ending {
  readonly end: MachineEnd;
  /** How long the machine had run. */
  readonly ranMs: number;
  /** Whether it ended for another machine's doing: then it need not wait. */
  readonly isBlameless: boolean;
}

/** What becomes of a machine that ends without being told to: its policy starts it again, after a while. */
export class Recovery {
  /** Sees guests end that do not say so to the machine. */
  readonly kernel = new KernelWatch();
  readonly #platform: HypervisorPlatform;
  readonly #backOff = new BackOff();
  #isKeptApart: boolean;
  #cancel: () => void = () => {};

  constructor(platform: HypervisorPlatform, isKeptApart: boolean) {
    this.#platform = platform;
    this.#isKeptApart = isKeptApart;
  }

  /** Whether it is to have a worker for itself: one has ended by its fault since somebody started or moved it. */
  get isKeptApart(): boolean {
    return this.#isKeptApart;
  }

  keepApart(): void {
    this.#isKeptApart = true;
  }

  /** Somebody gives it another chance among the others. */
  forgive(): void {
    this.#isKeptApart = false;
  }

  /** Somebody has started it: whatever it did before, it waits for nothing. */
  beginAnew(): void {
    this.#backOff.reset();
  }

  /** It is not started again: it is on, or is to stay as it is. */
  cancel(): void {
    this.#cancel();
  }

  /** It has ended by itself. @param start is called when its policy lets it go on, and after a while */
  ended(policy: RestartPolicy, { end, ranMs, isBlameless }: Ending, start: () => void): void {
    if (!isRestarted(policy, end)) return;
    const delayMs = isBlameless ? 0 : this.#backOff.next(ranMs);
    this.#cancel = this.#platform.schedule(start, delayMs);
  }
}
