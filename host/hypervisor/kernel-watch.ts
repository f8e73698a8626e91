import { ConsoleWatch } from "../control/console-watch.js";
import type { LaneReading } from "./messages.js";

/**
 * Reads along with a guest's console, to know when its kernel has given up. Programs can write the same lines; so a
 * kernel that says it stays where it is must also never wait for anything again, as Linux does then.
 */
export class KernelWatch {
  #console = new ConsoleWatch();
  /** As it was when the kernel had said so. */
  #last: Pick<LaneReading, "instructions" | "waits"> | null = null;

  /** Another kernel, or the same one at another time. */
  reset(): void {
    this.#console = new ConsoleWatch();
    this.#last = null;
  }

  write(bytes: Uint8Array): void {
    this.#console.write(bytes);
  }

  /** Why the kernel asks for a restart, if that is because it has panicked. */
  get panic(): string | null {
    const { panic } = this.#console;
    return panic === null ? null : `the guest panicked: ${panic}`;
  }

  /** @returns why the kernel does nothing more, if that is so since the reading before */
  look({ instructions, waits }: LaneReading): string | null {
    if (!this.#console.hung) {
      this.#last = null;
      return null;
    }
    const last = this.#last;
    this.#last = { instructions, waits };
    const spins = last !== null && waits === last.waits && instructions > last.instructions;
    return spins ? this.panic : null;
  }
}
