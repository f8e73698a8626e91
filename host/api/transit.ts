import type { MachineState } from "../machine/machine-state.js";
import type { LinkTransit } from "../network/remote-link.js";
import type { ConsoleTransit } from "./console-relay.js";
import type { MachineSetup } from "./messages.js";

/** What is on its way between a machine and its users, which no state of the machine has. */
export interface Transit {
  readonly console: ConsoleTransit;
  /** By port: messages that the guest's device had no room for yet. */
  readonly ports: readonly { readonly name: string; readonly waiting: readonly Uint8Array[] }[];
  /** By network device. */
  readonly links: readonly LinkTransit[];
  /** Of the operator's terminal. */
  readonly size: { readonly columns: number; readonly rows: number } | null;
}

/** A machine that has been taken out of its server amid everything, to go on in another one. */
export interface DetachedMachine {
  readonly setup: MachineSetup;
  readonly state: MachineState;
  readonly transit: Transit;
  /** Whether it ran. */
  readonly isRunning: boolean;
}
