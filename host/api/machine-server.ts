import type { Identity, MachineState } from "../machine/machine.js";
import type { ProcessorTurns } from "../machine/processor-turns.js";
import type { MachineFile } from "../snapshot/machine-file.js";
import { unreachable, VivariumError } from "../util/errors.js";
import { MachineHolder } from "./machine-holder.js";
import {
  type CallName,
  type Calls,
  type FromWorker,
  type MachineSetup,
  type MachineStatus,
  packError,
  type ToWorker,
} from "./messages.js";
import { buffersOf, StatePacker } from "./packed-state.js";
import type { WorkerPlatform } from "./platform.js";
import type { PresentMachine } from "./present-machine.js";
import type { ReplayReport } from "./replay.js";
import { refuseSharedDrives } from "./resumed-setup.js";
import type { DetachedMachine } from "./transit.js";
import { statsOf } from "./worker-stats.js";

/** The machine as the worker's own program sees it, beside the caller at the channel: what keeps it in a file. */
export interface ServedMachine {
  /** @throws VivariumError `machine/status` when it is off */
  capture(): Promise<MachineState>;
  /** Goes on from a state, paused; `setup` is for when the guest starts anew. */
  adopt(setup: MachineSetup, state: MachineState, identity: Identity): Promise<void>;
  /** Goes back to a state of its own, as it was running or not. */
  restore(state: MachineState, identity: Identity): Promise<void>;
  /**
   * Begins to record the machine's history in a file, or with null ends that; it runs on if it ran.
   *
   * @throws VivariumError `machine/status` when it is off
   */
  record(file: MachineFile | null): Promise<void>;
  /**
   * Runs the newest history of a file again, to the console. The machine itself stands still meanwhile.
   *
   * @param onBegun told how to give up, when it begins
   * @throws VivariumError as `snapshot/replay.ts` says
   */
  replay(file: MachineFile, onBegun: (cancel: () => void) => void): Promise<ReplayReport>;
}

/** A machine whose worker decides about it, not the caller: one of many that a worker serves. */
export interface HostedServer extends ServedMachine, PresentMachine {
  receive(message: ToWorker): void;
  readonly status: MachineStatus;
  /** The end of what the guest has written. */
  readonly consoleTail: Uint8Array;
  create(setup: MachineSetup): Promise<MachineSetup>;
  /** With the image's own disk, as `create` answers. */
  complete(setup: MachineSetup): Promise<MachineSetup>;
  start(): Promise<void>;
  pause(): Promise<void>;
  /** Switches the machine off at once, and closes what it is made of. */
  close(): Promise<void>;
  /**
   * Takes the machine out amid everything. Its users are told nothing, and nothing more comes from here.
   *
   * @throws VivariumError `machine/status` when it is off
   */
  detach(): Promise<DetachedMachine>;
  /** Goes on, paused, with a machine that was taken out of a server elsewhere; its users are told nothing. */
  attach(machine: Pick<DetachedMachine, "setup" | "state" | "transit">, identity: Identity): Promise<void>;
}

/** Serves one machine to the program at the other end of the channel, which hands over its messages itself. */
export function hostMachine(platform: WorkerPlatform, turns: ProcessorTurns): HostedServer {
  return new MachineServer(platform, turns);
}

/** Serves one machine to the program at the other end of the channel: what a worker does. */
export function serveMachine(platform: WorkerPlatform): ServedMachine {
  const server = new MachineServer(platform);
  platform.channel.onMessage((message) => server.receive(message as ToWorker));
  return server;
}

/** What is asked of a machine, by messages or by the worker's own program: one thing after the other. */
class MachineServer implements HostedServer {
  readonly #platform: WorkerPlatform;
  readonly #holder: MachineHolder;
  readonly #packer = new StatePacker();
  readonly #snapshots = new Map<number, MachineState>();
  #lastSnapshot = 0;
  #turn: Promise<void> = Promise.resolve();

  /** @param turns null for a machine that has the thread for itself */
  constructor(platform: WorkerPlatform, turns: ProcessorTurns | null = null) {
    this.#platform = platform;
    this.#holder = new MachineHolder(platform, turns, (message, transfer) => this.#post(message, transfer));
  }

  receive(message: ToWorker): void {
    if (message.kind !== "call") this.#holder.wiring.receive(message);
    else this.#turn = this.#turn.then(() => this.#serve(message.id, message.name, message.argument));
  }

  get machine(): PresentMachine["machine"] {
    return this.#holder.machine;
  }

  get status(): MachineStatus {
    return this.#holder.status;
  }

  get setup(): MachineSetup | null {
    return this.#holder.setup;
  }

  get consoleTail(): Uint8Array {
    return this.#holder.wiring.console.tail();
  }

  complete(setup: MachineSetup): Promise<MachineSetup> {
    return this.#holder.complete(setup);
  }

  create(setup: MachineSetup): Promise<MachineSetup> {
    return this.#inTurn(() => this.#holder.create({ setup, record: null }));
  }

  start(): Promise<void> {
    return this.#inTurn(() => this.#holder.start());
  }

  pause(): Promise<void> {
    return this.#inTurn(() => this.#holder.halt("paused"));
  }

  capture(): Promise<MachineState> {
    return this.#inTurn(() => this.#holder.capture());
  }

  adopt(setup: MachineSetup, state: MachineState, identity: Identity): Promise<void> {
    return this.#inTurn(() => this.#holder.adopt(setup, state, identity));
  }

  restore(state: MachineState, identity: Identity): Promise<void> {
    return this.#inTurn(() => this.#holder.restore(state, identity));
  }

  record(file: MachineFile | null): Promise<void> {
    return this.#inTurn(() => this.#holder.record(file));
  }

  replay(file: MachineFile, onBegun: (cancel: () => void) => void): Promise<ReplayReport> {
    return this.#inTurn(async () => {
      if (this.status === "running") await this.#holder.halt("paused");
      const { report } = await this.#holder.replay(file, { translate: "on" }, onBegun);
      return report;
    });
  }

  detach(): Promise<DetachedMachine> {
    return this.#inTurn(() => this.#holder.detach());
  }

  attach(machine: Pick<DetachedMachine, "setup" | "state" | "transit">, identity: Identity): Promise<void> {
    return this.#inTurn(() => this.#holder.attach(machine, identity));
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#holder.close());
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.then(
      () => {},
      () => {},
    );
    return done;
  }

  async #serve(id: number, name: CallName, argument: unknown): Promise<void> {
    try {
      const { value, transfer } = await this.#answer(name, argument);
      this.#post({ kind: "answer", id, value }, transfer);
    } catch (error) {
      this.#post({ kind: "refusal", id, error: packError(error) });
    }
  }

  async #answer(name: CallName, argument: unknown): Promise<Answer> {
    const given = <N extends CallName>() => argument as Calls[N]["argument"];
    const holder = this.#holder;
    switch (name) {
      case "create":
        return answer(await holder.create(given<"create">()));
      case "adopt":
        return answer(await this.#adoptFork(given<"adopt">()));
      case "open":
        return answer(await holder.open(given<"open">()));
      case "save":
        return answer(await this.#save(given<"save">()));
      case "start":
        return answer(await holder.start());
      case "pause":
        this.#refuseOff();
        return answer(await holder.halt("paused"));
      case "resume":
        this.#refuseOff();
        return answer(await holder.start());
      case "stop":
        return answer(await holder.halt("off"));
      case "reset":
        await holder.halt("off");
        return answer(await holder.start());
      case "snapshot":
        return answer(await this.#takeSnapshot());
      case "restore": {
        const { id, identity } = given<"restore">();
        return answer(await holder.restore(this.#snapshot(id), identity));
      }
      case "deleteSnapshot":
        this.#snapshots.delete(given<"deleteSnapshot">().id);
        return answer(undefined);
      case "pack":
        return this.#pack(given<"pack">());
      case "stats":
        return answer(statsOf(holder.machine));
      case "setBalloon":
        holder.balloon.setTarget(given<"setBalloon">().byteLength);
        return answer(undefined);
      case "guestMemory":
        return answer(await holder.guestMemory());
      case "stateHash":
        return answer(await holder.stateHash());
      case "close":
        return answer(await holder.close());
      default:
        return unreachable(name);
    }
  }

  #refuseOff(): void {
    if (this.status === "off") throw new VivariumError("machine/status", "the machine is off; start it first");
  }

  async #adoptFork(argument: Calls["adopt"]["argument"]): Promise<void> {
    refuseSharedDrives(argument.setup);
    await this.#holder.adoptFork(argument, this.#packer.unpack(argument.state));
    if (argument.start) await this.#holder.start();
  }

  async #save(argument: Calls["save"]["argument"]): Promise<void> {
    await this.#holder.save(argument);
    // What the machine still had in a former file is in this one, too.
    if (this.#snapshots.size === 0) await this.#holder.closeFormerFiles();
  }

  async #takeSnapshot(): Promise<Calls["snapshot"]["answer"]> {
    const state = await this.#holder.capture();
    this.#snapshots.set(++this.#lastSnapshot, state);
    return { id: this.#lastSnapshot, instructions: state.instructions };
  }

  #snapshot(id: number): MachineState {
    const state = this.#snapshots.get(id);
    if (state === undefined) throw new VivariumError("snapshot/unknown", "this snapshot has been deleted");
    return state;
  }

  async #pack({ id, count }: Calls["pack"]["argument"]): Promise<Answer> {
    const state = id === null ? await this.#holder.capture() : this.#snapshot(id);
    const states = this.#packer.pack(state, count);
    const transfer = [...new Set(states.flatMap(buffersOf))];
    return { value: { core: await this.#holder.loadCore(), states } satisfies Calls["pack"]["answer"], transfer };
  }

  #post(message: FromWorker, transfer: readonly ArrayBuffer[] = []): void {
    this.#platform.channel.post(message, transfer);
  }
}

interface Answer {
  readonly value: unknown;
  readonly transfer: readonly ArrayBuffer[];
}

function answer(value: unknown): Answer {
  return { value, transfer: [] };
}
