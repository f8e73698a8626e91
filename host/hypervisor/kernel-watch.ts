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
  /** How often it had waited when a panic was on its console first. */
  #waitsAtPanic: number | null = null;
  #livesOn = false;

  /** Another kernel, or the same one at another time. */
  reset(): void {
    this.#console = new ConsoleWatch();
    this.#last = null;
    this.#waitsAtPanic = null;
    this.#livesOn = false;
  }

  write(bytes: Uint8Array): void {
    this.#console.write(bytes);
  }

  /** Why the kernel asks for a restart, if that is because it has panicked. */
  get panic(): string | null {
    const { panic } = this.#console;
    return panic === null ? null : `the guest panicked: ${panic}`;
  }

  /** Whether it may be at its end: a panic is on its console, and it has not been seen to live on. */
  get isDoubtful(): boolean {
    return this.#console.panic !== null && !this.#livesOn;
  }

  /** @returns why the kernel does nothing more, if that is so since the reading before */
  look({ instructions, waits }: LaneReading): string | null {
    if (this.#console.panic !== null) {
      this.#waitsAtPanic ??= waits;
      this.#livesOn ||= waits > this.#waitsAtPanic;
    }
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
