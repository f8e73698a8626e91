import type { FromWorker, MachineSetup } from "../api/messages.js";
import { buffersOf, type PackedState } from "../api/packed-state.js";
import type { Transit } from "../api/transit.js";
import type { MachineSpec, MachineStatus, MachineView, SnapshotView } from "../control/hypervisor/schemas.js";
import type { WasmModule } from "../core/wasm.js";
import type { ImageProgress } from "../images/image.js";
import type { Halt } from "../machine/run-loop.js";
import { unreachable, VivariumError } from "../util/errors.js";
import { ConsoleHub } from "./console-hub.js";
import type { EventKind } from "./event-log.js";
import { controlsOf, plugIn, throughLane, unplug } from "./handle-wires.js";
import type { HostWorker } from "./host-worker.js";
import { HypervisorMachine, type MachineControls } from "./hypervisor-machine.js";
import { KernelWatch } from "./kernel-watch.js";
import { Lane, type LanePlace } from "./lane.js";
import { IMPORTED_IMAGE, refuseImported, setupOfSpec } from "./machine-setup.js";
import type { FileFacts, ImportedMachine, LaneReading } from "./messages.js";
import { Meter } from "./meter.js";
import type { HypervisorPlatform } from "./platform.js";
import { BackOff, endOf, isRestarted, type MachineEnd } from "./restart.js";
import type { MachineRecord } from "./store.js";
import { Turns } from "./turns.js";

/** What a machine needs of its hypervisor. */
export interface MachineSurroundings {
  readonly platform: HypervisorPlatform;
  /** The worker that a machine is to come to now. */
  chooseWorker(machine: ManagedMachine): HostWorker;
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

/** A machine that its hypervisor keeps: off, in one of the workers, or asleep in its file. */
export class ManagedMachine {
  readonly handle: HypervisorMachine;
  readonly console = new ConsoleHub();
  readonly meter: Meter;
  readonly createdAt: number;
  readonly #around: MachineSurroundings;
  readonly #lane: Lane;
  readonly #turns = new Turns();
  readonly #backOff = new BackOff();
  readonly #kernel = new KernelWatch();
  #spec: MachineSpec;
  /** Complete, once the machine has been in a worker. */
  #setup: MachineSetup | null = null;
  #status: MachineStatus = "off";
  #startedAt: number | null;
  #failure: string | null;
  /** Whether it goes on from its file when it is switched on next. */
  #goesOn: boolean;
  /** Whether it ran when it was hibernated. */
  #wasRunning = false;
  /** Why it sleeps in its file. */
  #sleepsFor: HibernationReason = "asked";
  /** The worker that it is about to come to. */
  #heading: HostWorker | null = null;
  #balloon = { byteLength: 0, isOurs: false };
  /** Whether a worker has ended in its turn since somebody started it. */
  #isKeptApart: boolean;
  #transit: Transit | null = null;
  #cancelRestart: () => void = () => {};
  #onProgress: (progress: ImageProgress) => void = () => {};

  constructor(around: MachineSurroundings, { record, fork, set }: Origin) {
    this.#around = around;
    this.#spec = record.spec;
    this.createdAt = record.createdAt;
    this.#startedAt = record.startedAt;
    this.#failure = record.failure;
    this.#goesOn = record.goesOn;
    this.#isKeptApart = record.isKeptApart;
    this.meter = new Meter(record.usage, around.platform.nowMs());
    this.meter.savedByteLength(record.savedByteLength);
    this.#lane = new Lane(
      () => this.#wanted(),
      (message, from) => this.#hear(message, from),
    );
    const setup = setupOfSpec(record.spec, (into) => around.platform.randomBytes(into));
    this.handle = new HypervisorMachine(
      throughLane(around.platform, this.#lane),
      setup,
      controlsOf(this, fork, set),
      (progress) => this.#onProgress(progress),
    );
    void this.handle.connectDevices(setup, []);
    if (record.goesOn) this.#sleepInFile(record.wasRunning ? "closing" : "asked");
    else if (record.failure !== null) this.#status = "failed";
  }

  get name(): string {
    return this.#spec.name;
  }

  get spec(): MachineSpec {
    return this.#spec;
  }

  set spec(spec: MachineSpec) {
    this.#spec = spec;
    this.#around.changed(this);
  }

  get status(): MachineStatus {
    return this.#status;
  }

  /** The worker that it is in. */
  get worker(): HostWorker | null {
    return this.#lane.place?.worker ?? null;
  }

  /** The worker that it is in, or is about to come to. */
  get heading(): HostWorker | null {
    return this.worker ?? this.#heading;
  }

  /** Its number there. */
  get lane(): number | null {
    return this.#lane.place?.lane ?? null;
  }

  /** Whether something is being done with it. */
  get isBusy(): boolean {
    return this.#turns.isBusy;
  }

  /** Whether it takes up a worker's memory, or is about to. */
  get isPresent(): boolean {
    return this.#status === "running" || this.#status === "paused" || this.#status === "starting";
  }

  record(): MachineRecord {
    return {
      spec: this.#spec,
      createdAt: this.createdAt,
      startedAt: this.#startedAt,
      goesOn: this.#goesOn,
      wasRunning: this.#status === "hibernated" && this.#wasRunning && this.#sleepsFor !== "asked",
      failure: this.#failure,
      usage: this.meter.usage,
      savedByteLength: this.meter.load.savedByteLength,
      isKeptApart: this.#isKeptApart,
    };
  }

  view(): MachineView {
    return {
      spec: this.#spec,
      status: this.#status,
      createdAt: this.createdAt,
      startedAt: this.isPresent ? this.#startedAt : null,
      worker: this.worker?.number ?? null,
      agentReady: this.handle.isAgentReady && this.isPresent,
      failure: this.#failure,
      usage: this.meter.usage,
      load: this.meter.load,
    };
  }

  /** Switches it on, lets it go on or wakes it. */
  start(onProgress: (progress: ImageProgress) => void = () => {}): Promise<void> {
    this.#backOff.reset();
    if (!this.isPresent) this.#isKeptApart = false;
    return this.#turns.run(() => this.#start(onProgress));
  }

  /** Its hypervisor has begun anew: it starts by nobody's wish, and nothing is forgotten. */
  startAgain(): Promise<void> {
    return this.#turns.run(() => this.#start(() => {}));
  }

  pause(): Promise<void> {
    return this.#turns.run(async () => {
      if (this.#status === "paused") return;
      await this.#call("pause");
      this.#setStatus("paused");
    });
  }

  resume(): Promise<void> {
    return this.#turns.run(async () => {
      if (this.#status !== "paused" && this.#status !== "running") throw this.#notThere();
      await this.#goOn();
    });
  }

  stop(): Promise<void> {
    this.#cancelRestart();
    return this.#turns.run(() => this.#stop());
  }

  reset(): Promise<void> {
    return this.#turns.run(async () => {
      refuseImported(this.#spec);
      await this.#stop();
      await this.#start(() => {});
    });
  }

  hibernate(reason: HibernationReason = "asked"): Promise<void> {
    return this.#turns.run(() => this.#hibernate(reason));
  }

  /** A machine that sleeps in its file goes on, running or not as it was. */
  wake(): Promise<void> {
    return this.#turns.run(async () => {
      if (this.#status === "hibernated") await this.#wake(this.#wasRunning);
    });
  }

  /** Whether it sleeps only because somebody else needed its memory. */
  get isEvicted(): boolean {
    return this.#status === "hibernated" && this.#sleepsFor === "memory";
  }

  /** Takes it to another worker amid everything. */
  move(to: HostWorker): Promise<void> {
    return this.#turns.run(() => this.#move(to));
  }

  /** Whether it has a worker for itself: it was its turn when one ended. */
  get isKeptApart(): boolean {
    return this.#isKeptApart;
  }

  /** @internal The worker has ended with all that ran there. @param suspect in whose turn, if that is known */
  workerEnded(worker: HostWorker, error: Error, suspect: ManagedMachine | null): void {
    if (this.worker !== worker) return;
    if (suspect === this) this.#isKeptApart = true;
    const isBlameless = suspect !== null && suspect !== this;
    void this.#turns.run(async () => {
      if (this.worker !== worker) return;
      this.#around.abandonFile(this.name);
      this.#broken(error.message, isBlameless);
    });
  }

  /** The state of it, or of one of its snapshots, for `count` machines that go on beside it. */
  pack(count: number, snapshot: string | null): Promise<PackedForFork> {
    return this.#turns.run(async () => {
      if (snapshot !== null) {
        const { worker, argument } = this.#fileCall({ name: snapshot, count });
        const packed = await this.#closingFile(worker, () => worker.call("packPoint", argument));
        return { ...packed, setup: this.#setup ?? this.#freshSetup() };
      }
      if (this.#status === "hibernated") await this.#wake(this.#wasRunning);
      const { worker, lane } = this.#place();
      return worker.call("pack", { lane, count });
    });
  }

  /** Goes on from another machine's state. */
  adopt({ core, setup, state }: AdoptedState, isRunning: boolean): Promise<void> {
    return this.#turns.run(() =>
      this.#coming(async (worker, lane) => {
        this.#setup = setup;
        const argument = { lane, name: this.name, core, setup, state, identity: "renewed" } as const;
        await worker.call("adopt", argument, buffersOf(state));
        return { isNew: true, isRunning };
      }),
    );
  }

  snapshots(): Promise<readonly SnapshotView[]> {
    return this.#turns.run(async () => {
      const { worker, argument } = this.#fileCall({});
      const points = await this.#closingFile(worker, () => worker.call("points", argument));
      return points.map((point) => ({ ...point, present: point.present && this.#goesOn }));
    });
  }

  /** @param name null for the place where it was left */
  save(name: string | null): Promise<void> {
    return this.#turns.run(() => this.#save(name));
  }

  restore(name: string): Promise<void> {
    return this.#turns.run(async () => {
      const { worker, argument } = this.#fileCall({ name, lane: this.lane });
      await this.#closingFile(worker, () => worker.call("restore", argument));
      this.#kernel.reset();
      this.#goesOn = true;
      if (this.lane === null) this.#sleepInFile();
      this.#told("snapshot-changed", `${this.name} was put back to ${JSON.stringify(name)}`);
      this.#around.flush();
    });
  }

  deleteSnapshot(name: string): Promise<void> {
    return this.#turns.run(async () => {
      const { worker, argument } = this.#fileCall({ name });
      this.#saved(await this.#closingFile(worker, () => worker.call("deletePoint", argument)));
      this.#told("snapshot-changed", `snapshot ${JSON.stringify(name)} of ${this.name} was deleted`);
      this.#around.flush();
    });
  }

  /** Does something with the machine's file, which nobody else changes meanwhile. */
  withFile<T>(work: (worker: HostWorker, file: string) => Promise<T>): Promise<T> {
    return this.#turns.run(async () => {
      if (this.lane !== null) await this.#save(null);
      const { worker, argument } = this.#fileCall({});
      await this.#keepUsage(worker);
      return this.#closingFile(worker, () => work(worker, argument.file));
    });
  }

  /** Puts a file in the place of its own, which is not there yet. */
  withNewFile<T>(bring: (worker: HostWorker, file: string) => Promise<T>): Promise<T> {
    return this.#turns.run(() => {
      const { worker, argument } = this.#fileCall({});
      return this.#closingFile(worker, () => bring(worker, argument.file));
    });
  }

  /** Typed at its serial console. */
  type(bytes: Uint8Array): void {
    this.#lane.post({ kind: "type", bytes });
  }

  /** Asks the guest to switch itself off, and waits until it is. */
  async shutdown(timeoutMs?: number): Promise<void> {
    this.#cancelRestart();
    const { restart } = this.#spec;
    await this.handle.shutdown(timeoutMs === undefined ? {} : { timeoutMs });
    // What it was asked for is no reason to start it again.
    if (restart === "always") await this.stop();
    await this.#turns.run(async () => {});
  }

  /** It has come as a file, which it goes on from. */
  imported({ byteLength, usage }: ImportedMachine): void {
    this.#goesOn = true;
    if (usage !== null) this.meter.goOnFrom(usage);
    this.meter.savedByteLength(byteLength);
    this.#sleepInFile();
    this.#around.changed(this);
  }

  /** What its balloon is to take, in bytes. */
  get balloonTargetByteLength(): number {
    return this.#balloon.byteLength;
  }

  /** Whether that is the memory policy's wish, and not an operator's. */
  get isBalloonOurs(): boolean {
    return this.#balloon.isOurs;
  }

  /** @param isOurs whether it is the memory policy's wish */
  setBalloon(byteLength: number, isOurs = true): Promise<void> {
    return this.#turns.run(async () => {
      const { worker, lane } = this.#place();
      await worker.call("balloon", { lane, byteLength });
      this.#balloon = { byteLength, isOurs };
    });
  }

  /** Ends it and deletes its file. */
  destroy(): Promise<void> {
    this.#cancelRestart();
    return this.#turns.run(async () => {
      await this.#stop();
      const { worker, argument } = this.#fileCall({});
      await worker.call("removeFile", argument);
      await this.#release();
    });
  }

  async #release(): Promise<void> {
    this.#lane.switchOff(new VivariumError("machine/closed", `${this.name} has been closed`));
    await this.handle.release();
  }

  /** The hypervisor ends: nobody asks anything of it any more. */
  release(): Promise<void> {
    this.#cancelRestart();
    return this.#turns.run(() => this.#release());
  }

  /** @param entitlement processors that it has a right to */
  read(reading: LaneReading, entitlement: number): void {
    this.meter.take(reading, this.#around.platform.nowMs(), entitlement);
    const end = this.#kernel.look(reading);
    if (end !== null) this.#ending(this.#lane.place, () => this.#failed(end));
  }

  async #start(onProgress: (progress: ImageProgress) => void): Promise<void> {
    this.#cancelRestart();
    switch (this.#status) {
      case "running":
      case "starting":
        return;
      case "paused":
        return this.#goOn();
      case "hibernated":
        return this.#wake(true);
      case "off":
      case "failed":
        return this.#goesOn ? this.#wake(true) : this.#boot(onProgress);
      default:
        return unreachable(this.#status as never);
    }
  }

  async #boot(onProgress: (progress: ImageProgress) => void): Promise<void> {
    refuseImported(this.#spec);
    this.#onProgress = onProgress;
    const setup = this.#freshSetup();
    await this.#coming(async (worker, lane) => {
      this.#setup = await worker.call("create", { lane, name: this.name, setup });
      return { isNew: true, isRunning: true };
    });
  }

  async #wake(isRunning: boolean): Promise<void> {
    const [transit, known] = [this.#transit, this.#setup];
    const setup = known ?? this.#freshSetup();
    await this.#coming(async (worker, lane) => {
      const file = this.#around.fileOf(this.name);
      const argument = { lane, name: this.name, file, setup, isComplete: known !== null, transit };
      this.#setup = await worker.call("wake", argument);
      this.#transit = null;
      return { isNew: transit === null, isRunning };
    });
  }

  /** The machine comes to a worker, where `make` makes it. */
  async #coming(
    make: (worker: HostWorker, lane: number) => Promise<{ readonly isNew: boolean; readonly isRunning: boolean }>,
  ): Promise<void> {
    const before = this.#status;
    if (before !== "hibernated") this.#setStatus("starting");
    let worker = null as HostWorker | null;
    let lane = 0;
    try {
      await this.#around.makeRoom(this, async () => {
        worker = this.#around.chooseWorker(this);
        this.#heading = worker;
        // What the machine's first words are answered with waits until it is there.
        this.#lane.hold();
        await plugIn(this.handle, this.#spec);
        lane = this.#lane.open(worker);
        const { isNew, isRunning } = await make(worker, lane);
        this.#arrived(worker, lane, isNew);
        if (isRunning) await worker.call("start", { lane });
        this.#setStatus(isRunning ? "running" : "paused");
      });
    } catch (error) {
      worker?.closeLane(lane);
      if (before === "hibernated" && worker?.isAlive !== false) throw error;
      if (error instanceof VivariumError && error.code.startsWith("admission/")) {
        this.#lane.switchOff(error);
        this.#setStatus(before);
        throw error;
      }
      this.#broken(messageOf(error));
      throw error;
    } finally {
      this.#heading = null;
    }
  }

  #arrived(worker: HostWorker, lane: number, isNew: boolean): void {
    const nowMs = this.#around.platform.nowMs();
    this.meter.begin(nowMs);
    if (isNew) this.#kernel.reset();
    this.#lane.release(worker, lane, isNew);
    this.#startedAt = nowMs;
    this.#failure = null;
  }

  async #goOn(): Promise<void> {
    await this.#call("start");
    this.#setStatus("running");
  }

  async #stop(): Promise<void> {
    if (this.#lane.place !== null) await this.#closeLane();
    this.#failure = null;
    this.#leave("off", "the machine was switched off");
  }

  async #hibernate(reason: HibernationReason): Promise<void> {
    const place = this.#place();
    this.#lane.hold();
    try {
      const file = this.#around.fileOf(this.name);
      const { transit, isRunning, reading, ...facts } = await place.worker.call("hibernate", {
        lane: place.lane,
        file,
      });
      place.worker.closeLane(place.lane);
      this.#took(reading);
      this.#transit = transit;
      this.#wasRunning = isRunning;
      this.#sleepsFor = reason;
      this.#goesOn = true;
      this.handle.forgetSnapshots();
      this.meter.end();
      this.#saved(facts);
      await this.#keepUsage(place.worker);
      this.#setStatus("hibernated");
      this.#around.flush();
    } catch (error) {
      if (place.worker.isAlive) this.#lane.release(place.worker, place.lane, false);
      else this.#broken(messageOf(error));
      throw error;
    }
  }

  async #move(to: HostWorker): Promise<void> {
    const from = this.#place();
    if (from.worker === to) return;
    this.#lane.hold();
    let lane = 0;
    try {
      const { core, machine, reading } = await from.worker.call("detach", { lane: from.lane });
      from.worker.closeLane(from.lane);
      this.#took(reading);
      lane = this.#lane.open(to);
      await to.call("attach", { lane, name: this.name, core, machine }, buffersOf(machine.state));
      this.meter.begin(this.#around.platform.nowMs());
      this.#lane.release(to, lane, false);
      this.handle.forgetSnapshots();
      this.#isKeptApart = false;
      const data = { from: from.worker.number, to: to.number };
      this.#around.tell("machine-moved", this.name, `${this.name} moved to worker ${to.number}`, data);
    } catch (error) {
      to.closeLane(lane);
      this.#broken(messageOf(error));
      throw error;
    }
  }

  async #save(name: string | null): Promise<void> {
    const place = this.#lane.place;
    if (place !== null) {
      const file = this.#around.fileOf(this.name);
      this.#saved(await place.worker.call("save", { lane: place.lane, file, name }));
      await this.#keepUsage(place.worker);
    } else if (!this.#goesOn) {
      throw this.#notThere();
    } else if (name !== null) {
      const { worker, argument } = this.#fileCall({ name });
      this.#saved(await this.#closingFile(worker, () => worker.call("namePoint", argument)));
    }
    this.#goesOn = true;
    if (name !== null) this.#told("snapshot-changed", `snapshot ${JSON.stringify(name)} of ${this.name} was taken`);
    else this.#around.changed(this);
    this.#around.flush();
  }

  /** The guest, the machine or its worker has ended. @param isBlameless it was another machine's turn */
  #broken(reason: string, isBlameless = false): void {
    this.#failure = reason;
    this.#leave("failed", reason, this.#goesOn);
    this.#around.tell("machine-failure", this.name, `${this.name} failed: ${reason}`);
    this.#restartAfter({ kind: "failure", reason }, isBlameless);
  }

  async #halted(halt: Halt): Promise<void> {
    await this.#closeLane();
    const end = endOf(halt);
    this.#failure = end.kind === "failure" ? end.reason : null;
    this.#leave(end.kind === "failure" ? "failed" : "off", "the guest has ended");
    if (end.kind === "failure") this.#around.tell("machine-failure", this.name, `${this.name} failed: ${end.reason}`);
    this.#restartAfter(end);
  }

  #restartAfter(end: MachineEnd, isBlameless = false): void {
    const { platform } = this.#around;
    if (!isRestarted(this.#spec.restart, end)) return;
    const ranMs = this.#startedAt === null ? 0 : platform.nowMs() - this.#startedAt;
    const delayMs = isBlameless ? 0 : this.#backOff.next(ranMs);
    const restart = () => void this.#turns.run(() => this.#start(() => {})).catch(() => {});
    this.#cancelRestart = platform.schedule(restart, delayMs);
  }

  /** It is in no worker any more. @param goesOn whether its file still says how it goes on */
  #leave(status: "off" | "failed", why: string, goesOn = this.#spec.image === IMPORTED_IMAGE): void {
    this.#lane.switchOff(new VivariumError("machine/status", why));
    this.handle.forgetSnapshots();
    this.meter.end();
    this.#transit = null;
    this.#balloon = { byteLength: 0, isOurs: false };
    this.#goesOn = goesOn;
    unplug(this.handle);
    this.#setStatus(status);
  }

  /** From now on it goes on from its file, and wakes when something is asked of it. */
  #sleepInFile(reason: HibernationReason = "asked"): void {
    this.#transit = null;
    this.#wasRunning = true;
    this.#sleepsFor = reason;
    this.#lane.hold();
    this.#setStatus("hibernated");
    // Its users find a guest that answers, only late.
    this.#lane.say({ kind: "status", status: "running" });
    plugIn(this.handle, this.#spec).catch((error: unknown) => {
      this.#around.tell("machine-failure", this.name, `${this.name}: ${messageOf(error)}`);
    });
  }

  #wanted(): void {
    void this.wake().catch((error: unknown) => {
      this.#around.tell("machine-failure", this.name, `${this.name} cannot wake: ${messageOf(error)}`);
    });
  }

  #hear(message: FromWorker, from: LanePlace | null): void {
    switch (message.kind) {
      case "console": {
        const bytes = Uint8Array.from(message.bytes);
        this.console.write(bytes);
        this.#kernel.write(bytes);
        return;
      }
      case "reboot":
        this.#restarted(from);
        return;
      case "halt":
        this.#ending(from, () => this.#halted(message.halt));
        return;
      case "failure":
        this.#ending(from, () => this.#failed(message.error.message));
        return;
      default:
        return;
    }
  }

  /** The guest has asked for a restart, which it has had: unless its kernel asked for want of anything better. */
  #restarted(from: LanePlace | null): void {
    const { panic } = this.#kernel;
    this.#kernel.reset();
    if (panic !== null) this.#ending(from, () => this.#failed(panic));
    else this.#told("machine-status", `${this.name} was restarted by its guest`);
  }

  /** It has ended by itself in that place; unless somebody else has ended it or taken it away by then. */
  #ending(from: LanePlace | null, work: () => Promise<void>): void {
    const ended = this.#turns.run(async () => {
      const { place } = this.#lane;
      if (place !== null && place.worker === from?.worker && place.lane === from.lane) await work();
    });
    // A worker that has ended meanwhile says so itself.
    ended.catch(() => {});
  }

  async #failed(reason: string): Promise<void> {
    await this.#closeLane();
    this.#broken(reason);
  }

  async #closeLane(): Promise<void> {
    const { worker, lane } = this.#place();
    this.#took(await worker.call("close", { lane }));
  }

  #took(reading: LaneReading | null): void {
    if (reading !== null) this.read(reading, 0);
  }

  /** What it has used goes where its file goes. */
  async #keepUsage(worker: HostWorker): Promise<void> {
    const argument = { file: this.#around.fileOf(this.name), usage: this.meter.usage };
    try {
      await this.#closingFile(worker, () => worker.call("keepUsage", argument));
    } catch (error) {
      // The machine itself is saved, and the hypervisor's own store has its readings.
      this.#around.tell("machine-failure", this.name, `${this.name}: readings not in its file: ${messageOf(error)}`);
    }
  }

  #saved({ byteLength }: FileFacts): void {
    this.meter.savedByteLength(byteLength);
  }

  async #call(name: "start" | "pause"): Promise<void> {
    const { worker, lane } = this.#place();
    await worker.call(name, { lane });
  }

  #place(): LanePlace {
    const place = this.#lane.place;
    if (place === null) throw this.#notThere();
    return place;
  }

  #notThere(): VivariumError {
    const message = `${this.name} is ${this.#status}; start it first`;
    return new VivariumError("machine/status", message, { machine: this.name, status: this.#status });
  }

  /** A call about the machine's file goes to the worker that has it open, or to any. */
  #fileCall<T extends object>(
    rest: T,
  ): { readonly worker: HostWorker; readonly argument: T & { readonly file: string } } {
    const worker = this.worker ?? this.#around.chooseWorker(this);
    return { worker, argument: { ...rest, file: this.#around.fileOf(this.name) } };
  }

  /** A file stays open only where its machine is. */
  async #closingFile<T>(worker: HostWorker, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      if (this.worker === null) await worker.call("closeFile", { file: this.#around.fileOf(this.name) });
    }
  }

  #freshSetup(): MachineSetup {
    return setupOfSpec(this.#spec, (into) => this.#around.platform.randomBytes(into));
  }

  #setStatus(status: MachineStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    this.#told("machine-status", `${this.name} is ${status}`);
  }

  #told(kind: EventKind, message: string): void {
    this.#around.changed(this);
    this.#around.tell(kind, this.name, message, { status: this.#status });
  }
}

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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
