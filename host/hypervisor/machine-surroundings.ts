import type { MachineSetup } from "../api/messages.js";
import type { PackedState } from "../api/packed-state.js";
import type { WasmModule } from "../core/wasm.js";
import type { EventKind } from "./event-log.js";
import type { HostWorker } from "./host-worker.js";
import type { MachineControls } from "./hypervisor-machine.js";
import type { ManagedMachine } from "./managed-machine.js";
import type { HypervisorPlatform } from "./platform.js";
import type { MachineRecord } from "./store.js";

/** What a machine needs of its hypervisor. */
export interface MachineSurroundings {
  readonly platform: HypervisorPlatform;
  /** The worker that a machine is to come to now. */
  chooseWorker(machine: ManagedMachine): HostWorker;
  /** The worker in which the file of a machine that is in none is opened. */
  chooseFileWorker(machine: ManagedMachine): HostWorker;
  /** Whether one machine has the worker for itself. */
  isCell(worker: HostWorker): boolean;
  /** Lets a machine come when there is room for it. @throws VivariumError `admission/memory` */
  makeRoom(machine: ManagedMachine, come: () => Promise<void>): Promise<void>;
  /** What the workers know the machine's file by. */
  fileOf(machine: string): string;
  /** The worker that had the machine's file open has ended. */
  abandonFile(machine: string): void;
  /** Writes down what has changed: what is answered is kept. */
  flush(): void;
  /** The machine is not what it was: it is to be written down. */
  changed(machine: ManagedMachine): void;
  tell(kind: EventKind, machine: string, message: string, data?: Record<string, unknown>): void;
}

/** Why a machine is hibernated: one that had to make room, or whose hypervisor ends, goes on as soon as it can. */
export type HibernationReason = "asked" | "memory" | "closing";

/** Where a new machine comes from. */
export type Origin = Pick<MachineControls, "fork" | "set"> & { readonly record: MachineRecord };

/** A machine's state for others that go on from it. */
export interface PackedForFork {
  readonly core: WasmModule;
  readonly setup: MachineSetup;
  readonly states: readonly PackedState[];
}

export interface AdoptedState {
  readonly core: WasmModule;
  readonly setup: MachineSetup;
  readonly state: PackedState;
}
