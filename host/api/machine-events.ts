import type { Halt } from "../machine/run-loop.js";
import { badOption } from "./arguments.js";
import type { MachineStatus } from "./messages.js";

/** What a machine tells of itself, by event. */
export interface MachineEvents {
  readonly status: MachineStatus;
  /** The guest has ended itself; the machine is off. */
  readonly halt: Halt;
  /** The guest has restarted itself. */
  readonly reboot: undefined;
  /** The machine has ended by an error of Vivarium's own; it is off. */
  readonly failure: Error;
  /** Its history is not recorded any more; it runs on. */
  readonly recordingFailure: Error;
}

type Callbacks = { readonly [E in keyof MachineEvents]: Set<(event: MachineEvents[E]) => void> };

/** Who is told what happens to a machine. */
export class MachineListeners {
  readonly #callbacks: Callbacks = {
    status: new Set(),
    halt: new Set(),
    reboot: new Set(),
    failure: new Set(),
    recordingFailure: new Set(),
  };

  /** @returns a function that ends it @throws VivariumError `option/invalid` for an event that there is not */
  on<E extends keyof MachineEvents>(event: E, callback: (event: MachineEvents[E]) => void): () => void {
    if (!Object.hasOwn(this.#callbacks, event)) {
      throw badOption("on", event, Object.keys(this.#callbacks).join(", "));
    }
    this.#callbacks[event].add(callback);
    return () => void this.#callbacks[event].delete(callback);
  }

  emit<E extends keyof MachineEvents>(event: E, value: MachineEvents[E]): void {
    for (const callback of [...this.#callbacks[event]]) callback(value);
  }
}
