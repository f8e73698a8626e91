import type { MachineChange, MachineRequest, MachineSpec } from "../control/hypervisor/schemas.js";
import type { ImageProgress } from "../images/image.js";
import { VivariumError } from "../util/errors.js";
import type { EventLog } from "./event-log.js";
import type { HypervisorMachine } from "./hypervisor-machine.js";
import { withoutForwards } from "./machine-setup.js";
import { specOf } from "./machine-spec.js";
import type { MachineSurroundings } from "./machine-surroundings.js";
import { ManagedMachine } from "./managed-machine.js";
import { NO_USAGE } from "./meter.js";
import type { MachineRecord, Store } from "./store.js";

/** A DNS label: `Name` of the schemas, for callers that were not checked by them. */
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** What decides about new and changed machines. */
export interface MachineRules {
  /** @throws VivariumError naming what cannot be granted to a machine with this specification */
  check(spec: MachineSpec): Promise<void>;
  /** The specifications have changed. */
  changed(): void;
}

/** The machines of a hypervisor, by name. */
export class Machines {
  readonly #around: Omit<MachineSurroundings, "changed">;
  readonly #store: Store;
  readonly #events: EventLog;
  readonly #rules: MachineRules;
  readonly #machines = new Map<string, ManagedMachine>();
  /** Names of machines that are being made. */
  readonly #reserved = new Set<string>();

  constructor(around: Omit<MachineSurroundings, "changed">, store: Store, events: EventLog, rules: MachineRules) {
    this.#around = around;
    this.#store = store;
    this.#events = events;
    this.#rules = rules;
    for (const record of store.machines()) this.#add(record);
  }

  get all(): readonly ManagedMachine[] {
    return [...this.#machines.values()];
  }

  /** @throws VivariumError `machine/unknown` */
  get(name: string): ManagedMachine {
    const machine = this.#machines.get(name);
    if (machine !== undefined) return machine;
    throw new VivariumError("machine/unknown", `there is no machine ${name}`, { machine: name });
  }

  /** @throws VivariumError `machine/exists`, `machine/name` and what speaks against the specification */
  async create(
    { start = true, ...request }: MachineRequest,
    onProgress?: (progress: ImageProgress) => void,
  ): Promise<ManagedMachine> {
    return this.#reserving([request.name], async () => {
      const spec = specOf(request);
      await this.#rules.check(spec);
      const machine = this.#added(spec);
      if (!start) return machine;
      try {
        await machine.start(onProgress);
      } catch (error) {
        // What could not even be started is not there.
        await this.destroy(machine.name);
        throw error;
      }
      return machine;
    });
  }

  /** A machine that has come as a file. @param bring puts the file in its place */
  import(spec: MachineSpec, bring: (machine: ManagedMachine) => Promise<void>): Promise<ManagedMachine> {
    return this.#reserving([spec.name], async () => {
      const machine = this.#added(spec);
      try {
        await bring(machine);
        return machine;
      } catch (error) {
        await this.destroy(machine.name);
        throw error;
      }
    });
  }

  async destroy(name: string): Promise<void> {
    const machine = this.get(name);
    await machine.destroy();
    this.#machines.delete(name);
    this.#store.deleteMachine(name);
    this.#rules.changed();
    this.#events.tell("machine-destroyed", name, `${name} was destroyed`);
  }

  async set(name: string, change: MachineChange): Promise<ManagedMachine> {
    const machine = this.get(name);
    const { memoryTargetMiB, rates, cpu, ...rest } = change;
    const spec = { ...machine.spec, ...rest, cpu: { ...machine.spec.cpu, ...cpu } };
    await this.#rules.check(spec);
    if (memoryTargetMiB !== undefined) {
      await machine.setBalloon(Math.max(0, machine.spec.memoryMiB - memoryTargetMiB) * MIB, false);
    }
    for (const [index, rate] of (rates ?? []).entries()) {
      if (rate !== null) this.#network(machine, index).setRate(rate);
    }
    machine.spec = spec;
    this.#rules.changed();
    await machine.settle();
    this.#events.tell("machine-changed", name, `${name} was changed`, { ...change });
    this.#store.flush();
    return machine;
  }

  /** @param names NAME-1, NAME-2 and so on unless given */
  async fork(name: string, count: number, names?: readonly string[], snapshot?: string): Promise<ManagedMachine[]> {
    const parent = this.get(name);
    const wanted = names ?? this.#freeNames(name, count);
    if (wanted.length !== count) {
      throw new VivariumError("option/invalid", `names: ${wanted.length} for ${count} machines`, { option: "names" });
    }
    return this.#reserving(wanted, async () => {
      const isRunning = parent.status !== "paused";
      const { core, setup, states } = await parent.pack(count, snapshot ?? null);
      const networks = [...withoutForwards(parent.spec.networks)];
      const forks: ManagedMachine[] = [];
      try {
        for (const each of wanted) {
          const spec = { ...parent.spec, name: each, networks, autostart: false };
          await this.#rules.check(spec);
          forks.push(this.#added(spec));
        }
        await Promise.all(forks.map((fork, index) => fork.adopt({ core, setup, state: states[index]! }, isRunning)));
        return forks;
      } catch (error) {
        await Promise.all(forks.map((fork) => this.destroy(fork.name)));
        throw error;
      }
    });
  }

  #network(machine: ManagedMachine, index: number) {
    const network = machine.handle.networks[index];
    if (network !== undefined) return network;
    const count = machine.handle.networks.length;
    throw new VivariumError("option/invalid", `rates: ${machine.name} has ${count} network devices`, {
      option: "rates",
    });
  }

  #freeNames(name: string, count: number): string[] {
    const names: string[] = [];
    for (let number = 1; names.length < count; number++) {
      const each = `${name.slice(0, NAME_LENGTH_MAX - 5)}-${number}`;
      if (!this.#machines.has(each) && !this.#reserved.has(each)) names.push(each);
    }
    return names;
  }

  async #reserving<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
    for (const [index, name] of names.entries()) {
      if (!NAME.test(name)) {
        const message = `${JSON.stringify(name)} can name no machine; expected 1 to 63 of a to z, 0 to 9 and -`;
        throw new VivariumError("machine/name", message, { machine: name });
      }
      if (this.#machines.has(name) || this.#reserved.has(name) || names.indexOf(name) < index) {
        throw new VivariumError("machine/exists", `there is a machine ${name} already`, { machine: name });
      }
    }
    for (const name of names) this.#reserved.add(name);
    try {
      return await work();
    } finally {
      // What is answered is kept.
      this.#store.flush();
      for (const name of names) this.#reserved.delete(name);
    }
  }

  #added(spec: MachineSpec): ManagedMachine {
    const record: MachineRecord = {
      spec,
      createdAt: this.#around.platform.nowMs(),
      startedAt: null,
      goesOn: false,
      wasRunning: false,
      failure: null,
      usage: NO_USAGE,
      savedByteLength: 0,
      isKeptApart: false,
      hasSavedItself: false,
    };
    const machine = this.#add(record);
    this.#store.machineChanged(machine);
    this.#rules.changed();
    this.#events.tell("machine-created", spec.name, `${spec.name} was created`);
    return machine;
  }

  #add(record: MachineRecord): ManagedMachine {
    const { name } = record.spec;
    const around: MachineSurroundings = {
      ...this.#around,
      changed: (machine) => {
        if (this.#machines.get(machine.name) !== machine) return;
        this.#store.machineChanged(machine);
        this.#rules.changed();
      },
    };
    const machine = new ManagedMachine(around, {
      record,
      set: async (change) => void (await this.set(name, change)),
      fork: async (count, names, snapshot) => handlesOf(await this.fork(name, count, names, snapshot)),
    });
    this.#machines.set(name, machine);
    return machine;
  }
}

function handlesOf(machines: readonly ManagedMachine[]): HypervisorMachine[] {
  return machines.map(({ handle }) => handle);
}

const NAME_LENGTH_MAX = 63;
const MIB = 2 ** 20;
