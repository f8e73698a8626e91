import { type MachineSetup, packError } from "../../api/messages.js";
import { buffersOf, type PackedState, StatePacker } from "../../api/packed-state.js";
import type { Channel } from "../../api/platform.js";
import type { HostServices } from "../../machine/host-services.js";
import type { MachineState } from "../../machine/machine-state.js";
import { unreachable, VivariumError } from "../../util/errors.js";
import {
  CONTROL_LANE,
  type Envelope,
  type FileFacts,
  type FromWorkerHost,
  type LaneReading,
  type ToWorkerHost,
  type WorkerCallName,
  type WorkerCalls,
} from "../messages.js";
import type { HostedFile, HostingPlatform } from "../platform.js";
import { Dispatcher } from "../scheduling/dispatcher.js";
import { NotedTurns, TurnNote } from "../turn-note.js";
import { pointsOf } from "./file-points.js";
import { FileShelf } from "./file-shelf.js";
import { FileStreams } from "./file-streams.js";
import { GarbageCollection } from "./garbage-collection.js";
import { HostedMachine } from "./hosted-machine.js";
import { LanePlatform, SharedParts } from "./lane-platform.js";

/** Serves machines to the hypervisor at the other end of the channel: what its workers do. */
export function hostMachines(platform: HostingPlatform): void {
  const host = new MachineHost(platform);
  platform.channel.onMessage((message) => host.receive(message as Envelope));
}

/** Where a machine comes to. */
interface Place {
  readonly lane: number;
  readonly name: string;
}

interface Answer {
  readonly value: unknown;
  readonly transfer?: readonly ArrayBuffer[];
}

class MachineHost {
  readonly #platform: HostingPlatform;
  readonly #shared: SharedParts;
  readonly #shelf: FileShelf;
  readonly #streams: FileStreams;
  readonly #packer: StatePacker;
  readonly #dispatcher: Dispatcher;
  readonly #garbage: GarbageCollection;
  readonly #machines = new Map<number, HostedMachine>();
  #note: TurnNote | null = null;

  constructor(platform: HostingPlatform) {
    this.#platform = platform;
    this.#shared = new SharedParts(platform);
    this.#shelf = new FileShelf(platform);
    this.#streams = new FileStreams(platform, this.#shelf);
    const host = platform.hostServices(async () => {});
    this.#dispatcher = new Dispatcher(host);
    this.#garbage = new GarbageCollection(host, () => platform.collectGarbage());
    this.#packer = new StatePacker(namesFrom(host));
  }

  receive({ lane, message }: Envelope): void {
    if (lane === CONTROL_LANE) void this.#serve(message as ToWorkerHost);
    // What comes after the machine has left this worker was meant for one that is no more.
    else this.#machines.get(lane)?.receive(message);
  }

  async #serve({ id, name, argument }: ToWorkerHost): Promise<void> {
    try {
      const { value, transfer } = await this.#answer(name, argument);
      this.#post({ kind: "answer", id, value }, transfer);
    } catch (error) {
      this.#post({ kind: "refusal", id, error: packError(error) });
    }
  }

  async #answer(name: WorkerCallName, argument: unknown): Promise<Answer> {
    const given = <N extends WorkerCallName>() => argument as WorkerCalls[N]["argument"];
    switch (name) {
      case "readings":
        return { value: [...this.#machines.values()].map((machine) => machine.reading()) };
      case "create": {
        const { setup, ...place } = given<"create">();
        return { value: await this.#making(place, ({ server }) => server.create(setup)) };
      }
      case "start":
        return { value: await this.#machine(given<"start">().lane).server.start() };
      case "pause":
        return { value: await this.#machine(given<"pause">().lane).server.pause() };
      case "close":
        return { value: await this.#close(given<"close">().lane) };
      case "noteTurns":
        this.#note = new TurnNote(given<"noteTurns">());
        return { value: undefined };
      case "policy":
        return { value: this.#dispatcher.setPolicy(given<"policy">()) };
      case "askMemory":
        return { value: this.#machine(given<"askMemory">().lane).askMemory() };
      case "balloon": {
        const { lane, byteLength } = given<"balloon">();
        return { value: this.#machine(lane).server.machine?.balloons[0]?.setTarget(byteLength) };
      }
      case "pack":
        return this.#pack(given<"pack">());
      case "packPoint":
        return this.#packPoint(given<"packPoint">());
      case "detach":
        return this.#detach(given<"detach">().lane);
      case "attach":
        return { value: await this.#attach(given<"attach">()) };
      case "adopt":
        return { value: await this.#adopt(given<"adopt">()) };
      case "save":
        return { value: await this.#save(given<"save">()) };
      case "hibernate":
        return { value: await this.#hibernate(given<"hibernate">()) };
      case "wake":
        return { value: await this.#wake(given<"wake">()) };
      case "namePoint": {
        const { file, name } = given<"namePoint">();
        const opened = await this.#shelf.open(file);
        await opened.file.name(name);
        return { value: { byteLength: opened.file.byteLength } };
      }
      case "points":
        return { value: pointsOf((await this.#shelf.open(given<"points">().file)).file) };
      case "deletePoint":
        return { value: await this.#deletePoint(given<"deletePoint">()) };
      case "restore":
        return { value: await this.#restore(given<"restore">()) };
      case "keepUsage": {
        const { file, usage } = given<"keepUsage">();
        const opened = await this.#shelf.open(file);
        return { value: await opened.file.keepUsage(usage) };
      }
      case "closeFile":
        return { value: await this.#shelf.close(given<"closeFile">().file) };
      case "removeFile":
        return { value: await this.#shelf.remove(given<"removeFile">().file) };
      case "exportBegin": {
        const { file, passphrase } = given<"exportBegin">();
        return { value: await this.#streams.beginExport(file, passphrase) };
      }
      case "exportNext":
        return { value: await this.#streams.nextExport(given<"exportNext">().stream) };
      case "exportEnd":
        return { value: await this.#streams.endExport(given<"exportEnd">().stream) };
      case "importBegin": {
        const { file, passphrase } = given<"importBegin">();
        return { value: this.#streams.beginImport(file, passphrase) };
      }
      case "importNext": {
        const { stream, bytes } = given<"importNext">();
        return { value: await this.#streams.nextImport(stream, bytes) };
      }
      case "importEnd":
        return { value: await this.#streams.endImport(given<"importEnd">().stream) };
      default:
        return unreachable(name);
    }
  }

  /** A machine that is there if `make` succeeds. */
  async #making<T>({ lane, name }: Place, make: (machine: HostedMachine) => Promise<T>): Promise<T> {
    const channel: Channel = {
      post: (message, transfer) => this.#platform.channel.post({ lane, message } satisfies Envelope, transfer),
      // Its messages come by `receive`.
      onMessage: () => {},
    };
    const platform = new LanePlatform(this.#platform, this.#shared, channel);
    const turns = this.#dispatcher.join(name);
    const noted = this.#note === null ? turns : new NotedTurns(turns, lane, this.#note);
    const machine = new HostedMachine(lane, platform, noted);
    this.#machines.set(lane, machine);
    try {
      return await make(machine);
    } catch (error) {
      await this.#close(lane);
      throw error;
    }
  }

  /** @returns how the machine was at last; null when there is none */
  async #close(lane: number): Promise<LaneReading | null> {
    const machine = this.#machines.get(lane);
    if (machine === undefined) return null;
    this.#machines.delete(lane);
    const reading = machine.reading();
    try {
      await machine.server.close();
    } finally {
      machine.leave();
      if (machine.file !== null) await this.#shelf.close(machine.file);
      this.#garbage.request();
    }
    return reading;
  }

  async #pack({ lane, count }: WorkerCalls["pack"]["argument"]): Promise<Answer> {
    const { server } = this.#machine(lane);
    const state = await server.capture();
    return this.#packed(state, count, server.setup);
  }

  async #packPoint({ file, name, count }: WorkerCalls["packPoint"]["argument"]): Promise<Answer> {
    const { file: opened } = await this.#shelf.open(file);
    return this.#packed(opened.load(opened.find(name)), count, null);
  }

  async #packed(state: MachineState, count: number, setup: MachineSetup | null): Promise<Answer> {
    const states = this.#packer.pack(state, count);
    const transfer = [...new Set(states.flatMap(buffersOf))];
    return { value: { core: await this.#shared.loadCore(), setup, states }, transfer };
  }

  async #detach(lane: number): Promise<Answer> {
    const machine = this.#machine(lane);
    const { state, ...rest } = await machine.server.detach();
    const [packed] = this.#packer.pack(state, 1) as [PackedState];
    const answer: WorkerCalls["detach"]["answer"] = {
      reading: await this.#close(lane),
      core: await this.#shared.loadCore(),
      machine: { ...rest, state: packed },
    };
    return { value: answer, transfer: buffersOf(packed) };
  }

  #attach({ machine: packed, ...place }: WorkerCalls["attach"]["argument"]): Promise<void> {
    return this.#making(place, async ({ server }) => {
      await server.attach({ ...packed, state: this.#packer.unpack(packed.state) }, "kept");
      if (packed.isRunning) await server.start();
    });
  }

  #adopt({ setup, state, identity, ...place }: WorkerCalls["adopt"]["argument"]): Promise<void> {
    return this.#making(place, ({ server }) => server.adopt(setup, this.#packer.unpack(state), identity));
  }

  async #save({ lane, file, name }: WorkerCalls["save"]["argument"]): Promise<FileFacts> {
    const machine = this.#machine(lane);
    const opened = await this.#shelf.open(file);
    machine.file = file;
    const state = await machine.server.capture();
    await this.#write(opened, state, machine, name);
    return { byteLength: opened.file.byteLength };
  }

  async #hibernate({ lane, file }: WorkerCalls["hibernate"]["argument"]): Promise<WorkerCalls["hibernate"]["answer"]> {
    const machine = this.#machine(lane);
    const opened = await this.#shelf.open(file);
    machine.file = file;
    const detached = await machine.server.detach();
    const { state, transit, isRunning } = detached;
    try {
      await opened.file.save(state, { console: transit.console.tail });
    } catch (error) {
      // Nothing is lost for want of room: it goes on as it was.
      await machine.server.attach(detached, "kept");
      if (isRunning) await machine.server.start();
      throw error;
    }
    const byteLength = opened.file.byteLength;
    return { byteLength, transit, isRunning, reading: await this.#close(lane) };
  }

  #wake({ file, isComplete, transit, ...given }: WorkerCalls["wake"]["argument"]): Promise<MachineSetup> {
    const { setup: asked, ...place } = given;
    return this.#making(place, async (machine) => {
      const { file: opened } = await this.#shelf.open(file);
      machine.file = file;
      const { present } = opened;
      if (present === null) throw new VivariumError("file/empty", `${file}: no machine has been saved in it`);
      const state = opened.load(present);
      const setup = isComplete ? asked : await machine.server.complete(asked);
      if (transit === null) await machine.server.adopt(setup, state, opened.identity);
      else await machine.server.attach({ setup, state, transit }, opened.identity);
      return setup;
    });
  }

  async #deletePoint({ file, name }: WorkerCalls["deletePoint"]["argument"]): Promise<FileFacts> {
    const opened = await this.#shelf.open(file);
    await opened.file.delete([opened.file.find(name)]);
    await opened.file.shrink();
    return { byteLength: opened.file.byteLength };
  }

  async #restore({ file, name, lane }: WorkerCalls["restore"]["argument"]): Promise<void> {
    const { file: opened } = await this.#shelf.open(file);
    const point = opened.find(name);
    if (lane !== null) {
      const machine = this.#machine(lane);
      machine.file = file;
      await machine.server.restore(opened.load(point), "renewed");
    }
    await opened.restore(point);
  }

  async #write(opened: HostedFile, state: MachineState, machine: HostedMachine, name: string | null): Promise<void> {
    const console = machine.server.consoleTail;
    await opened.file.save(state, name === null ? { console } : { console, name });
  }

  #machine(lane: number): HostedMachine {
    const machine = this.#machines.get(lane);
    if (machine === undefined) throw new VivariumError("machine/status", "the machine is off; start it first");
    return machine;
  }

  #post(message: FromWorkerHost, transfer: readonly ArrayBuffer[] = []): void {
    this.#platform.channel.post({ lane: CONTROL_LANE, message } satisfies Envelope, transfer);
  }
}

const NAME_BYTE_LENGTH = 16;

/** Names that no other thread gives. */
function namesFrom(host: HostServices): () => string {
  const random = new Uint8Array(NAME_BYTE_LENGTH);
  host.randomBytes(random);
  const thread = random.join(".");
  let last = 0;
  return () => `${thread}/${++last}`;
}
