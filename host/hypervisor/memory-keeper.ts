import type { MachineSpec } from "../control/hypervisor/schemas.js";
import { VivariumError } from "../util/errors.js";
import type { ManagedMachine } from "./managed-machine.js";
import { type MemoryClaim, planMemory } from "./memory-policy.js";
import { Turns } from "./turns.js";

const MIB = 2 ** 20;
/** What a machine takes of the host besides its guest's memory: its processor, devices and translated code. */
export const MACHINE_OVERHEAD_BYTE_LENGTH = 12 * MIB;
/** Of a worker that one machine has for itself. */
const WORKER_BYTE_LENGTH = 20 * MIB;
/** What a machine that comes to a worker is expected to touch at first, at most. */
const ARRIVAL_BYTE_LENGTH = 64 * MIB;

export interface MemoryKeeperOptions {
  readonly budgetByteLength: number;
  machines(): readonly ManagedMachine[];
  nowMs(): number;
  /** A machine could not be saved, or not be woken. */
  onFailure(machine: ManagedMachine, error: unknown): void;
}

/** Sees to it that machines do not take more of the host's memory than they may have in all: docs/hypervisor.md. */
export class MemoryKeeper {
  readonly #options: MemoryKeeperOptions;
  /** Room is made for one after the other. */
  readonly #turns = new Turns();
  /** Granted to machines that have not come yet. */
  #promised = 0;

  constructor(options: MemoryKeeperOptions) {
    this.#options = options;
  }

  get budgetByteLength(): number {
    return this.#options.budgetByteLength;
  }

  get usedByteLength(): number {
    return this.#options.machines().reduce((sum, machine) => sum + takenBy(machine), 0);
  }

  /**
   * Lets a machine come that does not take up memory yet: if there is no room, idle ones are hibernated.
   *
   * @throws VivariumError `admission/memory` when there is no room, and none can be made
   */
  async makeRoom(machine: ManagedMachine, come: () => Promise<void>): Promise<void> {
    const wanted = arrivalOf(machine.spec);
    await this.#turns.run(async () => {
      for (let missing = this.#missing(wanted); missing > 0; missing = this.#missing(wanted)) {
        const idle = this.#plan(missing).hibernate[0];
        if (idle === undefined || !(await this.#hibernate(idle))) throw this.#refusal(machine, wanted);
      }
      this.#promised += wanted;
    });
    try {
      await come();
    } finally {
      this.#promised -= wanted;
    }
  }

  /** To be called about once a second: balloons, then hibernates, and wakes again when there is room. */
  async look(): Promise<void> {
    if (this.#turns.isBusy) return;
    await this.#turns.run(async () => {
      const { isPressed, balloons, hibernate, wake } = this.#plan(this.#missing(0));
      if (isPressed) for (const machine of this.#options.machines()) machine.askMemory();
      for (const { name, byteLength } of balloons) await this.#attempt(name, (each) => each.setBalloon(byteLength));
      for (const name of hibernate) if (this.#missing(0) > 0) await this.#hibernate(name);
      for (const name of wake) void this.#attempt(name, (each) => each.wake());
    });
  }

  #missing(wanted: number): number {
    return this.usedByteLength + this.#promised + wanted - this.budgetByteLength;
  }

  #plan(missing: number) {
    return planMemory(this.#options.machines().map(claimOf), {
      missingByteLength: missing,
      budgetByteLength: this.budgetByteLength,
      nowMs: this.#options.nowMs(),
    });
  }

  async #hibernate(name: string): Promise<boolean> {
    return this.#attempt(name, (machine) => machine.hibernate("memory"));
  }

  async #attempt(name: string, work: (machine: ManagedMachine) => Promise<void>): Promise<boolean> {
    const machine = this.#options.machines().find((each) => each.name === name);
    if (machine === undefined) return false;
    try {
      await work(machine);
      return true;
    } catch (error) {
      this.#options.onFailure(machine, error);
      return false;
    }
  }

  #refusal({ name }: ManagedMachine, wanted: number): VivariumError {
    const free = Math.max(0, this.budgetByteLength - this.usedByteLength - this.#promised);
    const message = `${name} needs ${Math.ceil(wanted / MIB)} MiB; ${Math.floor(free / MIB)} MiB are free, and no machine is idle`;
    return new VivariumError("admission/memory", message, { machine: name });
  }
}

/** @throws VivariumError `admission/memory` for a machine that can never fit */
export function checkMemory({ name, memoryMiB }: MachineSpec, budgetByteLength: number): void {
  if (memoryMiB * MIB + MACHINE_OVERHEAD_BYTE_LENGTH <= budgetByteLength) return;
  const budget = Math.floor(budgetByteLength / MIB);
  const message = `${name} has ${memoryMiB} MiB of memory; all machines together may have ${budget} MiB`;
  throw new VivariumError("admission/memory", message, { machine: name, memoryMiB });
}

function arrivalOf({ memoryMiB }: MachineSpec): number {
  return Math.min(memoryMiB * MIB, ARRIVAL_BYTE_LENGTH) + MACHINE_OVERHEAD_BYTE_LENGTH;
}

/** Memory of the host that a machine takes up now. */
function takenBy({ worker, meter, isAlone }: ManagedMachine): number {
  if (worker === null) return 0;
  const overhead = MACHINE_OVERHEAD_BYTE_LENGTH + (isAlone ? WORKER_BYTE_LENGTH : 0);
  return meter.residentByteLength + meter.diskByteLength + overhead;
}

function claimOf(machine: ManagedMachine): MemoryClaim {
  const { meter, spec } = machine;
  return {
    name: machine.name,
    state: machine.worker !== null ? "present" : machine.isEvicted ? "evicted" : "absent",
    isHeld: machine.isBusy || machine.handle.isPinned,
    takenByteLength: takenBy(machine),
    arrivalByteLength: arrivalOf(spec),
    memoryByteLength: spec.memoryMiB * MIB,
    spareByteLength: meter.spareByteLength,
    balloonTargetByteLength: machine.balloonTargetByteLength,
    isBalloonOurs: machine.isBalloonOurs,
    lastActiveMs: meter.lastActiveMs,
  };
}
