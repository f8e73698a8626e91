import type { MachineSetup } from "../api/messages.js";
import { buffersOf } from "../api/packed-state.js";
import type { Transit } from "../api/transit.js";
import { VivariumError } from "../util/errors.js";
import { plugIn } from "./handle-wires.js";
import type { HostWorker } from "./host-worker.js";
import type { Lane, LanePlace } from "./lane.js";
import { setupOfSpec } from "./machine-setup.js";
import type { AdoptedState, MachineSurroundings } from "./machine-surroundings.js";
import type { ManagedFile } from "./managed-file.js";
import type { ManagedMachine } from "./managed-machine.js";
import type { FileFacts, LaneReading } from "./messages.js";

/** Makes the machine in a worker. */
export type Arrival = (worker: HostWorker, lane: number) => Promise<Arrived>;

export interface Arrived {
  /** Whether it knows nothing of its users yet. */
  readonly isNew: boolean;
  /** Whether it is to run. */
  readonly isRunning: boolean;
}

/** What a machine leaves when it goes to sleep. */
export interface Departure {
  readonly facts: FileFacts;
  readonly reading: LaneReading | null;
  readonly isRunning: boolean;
}

/** Where a machine is, how it comes to a worker and leaves it, and what it takes along. */
export class Residence {
  readonly #around: MachineSurroundings;
  readonly #machine: ManagedMachine;
  readonly #file: ManagedFile;
  readonly #lane: Lane;
  /** Complete, once the machine has been in a worker. */
  #setup: MachineSetup | null = null;
  /** What was on its way when it went to sleep. */
  #transit: Transit | null = null;
  /** The worker that it is about to come to. */
  #heading: HostWorker | null = null;

  constructor(around: MachineSurroundings, machine: ManagedMachine, file: ManagedFile, lane: Lane) {
    this.#around = around;
    this.#machine = machine;
    this.#file = file;
    this.#lane = lane;
  }

  get place(): LanePlace | null {
    return this.#lane.place;
  }

  /** The worker that it is in, or is about to come to. */
  get heading(): HostWorker | null {
    return this.place?.worker ?? this.#heading;
  }

  get setup(): MachineSetup {
    return this.#setup ?? this.#freshSetup();
  }

  /** Nobody knows what was on its way any more. */
  forgetTransit(): void {
    this.#transit = null;
  }

  boot(): Arrival {
    const setup = this.#freshSetup();
    return async (worker, lane) => {
      this.#setup = await worker.call("create", { lane, name: this.#machine.name, setup });
      return { isNew: true, isRunning: true };
    };
  }

  wake(isRunning: boolean): Arrival {
    const [transit, known] = [this.#transit, this.#setup];
    const setup = this.setup;
    return async (worker, lane) => {
      const { name } = this.#machine;
      const argument = { lane, name, file: this.#file.path, setup, isComplete: known !== null, transit };
      this.#setup = await worker.call("wake", argument);
      this.#transit = null;
      return { isNew: transit === null, isRunning };
    };
  }

  adopt({ core, setup, state }: AdoptedState, isRunning: boolean): Arrival {
    return async (worker, lane) => {
      this.#setup = setup;
      const argument = { lane, name: this.#machine.name, core, setup, state, identity: "renewed" } as const;
      await worker.call("adopt", argument, buffersOf(state));
      return { isNew: true, isRunning };
    };
  }

  /** Comes to a worker when there is room. @param onArrived is called before it runs */
  async come(arrive: Arrival, onArrived: (arrived: Arrived) => void): Promise<Arrived> {
    let worker = null as HostWorker | null;
    let lane = 0;
    let arrived: Arrived = { isNew: true, isRunning: false };
    try {
      await this.#around.makeRoom(this.#machine, async () => {
        worker = this.#around.chooseWorker(this.#machine);
        this.#heading = worker;
        // What the machine's first words are answered with waits until it is there.
        this.#lane.hold();
        await plugIn(this.#machine.handle, this.#machine.spec);
        lane = this.#lane.open(worker);
        arrived = await arrive(worker, lane);
        onArrived(arrived);
        this.#lane.release(worker, lane, arrived.isNew);
        if (arrived.isRunning) await worker.call("start", { lane });
      });
      return arrived;
    } catch (error) {
      worker?.closeLane(lane);
      throw error;
    } finally {
      this.#heading = null;
    }
  }

  /** Goes to sleep in its file. It goes on where it is when that cannot be, unless its worker has ended. */
  async sleep({ worker, lane }: LanePlace): Promise<Departure> {
    this.#lane.hold();
    try {
      const answer = await worker.call("hibernate", { lane, file: this.#file.path });
      const { transit, isRunning, reading, ...facts } = answer;
      worker.closeLane(lane);
      this.#transit = transit;
      return { facts, reading, isRunning };
    } catch (error) {
      if (worker.isAlive) this.#lane.release(worker, lane, false);
      throw error;
    }
  }

  /** Goes to another worker amid everything. @param onDetached is called when it has left the one */
  async move(from: LanePlace, to: HostWorker, onDetached: (reading: LaneReading | null) => void): Promise<void> {
    this.#lane.hold();
    let lane = 0;
    try {
      const { core, machine, reading } = await from.worker.call("detach", { lane: from.lane });
      from.worker.closeLane(from.lane);
      onDetached(reading);
      lane = this.#lane.open(to);
      await to.call("attach", { lane, name: this.#machine.name, core, machine }, buffersOf(machine.state));
      this.#lane.release(to, lane, false);
    } catch (error) {
      to.closeLane(lane);
      throw error;
    }
  }

  #freshSetup(): MachineSetup {
    return setupOfSpec(this.#machine.spec, (into) => this.#around.platform.randomBytes(into));
  }
}

/** Whether the machine cannot be as it is asked for: trying again would come to the same. */
export function isMisspecified(error: unknown): boolean {
  return error instanceof VivariumError && /^(?:image|option)\//.test(error.code);
}

/** Whether the worker has ended, and the machine with it. */
export function isWorkerEnd(error: unknown): boolean {
  return error instanceof VivariumError && error.code === "worker/ended";
}
