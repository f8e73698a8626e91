import type { MachineSpec } from "../control/hypervisor/schemas.js";
import { VivariumError } from "../util/errors.js";
import type { ManagedMachine } from "./managed-machine.js";

const MIB = 2 ** 20;
/** What a machine takes of the host besides its guest's memory: its processor, devices and translated code. */
export const MACHINE_OVERHEAD_BYTE_LENGTH = 12 * MIB;
/** What a machine that comes to a worker is expected to touch at first, at most. */
const ARRIVAL_BYTE_LENGTH = 64 * MIB;

export interface MemoryKeeperOptions {
  readonly budgetByteLength: number;
  machines(): readonly ManagedMachine[];
  nowMs(): number;
}

/** Sees to it that machines do not take more of the host's memory than they may have in all. */
export class MemoryKeeper {
  readonly #options: MemoryKeeperOptions;

  constructor(options: MemoryKeeperOptions) {
    this.#options = options;
  }

  get budgetByteLength(): number {
    return this.#options.budgetByteLength;
  }

  get usedByteLength(): number {
    return this.#options.machines().reduce((sum, machine) => sum + takenBy(machine), 0);
  }

  /** @throws VivariumError `admission/memory` when there is no room for the machine, and none can be made */
  async makeRoom(machine: ManagedMachine): Promise<void> {
    const wanted = Math.min(machine.spec.memoryMiB * MIB, ARRIVAL_BYTE_LENGTH) + MACHINE_OVERHEAD_BYTE_LENGTH;
    if (this.usedByteLength + wanted <= this.budgetByteLength) return;
    const free = Math.max(0, this.budgetByteLength - this.usedByteLength);
    const message = `${machine.name} needs ${Math.ceil(wanted / MIB)} MiB; ${Math.floor(free / MIB)} MiB are free`;
    throw new VivariumError("admission/memory", message, { machine: machine.name });
  }

  close(): void {}
}

/** @throws VivariumError `admission/memory` for a machine that can never fit */
export function checkMemory({ name, memoryMiB }: MachineSpec, budgetByteLength: number): void {
  if (memoryMiB * MIB + MACHINE_OVERHEAD_BYTE_LENGTH <= budgetByteLength) return;
  const budget = Math.floor(budgetByteLength / MIB);
  const message = `${name} has ${memoryMiB} MiB of memory; all machines together may have ${budget} MiB`;
  throw new VivariumError("admission/memory", message, { machine: name, memoryMiB });
}

/** Memory of the host that a machine takes up now. */
function takenBy(machine: ManagedMachine): number {
  return machine.isPresent ? machine.meter.residentByteLength + MACHINE_OVERHEAD_BYTE_LENGTH : 0;
}
