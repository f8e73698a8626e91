import { tellGuest } from "../control/tell-guest.js";
import type { BalloonStatistics, VirtioBalloon } from "../devices/virtio/balloon.js";
import { type BoardState, boardSchema } from "../machine/board-state.js";
import type { HostServices, Identity, Machine, MachineState } from "../machine/machine.js";
import type { ProcessorTurns } from "../machine/processor-turns.js";
import type { MachineFile } from "../snapshot/machine-file.js";
import { replay } from "../snapshot/replay.js";
import { POWER_ON } from "../snapshot/snapshot-name.js";
import { VivariumError } from "../util/errors.js";
import { decode } from "../util/schema.js";
import { HomeFile, powerOnIn } from "./home-file.js";
import { noBalloon } from "./machine-balloon.js";
import { MachineMaker } from "./machine-maker.js";
import { cannotRestart } from "./machine-sources.js";
import { MachineWiring } from "./machine-wiring.js";
import { type Calls, type FromWorker, type MachineSetup, type MachineStatus, packError } from "./messages.js";
import type { WorkerPlatform } from "./platform.js";
import type { PresentMachine } from "./present-machine.js";
import { type ReplaySetup, reportReplay } from "./replay.js";
import { setupOfBoard } from "./resumed-setup.js";
import type { DetachedMachine } from "./transit.js";

/**
 * Holds the machine of a worker: makes it, lets it run, saves it, and makes the next one when it starts anew.
 *
 * What it is asked for is one thing after the other: whoever asks waits for the end of what was asked before.
 */
export class MachineHolder implements PresentMachine {
  readonly wiring: MachineWiring;
  readonly #post: (message: FromWorker, transfer?: readonly ArrayBuffer[]) => void;
  readonly #host: HostServices;
  readonly #home: HomeFile;
  readonly #maker: MachineMaker;
  #machine: Machine | null = null;
  /** The one that was switched off last: its disks are those of the next. */
  #former: Machine | null = null;
  #status: MachineStatus = "off";
  /** The present run; resolves when it is over and all is settled. */
  #run: Promise<void> = Promise.resolve();

  /** @param turns null for a machine that has the thread for itself */
  constructor(
    platform: WorkerPlatform,
    turns: ProcessorTurns | null,
    post: (message: FromWorker, transfer?: readonly ArrayBuffer[]) => void,
  ) {
    this.#post = post;
    this.wiring = new MachineWiring(platform, this, post);
    this.#host = platform.hostServices(() => this.wiring.console.beforeGuest(this.#machine));
    this.#home = new HomeFile(platform);
    this.#maker = new MachineMaker({ platform, turns, host: this.#host, wiring: this.wiring, post });
  }

  get machine(): Machine | null {
    return this.#machine;
  }

  get setup(): MachineSetup | null {
    return this.#maker.setup;
  }

  get status(): MachineStatus {
    return this.#status;
  }

  /** With the image's own disk, as `create` answers. */
  complete(setup: MachineSetup): Promise<MachineSetup> {
    return this.#maker.complete(setup);
  }

  /** What makes machines of its kind elsewhere. */
  loadCore(): ReturnType<MachineMaker["loadCore"]> {
    return this.#maker.loadCore();
  }

  async create({ setup: given, record }: Calls["create"]["argument"]): Promise<MachineSetup> {
    if (record !== null) this.#maker.recordTo(await this.#home.create(record));
    const setup = await this.#maker.complete(given);
    await this.#maker.openParts(setup);
    // Made at once, so that what cannot be is said by `create` and not by the first start.
    this.#machine = await this.#powerOn();
    return setup;
  }

  /** Goes on from a state, paused. */
  async adopt(setup: MachineSetup, state: MachineState, identity: Identity): Promise<void> {
    await this.#maker.openParts(setup);
    this.#machine = await this.#maker.resume(state, identity);
    this.#setStatus("paused");
    this.#greetGuest(this.#machine, identity);
  }

  /** As `adopt`, with the processor that another thread has compiled. */
  adoptFork({ setup, core, identity }: Calls["adopt"]["argument"], state: MachineState): Promise<void> {
    this.#maker.giveCore(core);
    return this.adopt(setup, state, identity);
  }

  async open(argument: Calls["open"]["argument"]): Promise<Calls["open"]["answer"]> {
    const { connections, record, replay: replaySetup } = argument;
    const file = await this.#home.open(argument.name);
    if (record) this.#maker.recordTo(file);
    const replayed = replaySetup === null ? null : await this.replay(file, replaySetup);
    const { state, identity } = replayed ?? stateIn(file, argument);
    const setup = setupOfBoard(boardOf(state), connections);
    const { outside } = await this.#maker.openParts(setup);
    await file.checkOutside(state, outside);
    this.#machine = await this.#maker.resume(state, identity);
    this.#setStatus("paused");
    this.#greetGuest(this.#machine, identity);
    return { setup, replayed: replayed?.report ?? null };
  }

  async save({ name, label }: Calls["save"]["argument"]): Promise<void> {
    // A machine that is off has no state to save, and gets no file.
    this.#present();
    const former = this.#home.file;
    const isNew = name !== null && name !== this.#home.name;
    const file = isNew ? await this.#home.create(name) : former;
    if (file === null) {
      throw new VivariumError("option/invalid", "save: this machine has no file yet; expected the name of a new one");
    }
    if (isNew) await this.#savePowerOn(file, former);
    this.wiring.console.release();
    const state = await this.#captureWithDisks(file);
    await file.save(state, { console: this.wiring.console.tail(), ...(label === null ? {} : { name: label }) });
  }

  /** No snapshot is left that has its chunks where the machine was saved before. */
  closeFormerFiles(): Promise<void> {
    return this.#home.closeFormer();
  }

  async start(): Promise<void> {
    if (this.#status === "running") return;
    this.#machine ??= await this.#powerOn();
    this.#setStatus("running");
    this.#run = this.#runUntilHalt();
  }

  /** Ends the present run: the machine stands still, or is gone. */
  async halt(status: "paused" | "off"): Promise<void> {
    await this.#standStill();
    if (status === "off") {
      await this.#machine?.endRecord();
      this.wiring.ports.close();
      this.wiring.console.settle();
      this.#forget();
      this.#setStatus("off");
    } else if (this.#machine !== null) {
      this.#setStatus("paused");
    }
  }

  /** Goes back to a state of its own, as it was running or not. */
  async restore(state: MachineState, identity: Identity): Promise<void> {
    const { ports, console, devices } = this.wiring;
    let machine = this.#machine;
    if (machine === null) {
      machine = await this.#maker.resume(state, identity);
      this.#machine = machine;
      this.#setStatus("paused");
    } else {
      ports.discard(machine);
      console.release();
      await machine.restore(state, { identity });
      await this.#maker.recorded(machine);
      devices.renewLinks();
    }
    ports.close();
    this.#greetGuest(machine, identity);
  }

  /** The machine as it is; one that waits for its console's reader does not stay in the way. */
  async capture(): Promise<MachineState> {
    const machine = this.#present();
    this.wiring.console.release();
    await machine.copyAhead();
    return this.#present().capture();
  }

  /** Begins to record the machine's history in a file, or with null ends that; it runs on if it ran. */
  async record(file: MachineFile | null): Promise<void> {
    await this.#standingStill(async () => {
      const machine = this.#present();
      await machine.endRecord();
      this.#maker.recordTo(file);
      try {
        // A machine that is to be recorded has to be made so: it goes on in another one, at the same instruction.
        if (file !== null) await this.#remake(machine);
      } catch (error) {
        this.#maker.recordTo(null);
        throw error;
      }
    });
  }

  /**
   * Runs a history again: what its guest writes to the console is heard, and nothing else.
   *
   * @param onBegun told how to give up, when it begins
   */
  async replay(
    file: MachineFile,
    { translate, ...request }: ReplaySetup,
    onBegun: (cancel: () => void) => void = () => {},
  ) {
    const { console } = this.wiring;
    const cancellable = (cancel: () => void) =>
      onBegun(() => {
        cancel();
        console.release();
      });
    const wires = { core: await this.#maker.loadCore(), host: this.#host, serial: console, translate };
    const done = await replay(file, request, { ...wires, onBegun: cancellable }).finally(() => console.flush());
    return { state: await done.machine.capture(), identity: "renewed" as const, report: reportReplay(done) };
  }

  /** Takes the machine out amid everything. */
  async detach(): Promise<DetachedMachine> {
    await this.#present().copyAhead();
    const isRunning = this.#status === "running";
    await this.#standStill();
    const { ports, devices, console } = this.wiring;
    const machine = this.#present();
    await machine.endRecord();
    const { setup } = this.#maker.parts;
    const waiting = ports.takeWaiting(machine);
    const links = devices.handOver();
    const transit = { console: console.handOver(), ports: waiting, size: ports.size, links };
    const state = await machine.capture();
    this.#forget();
    this.#status = "off";
    await this.#maker.releaseParts();
    return { setup, state, transit, isRunning };
  }

  /** Goes on, paused, with a machine that was taken out elsewhere. */
  async attach(
    { setup, state, transit }: Pick<DetachedMachine, "setup" | "state" | "transit">,
    identity: Identity,
  ): Promise<void> {
    await this.#maker.openParts(setup);
    const { ports, devices, console } = this.wiring;
    ports.takeOver(transit.size);
    console.takeOver(transit.console);
    devices.takeOver(transit.links);
    const machine = await ports.silently(() => this.#maker.resume(state, identity));
    this.#machine = machine;
    this.#status = "paused";
    ports.giveWaiting(machine, transit.ports);
    tellGuest(machine, this.#host, identity);
    this.#maker.keepAddresses(machine);
  }

  /** @throws VivariumError `machine/status` while it runs, and when it is off */
  async stateHash(): Promise<string> {
    if (this.#status === "running") {
      throw new VivariumError("machine/status", "the state of a running machine has no hash; pause it first");
    }
    return this.#present().stateHash();
  }

  /** @throws VivariumError `balloon/absent` */
  get balloon(): VirtioBalloon {
    const balloon = this.#machine?.balloons[0];
    if (balloon === undefined) throw noBalloon();
    return balloon;
  }

  /** A guest that stands still says nothing. */
  async guestMemory(): Promise<BalloonStatistics | null> {
    const { balloon } = this;
    return this.#status === "running" ? balloon.statistics() : null;
  }

  async close(): Promise<void> {
    await this.halt("off");
    await this.#maker.closeParts();
    await this.#home.close();
  }

  #present(): Machine {
    if (this.#machine === null) throw new VivariumError("machine/status", "the machine is off; start it first");
    return this.#machine;
  }

  #powerOn(): Promise<Machine> {
    return this.#maker.canBoot ? this.#maker.powerOn() : this.#powerOnFromFile();
  }

  /** A machine out of a file is switched on as it was first, with the disks that it has now. */
  async #powerOnFromFile(): Promise<Machine> {
    const state = powerOnIn(this.#home.file);
    if (state === null) throw cannotRestart();
    const drives = this.#former === null ? state.drives : (await this.#former.capture()).drives;
    const machine = await this.#maker.resume({ ...state, drives }, "renewed");
    this.#former = null;
    this.wiring.devices.renewLinks();
    return machine;
  }

  #canRestart(): boolean {
    return this.#maker.canBoot || powerOnIn(this.#home.file) !== null;
  }

  async #runUntilHalt(): Promise<void> {
    const { console, ports } = this.wiring;
    try {
      // Whoever has it started is answered first, and not after the guest's first milliseconds.
      await this.#host.yieldToEvents();
      for (;;) {
        const halt = await this.#machine!.run();
        console.flush();
        if (halt.kind === "stopped") return;
        await this.#machine?.endRecord();
        ports.close();
        if (halt.kind !== "reboot" || !this.#canRestart()) {
          this.#forget();
          console.settle();
          this.#setStatus("off");
          this.#post({ kind: "halt", halt });
          return;
        }
        this.#forget();
        this.#machine = await this.#powerOn();
        this.#post({ kind: "reboot" });
        await this.#host.yieldToEvents();
      }
    } catch (error) {
      this.#forget();
      console.settle();
      ports.close();
      this.#setStatus("off");
      this.#post({ kind: "failure", error: packError(error) });
    }
  }

  /** Ends the present run, if there is one, amid everything. */
  async #standStill(): Promise<void> {
    if (this.#status !== "running") return;
    this.#machine?.stop();
    this.wiring.console.release();
    await this.#run;
  }

  /** Does it between two slices of the guest's time. A machine that ends just then does not go on. */
  async #standingStill<T>(work: () => Promise<T>): Promise<T> {
    const isRunning = this.#status === "running";
    await this.#standStill();
    try {
      return await work();
    } finally {
      if (isRunning && this.#machine !== null) this.#run = this.#runUntilHalt();
    }
  }

  /** The machine is off. */
  #forget(): void {
    if (this.setup?.guest.kind === "saved") this.#former = this.#machine ?? this.#former;
    this.#machine = null;
    this.wiring.devices.detach();
  }

  async #remake(machine: Machine): Promise<void> {
    const { ports, devices } = this.wiring;
    const waiting = ports.takeWaiting(machine);
    let next = machine;
    try {
      next = await ports.silently(async () => this.#maker.resume(await machine.capture(), "kept"));
    } catch (error) {
      devices.attach(machine, false);
      throw error;
    } finally {
      this.#machine = next;
      ports.giveWaiting(next, waiting);
    }
  }

  /** With what is on disks that are not part of the state; the guest stands still while they are read. */
  async #captureWithDisks(file: MachineFile): Promise<MachineState> {
    const { outside } = this.#maker.parts;
    await this.#present().copyAhead();
    if (outside.every((drive) => drive === undefined)) return this.#present().capture();
    return this.#standingStill(async () => {
      const state = await this.#present().capture();
      return { ...state, outside: await file.lookAtOutside(this.#maker.outsideNames(), outside) };
    });
  }

  /** The machine as it is when it is switched on, for when it is: a file has nothing else to boot. */
  async #savePowerOn(file: MachineFile, former: MachineFile | null): Promise<void> {
    const state = this.#maker.canBoot ? await this.#maker.powerOnState() : powerOnIn(former);
    if (state !== null) await file.save(state, { name: POWER_ON });
  }

  /** The machine has taken over a state. */
  #greetGuest(machine: Machine, identity: Identity): void {
    this.wiring.ports.reopen(machine);
    tellGuest(machine, this.#host, identity);
    this.#maker.keepAddresses(machine);
  }

  #setStatus(status: MachineStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    this.#post({ kind: "status", status });
  }
}

function boardOf({ board }: MachineState): BoardState {
  return decode(boardSchema, board);
}

/** @throws VivariumError `file/empty`, `snapshot/unknown` */
function stateIn(file: MachineFile, { name, snapshot, identity }: Calls["open"]["argument"]) {
  const point = snapshot === null ? file.present : file.find(snapshot);
  if (point === null) throw new VivariumError("file/empty", `${name}: no machine has been saved in it`, { file: name });
  return { state: file.load(point), identity: identity ?? file.identity };
}
