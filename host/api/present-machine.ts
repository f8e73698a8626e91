import type { Machine } from "../machine/machine.js";
import type { MachineSetup } from "./messages.js";

/** The machine that there is now, of those that a worker has one after the other. */
export interface PresentMachine {
  /** Null while it is off. */
  readonly machine: Machine | null;
  /** What it is made of, the image's own disk included; null before `create`. */
  readonly setup: MachineSetup | null;
}
