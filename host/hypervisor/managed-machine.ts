import type { FromWorker } from "../api/messages.js";
import type { MachineSpec, MachineStatus, MachineView, SnapshotView } from "../control/hypervisor/schemas.js";
import type { ImageProgress } from "../images/image.js";
import type { Halt } from "../machine/run-loop.js";
import { unreachable, VivariumError } from "../util/errors.js";
import { ConsoleHub } from "./console-hub.js";
import type { EventKind } from "./event-log.js";
import { controlsOf, plugIn, throughLane, unplug } from "./handle-wires.js";
import type { HostWorker } from "./host-worker.js";
import { HypervisorMachine } from "./hypervisor-machine.js";
import { Lane, type LanePlace } from "./lane.js";
import { IMPORTED_IMAGE, refuseImported } from "./machine-setup.js";
import type {
  AdoptedState,
  HibernationReason,
  MachineSurroundings,
  Origin,
  PackedForFork,
} from "./machine-surroundings.js";
import { ManagedFile } from "./managed-file.js";
import type { FileFacts, ImportedMachine, LaneReading } from "./messages.js";
import { Meter } from "./meter.js";
import { Recovery } from "./recovery.js";
import { type Arrival, type Arrived, isMisspecified, isWorkerEnd, Residence } from "./residence.js";
import { endOf, isSoon, type MachineEnd } from "./restart.js";
import { SavedPoint } from "./saved-point.js";
import type { MachineRecord } from "./store.js";
import { Turns } from "./turns.js";

/** A machine that its hypervisor keeps: off, in one of the workers, or asleep in its file. */
export class ManagedMachine {
  readonly handle: HypervisorMachine;
  readonly console = new ConsoleHub();
  readonly meter: Meter;
  readonly createdAt: number;
  readonly #around: MachineSurroundings;
  readonly #lane: Lane;
  readonly #turns = new Turns();
  readonly #recovery: Recovery;
  readonly #file: ManagedFile;
  readonly #residence: Residence;
  readonly #point: SavedPoint;
  #spec: MachineSpec;
  #status: MachineStatus = "off";
  #startedAt: number | null;
  #failure: string | null;
  /** Whether it goes on from its file when it is switched on next. */
  #goesOn: boolean;
  /** Whether it ran when it was hibernated. */
  #wasRunning = false;
  /** Why it sleeps in its file. */
  #sleepsFor: HibernationReason = "asked";
  #balloon = { byteLength: 0, isOurs: false };
  #onProgress: (progress: ImageProgress) => void = () => {};

  constructor(around: MachineSurroundings, { record, fork, set }: Origin) {
    this.#around = around;
    this.#spec = record.spec;
    this.createdAt = record.createdAt;
    this.#startedAt = record.startedAt;
    this.#failure = record.failure;
    this.#goesOn = record.goesOn;
    this.#recovery = new Recovery(around.platform, record.isKeptApart);
    this.#file = new ManagedFile(around, this);
    this.meter = new Meter(record.usage, around.platform.nowMs());
    this.meter.savedByteLength(record.savedByteLength);
    this.#point = new SavedPoint(record.hasSavedItself);
    this.#lane = new Lane(
      () => this.#wanted(),
      (message, from) => this.#hear(message, from),
    );
    this.#residence = new Residence(around, this, this.#file, this.#lane);
    const { setup } = this.#residence;
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
    return this.#residence.heading;
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
      isKeptApart: this.isKeptApart,
      hasSavedItself: this.#point.isOwn,
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
    this.#recovery.beginAnew();
    this.#point.isRetried = false;
    if (!this.isPresent) this.#recovery.forgive();
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
    this.#recovery.cancel();
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

  /** Goes to the kind of worker that it is to have, if it is in another. */
  settle(): Promise<void> {
    return this.#turns.run(async () => {
      const { place } = this.#lane;
      if (place === null || this.#around.isCell(place.worker) === this.isAlone) return;
      await this.#move(this.#around.chooseWorker(this));
    });
  }

  /** Whether it has a worker for itself: because it is to be isolated, or because it was its turn when one ended. */
  get isAlone(): boolean {
    return this.#spec.isolated || this.isKeptApart;
  }

  /** Whether it was its turn when a worker ended. */
  get isKeptApart(): boolean {
    return this.#recovery.isKeptApart;
  }

  /** @internal The worker has ended with all that ran there. @param suspect in whose turn, if that is known */
  workerEnded(worker: HostWorker, error: Error, suspect: ManagedMachine | null): void {
    if (this.worker !== worker) return;
    if (suspect === this) this.#recovery.keepApart();
    const isBlameless = suspect !== null && suspect !== this;
    void this.#turns.run(async () => {
      if (this.worker !== worker) return;
      this.#around.abandonFile(this.name);
      this.#broken(error.message, { isBlameless });
    });
  }

  /** The state of it, or of one of its snapshots, for `count` machines that go on beside it. */
  pack(count: number, snapshot: string | null): Promise<PackedForFork> {
    return this.#turns.run(async () => {
      if (snapshot !== null) {
        const packed = await this.#file.packPoint(snapshot, count);
        return { ...packed, setup: this.#residence.setup };
      }
      if (this.#status === "hibernated") await this.#wake(this.#wasRunning);
      const { worker, lane } = this.#place();
      return worker.call("pack", { lane, count });
    });
  }

  /** Goes on from another machine's state. */
  adopt(state: AdoptedState, isRunning: boolean): Promise<void> {
    return this.#turns.run(() => this.#come(this.#residence.adopt(state, isRunning)));
  }

  snapshots(): Promise<readonly SnapshotView[]> {
    return this.#turns.run(async () => {
      const points = await this.#file.points();
      return points.map((point) => ({ ...point, present: point.present && this.#goesOn }));
    });
  }

  /** @param name null for the place where it was left */
  save(name: string | null): Promise<void> {
    return this.#turns.run(() => this.#save(name));
  }

  /** When it is to be saved without being asked, in the terms of `monotonicMs`; null for not now. */
  get saveDueMs(): number | null {
    const { saveEverySeconds } = this.#spec;
    const isThere = this.#status === "running" || this.#status === "paused";
    if (!isThere || saveEverySeconds === null || this.isBusy || this.#recovery.kernel.isDoubtful) return null;
    return this.#point.dueMs(saveEverySeconds, this.#signs());
  }

  /** Saves it as where it goes on when its worker ends. */
  saveItself(): Promise<void> {
    return this.#turns.run(async () => {
      const { place } = this.#lane;
      if (place === null) return;
      const [signs, nowMs] = [this.#signs(), this.#around.platform.monotonicMs()];
      this.#saved(await place.worker.call("save", { lane: place.lane, file: this.#file.path, name: null }));
      this.#goesOn = true;
      this.#point.savedItself(signs, nowMs);
      // What the kernel said until then has been heard.
      if (this.#recovery.kernel.isDoubtful) this.#point.isDoubtful = true;
      this.#around.changed(this);
    });
  }

  restore(name: string): Promise<void> {
    return this.#turns.run(async () => {
      await this.#file.restore(name);
      this.#recovery.kernel.reset();
      this.#point.asked();
      this.#goesOn = true;
      if (this.lane === null) this.#sleepInFile();
      this.#told("snapshot-changed", `${this.name} was put back to ${JSON.stringify(name)}`);
      this.#around.flush();
    });
  }

  deleteSnapshot(name: string): Promise<void> {
    return this.#turns.run(async () => {
      this.#saved(await this.#file.delete(name));
      this.#told("snapshot-changed", `snapshot ${JSON.stringify(name)} of ${this.name} was deleted`);
      this.#around.flush();
    });
  }

  /** Does something with the machine's file, which nobody else changes meanwhile. */
  withFile<T>(work: (worker: HostWorker, file: string) => Promise<T>): Promise<T> {
    return this.#turns.run(async () => {
      if (this.lane !== null) await this.#save(null);
      return this.#file.use(async (worker, file) => {
        await this.#file.keepUsage(worker);
        return work(worker, file);
      });
    });
  }

  /** Puts a file in the place of its own, which is not there yet. */
  withNewFile<T>(bring: (worker: HostWorker, file: string) => Promise<T>): Promise<T> {
    return this.#turns.run(() => this.#file.use(bring));
  }

  /** Typed at its serial console. */
  type(bytes: Uint8Array): void {
    this.#lane.post({ kind: "type", bytes });
  }

  /** Asks the guest to switch itself off, and waits until it is. */
  async shutdown(timeoutMs?: number): Promise<void> {
    this.#recovery.cancel();
    const { restart } = this.#spec;
    await this.handle.shutdown(timeoutMs === undefined ? {} : { timeoutMs });
    // What it was asked for is no reason to start it again.
    if (restart === "always") await this.stop();
    await this.#turns.run(async () => {});
  }

  /** It has come as a file, which it goes on from. */
  imported({ byteLength, usage }: ImportedMachine): void {
    this.#goesOn = true;
    this.#point.asked();
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

  /** Asks the guest how it stands with its memory. */
  askMemory(): void {
    const { place } = this.#lane;
    if (place !== null && this.#status === "running")
      place.worker.call("askMemory", { lane: place.lane }).catch(() => {});
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
    this.#recovery.cancel();
    return this.#turns.run(async () => {
      await this.#stop();
      await this.#file.remove();
      await this.#release();
    });
  }

  async #release(): Promise<void> {
    this.#lane.switchOff(new VivariumError("machine/closed", `${this.name} has been closed`));
    await this.handle.release();
  }

  /** The hypervisor ends: nobody asks anything of it any more. */
  release(): Promise<void> {
    this.#recovery.cancel();
    return this.#turns.run(() => this.#release());
  }

  /** @param entitlement processors that it has a right to */
  read(reading: LaneReading, entitlement: number): void {
    this.meter.take(reading, this.#around.platform.nowMs(), entitlement);
    const end = this.#recovery.kernel.look(reading);
    if (end !== null) this.#ending(this.#lane.place, () => this.#failed(end));
  }

  async #start(onProgress: (progress: ImageProgress) => void): Promise<void> {
    this.#recovery.cancel();
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
        if (this.#goesOn && this.#point.isSpent) await this.#goBackBeyond();
        return this.#goesOn ? this.#wake(true) : this.#boot(onProgress);
      default:
        return unreachable(this.#status as never);
    }
  }

  async #boot(onProgress: (progress: ImageProgress) => void): Promise<void> {
    refuseImported(this.#spec);
    this.#onProgress = onProgress;
    await this.#come(this.#residence.boot());
  }

  async #wake(isRunning: boolean): Promise<void> {
    await this.#come(this.#residence.wake(isRunning));
  }

  async #come(arrive: Arrival): Promise<void> {
    const before = this.#status;
    if (before !== "hibernated") this.#setStatus("starting");
    try {
      const { isRunning } = await this.#residence.come(arrive, (arrived) => this.#arrived(arrived));
      this.#setStatus(isRunning ? "running" : "paused");
    } catch (error) {
      if (before === "hibernated" && !isWorkerEnd(error)) throw error;
      if (error instanceof VivariumError && error.code.startsWith("admission/")) {
        this.#lane.switchOff(error);
        this.#setStatus(before);
        throw error;
      }
      this.#broken(messageOf(error), { isFinal: isMisspecified(error) });
      throw error;
    }
  }

  #arrived({ isNew }: Arrived): void {
    const nowMs = this.#around.platform.nowMs();
    this.meter.begin(nowMs);
    this.#point.came(this.#around.platform.monotonicMs());
    if (isNew) this.#recovery.kernel.reset();
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
    try {
      const { facts, reading, isRunning } = await this.#residence.sleep(place);
      this.#took(reading);
      this.#wasRunning = isRunning;
      this.#sleepsFor = reason;
      this.#goesOn = true;
      this.#point.asked();
      this.handle.forgetSnapshots();
      this.meter.end();
      this.#saved(facts);
      await this.#file.keepUsage(place.worker);
      this.#setStatus("hibernated");
      this.#around.flush();
    } catch (error) {
      if (isWorkerEnd(error)) this.#broken(messageOf(error));
      throw error;
    }
  }

  async #move(to: HostWorker): Promise<void> {
    const from = this.#place();
    if (from.worker === to) return;
    try {
      await this.#residence.move(from, to, (reading) => this.#took(reading));
    } catch (error) {
      this.#broken(messageOf(error));
      throw error;
    }
    this.meter.begin(this.#around.platform.nowMs());
    this.handle.forgetSnapshots();
    this.#recovery.forgive();
    const data = { from: from.worker.number, to: to.number };
    this.#around.tell("machine-moved", this.name, `${this.name} moved to worker ${to.number}`, data);
  }

  async #save(name: string | null): Promise<void> {
    const place = this.#lane.place;
    const [signs, nowMs] = [this.#signs(), this.#around.platform.monotonicMs()];
    if (place !== null) {
      const file = this.#file.path;
      this.#saved(await place.worker.call("save", { lane: place.lane, file, name }));
      await this.#file.keepUsage(place.worker);
    } else if (!this.#goesOn) {
      throw this.#notThere();
    } else if (name !== null) {
      this.#saved(await this.#file.name(name));
    }
    this.#goesOn = true;
    this.#point.asked(signs, nowMs);
    if (name !== null) this.#told("snapshot-changed", `snapshot ${JSON.stringify(name)} of ${this.name} was taken`);
    else this.#around.changed(this);
    this.#around.flush();
  }

  /**
   * The guest, the machine or its worker has ended.
   *
   * @param isBlameless it was another machine's turn
   * @param isFinal it would end the same way again
   */
  #broken(reason: string, { isBlameless = false, isFinal = false } = {}): void {
    this.#failure = reason;
    if (!isBlameless) this.#point.failed(isSoon(this.#ranMs));
    this.#leave("failed", reason, this.#goesOn);
    this.#around.tell("machine-failure", this.name, `${this.name} failed: ${reason}`);
    if (!isFinal) this.#restartAfter({ kind: "failure", reason }, isBlameless);
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
    this.#recovery.ended(this.#spec.restart, { end, ranMs: this.#ranMs, isBlameless }, () => {
      void this.#turns.run(() => this.#start(() => {})).catch(() => {});
    });
  }

  /** What it saved by itself does not help it: it goes back to the last snapshot, or begins anew. */
  async #goBackBeyond(): Promise<void> {
    const snapshot = (await this.#file.points()).find(({ present }) => present);
    if (snapshot !== undefined) await this.#file.restore(snapshot.name);
    else if (this.#spec.image === IMPORTED_IMAGE) return;
    else this.#goesOn = false;
    this.#point.asked();
    const where = snapshot === undefined ? "begins anew" : `goes back to ${JSON.stringify(snapshot.name)}`;
    this.#told("machine-status", `${this.name} fails where it saved itself: it ${where}`);
  }

  get #ranMs(): number {
    return this.#startedAt === null ? 0 : this.#around.platform.nowMs() - this.#startedAt;
  }

  /** What changes when it does something that is worth saving. */
  #signs(): readonly number[] {
    const { usage, lastActiveMs } = this.meter;
    return [this.#lane.exchanged, usage.diskWrites, lastActiveMs];
  }

  /** It is in no worker any more. @param goesOn whether its file still says how it goes on */
  #leave(status: "off" | "failed", why: string, goesOn = this.#spec.image === IMPORTED_IMAGE): void {
    this.#lane.switchOff(new VivariumError("machine/status", why));
    this.handle.forgetSnapshots();
    this.meter.end();
    this.#residence.forgetTransit();
    this.#balloon = { byteLength: 0, isOurs: false };
    this.#goesOn = goesOn;
    unplug(this.handle);
    this.#setStatus(status);
  }

  /** From now on it goes on from its file, and wakes when something is asked of it. */
  #sleepInFile(reason: HibernationReason = "asked"): void {
    this.#residence.forgetTransit();
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
        this.#recovery.kernel.write(bytes);
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
    const { panic } = this.#recovery.kernel;
    this.#recovery.kernel.reset();
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
