import type { MachineSpec, MachineStatus, MachineView, SnapshotView } from "../control/hypervisor/schemas.js";
import type { ImageProgress } from "../images/image.js";
import { unreachable, VivariumError } from "../util/errors.js";
import { ConsoleHub } from "./console-hub.js";
import { controlsOf, throughLane } from "./handle-wires.js";
import type { HostWorker } from "./host-worker.js";
import { HypervisorMachine } from "./hypervisor-machine.js";
import { Lane } from "./lane.js";
import { MachineCondition } from "./machine-condition.js";
import { MachineEnds } from "./machine-ends.js";
import { MachineSaves } from "./machine-saves.js";
import { refuseImported } from "./machine-setup.js";
import { MachineStay, messageOf } from "./machine-stay.js";
import type {
  AdoptedState,
  HibernationReason,
  MachineSurroundings,
  Origin,
  PackedForFork,
} from "./machine-surroundings.js";
import { ManagedFile } from "./managed-file.js";
import type { ImportedMachine, LaneReading } from "./messages.js";
import { Meter } from "./meter.js";
import { Recovery } from "./recovery.js";
import { Residence } from "./residence.js";
import type { MachineRecord } from "./store.js";
import { Turns } from "./turns.js";

/** A machine that its hypervisor keeps: off, in one of the workers, or asleep in its file. One thing is done with it after the other. */
export class ManagedMachine {
  readonly handle: HypervisorMachine;
  readonly console = new ConsoleHub();
  readonly meter: Meter;
  readonly #around: MachineSurroundings;
  readonly #condition: MachineCondition;
  readonly #lane: Lane;
  readonly #turns = new Turns();
  readonly #recovery: Recovery;
  readonly #file: ManagedFile;
  readonly #residence: Residence;
  readonly #saves: MachineSaves;
  readonly #stay: MachineStay;
  readonly #ends: MachineEnds;
  #onProgress: (progress: ImageProgress) => void = () => {};

  constructor(around: MachineSurroundings, { record, fork, set }: Origin) {
    const { platform } = around;
    this.#around = around;
    this.#condition = new MachineCondition(record, {
      nowMs: () => platform.nowMs(),
      changed: () => around.changed(this),
      tell: (kind, message, data) => around.tell(kind, this.name, message, data),
    });
    this.#recovery = new Recovery(platform, record.isKeptApart);
    this.#file = new ManagedFile(around, this);
    this.meter = new Meter(record.usage, platform.nowMs());
    this.meter.savedByteLength(record.savedByteLength);
    this.#lane = new Lane(
      () => this.#wanted(),
      (message, from) => this.#ends.hear(message, from),
    );
    this.#residence = new Residence(around, this, this.#file, this.#lane);
    const { setup } = this.#residence;
    this.handle = new HypervisorMachine(
      throughLane(platform, this.#lane),
      setup,
      controlsOf(this, fork, set),
      (progress) => this.#onProgress(progress),
    );
    const parts = {
      around,
      condition: this.#condition,
      meter: this.meter,
      lane: this.#lane,
      file: this.#file,
      recovery: this.#recovery,
    };
    const { kernel } = this.#recovery;
    this.#saves = new MachineSaves({ ...parts, kernel, hasSavedItself: record.hasSavedItself });
    this.#stay = new MachineStay({
      ...parts,
      handle: this.handle,
      residence: this.#residence,
      saves: this.#saves,
      onReading: (reading) => this.read(reading, 0),
      onBroken: (reason, isFinal) => this.#ends.broken(reason, { isFinal }),
    });
    this.#ends = new MachineEnds({
      ...parts,
      console: this.console,
      saves: this.#saves,
      stay: this.#stay,
      turns: this.#turns,
      startAgain: () => this.startAgain(),
    });
    void this.handle.connectDevices(setup, []);
    if (record.goesOn) this.#stay.sleepInFile(record.wasRunning ? "closing" : "asked");
  }

  get name(): string {
    return this.#condition.name;
  }

  get spec(): MachineSpec {
    return this.#condition.spec;
  }

  set spec(spec: MachineSpec) {
    this.#condition.spec = spec;
  }

  get status(): MachineStatus {
    return this.#condition.status;
  }

  get createdAt(): number {
    return this.#condition.createdAt;
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
    return this.#condition.isPresent;
  }

  record(): MachineRecord {
    const { spec, createdAt, startedAt, goesOn, isToGoOn, failure } = this.#condition;
    return {
      spec,
      createdAt,
      startedAt,
      goesOn,
      wasRunning: isToGoOn,
      failure,
      usage: this.meter.usage,
      savedByteLength: this.meter.load.savedByteLength,
      isKeptApart: this.isKeptApart,
      hasSavedItself: this.#saves.point.isOwn,
    };
  }

  view(): MachineView {
    const { spec, status, createdAt, startedAt, isPresent, failure } = this.#condition;
    return {
      spec,
      status,
      createdAt,
      startedAt: isPresent ? startedAt : null,
      worker: this.worker?.number ?? null,
      agentReady: this.handle.isAgentReady && isPresent,
      failure,
      usage: this.meter.usage,
      load: this.meter.load,
    };
  }

  /** Switches it on, lets it go on or wakes it. */
  start(onProgress: (progress: ImageProgress) => void = () => {}): Promise<void> {
    this.#recovery.beginAnew();
    this.#saves.point.isRetried = false;
    if (!this.isPresent) this.#recovery.forgive();
    return this.#turns.run(() => this.#start(onProgress));
  }

  /** Its hypervisor has begun anew: it starts by nobody's wish, and nothing is forgotten. */
  startAgain(): Promise<void> {
    return this.#turns.run(() => this.#start(() => {}));
  }

  pause(): Promise<void> {
    return this.#turns.run(async () => {
      if (this.status !== "paused") await this.#stay.pause();
    });
  }

  resume(): Promise<void> {
    return this.#turns.run(async () => {
      if (this.status !== "paused" && this.status !== "running") throw this.#condition.notThere();
      await this.#stay.goOn();
    });
  }

  stop(): Promise<void> {
    this.#recovery.cancel();
    return this.#turns.run(() => this.#stay.stop());
  }

  reset(): Promise<void> {
    return this.#turns.run(async () => {
      refuseImported(this.spec);
      await this.#stay.stop();
      await this.#start(() => {});
    });
  }

  hibernate(reason: HibernationReason = "asked"): Promise<void> {
    return this.#turns.run(() => this.#stay.hibernate(reason));
  }

  /** A machine that sleeps in its file goes on, running or not as it was. */
  wake(): Promise<void> {
    return this.#turns.run(async () => {
      if (this.status === "hibernated") await this.#stay.wake();
    });
  }

  /** Whether it sleeps only because somebody else needed its memory. */
  get isEvicted(): boolean {
    return this.status === "hibernated" && this.#condition.sleep.reason === "memory";
  }

  /** Takes it to another worker amid everything. */
  move(to: HostWorker): Promise<void> {
    return this.#turns.run(() => this.#stay.move(to));
  }

  /** Goes to the kind of worker that it is to have, if it is in another. */
  settle(): Promise<void> {
    return this.#turns.run(async () => {
      const { place } = this.#lane;
      if (place === null || this.#around.isCell(place.worker) === this.isAlone) return;
      await this.#stay.move(this.#around.chooseWorker(this));
    });
  }

  /** Whether it has a worker for itself: because it is to be isolated, or because one has ended by its fault. */
  get isAlone(): boolean {
    return this.spec.isolated || this.isKeptApart;
  }

  /** Whether a worker has ended in its turn, or with it alone, since somebody started or moved it. */
  get isKeptApart(): boolean {
    return this.#recovery.isKeptApart;
  }

  /** @internal The worker has ended with all that ran there. @param suspect who is to blame, if that is known */
  workerEnded(worker: HostWorker, error: Error, suspect: ManagedMachine | null): void {
    if (this.worker !== worker) return;
    if (suspect === this) this.#recovery.keepApart();
    const isBlameless = suspect !== null && suspect !== this;
    void this.#turns.run(async () => {
      if (this.worker === worker) this.#ends.workerEnded(error.message, isBlameless);
    });
  }

  /** The state of it, or of one of its snapshots, for `count` machines that go on beside it. */
  pack(count: number, snapshot: string | null): Promise<PackedForFork> {
    return this.#turns.run(async () => {
      if (snapshot !== null) {
        const packed = await this.#file.packPoint(snapshot, count);
        return { ...packed, setup: this.#residence.setup };
      }
      if (this.status === "hibernated") await this.#stay.wake();
      const { worker, lane } = this.#stay.place;
      return worker.call("pack", { lane, count });
    });
  }

  /** Goes on from another machine's state. */
  adopt(state: AdoptedState, isRunning: boolean): Promise<void> {
    return this.#turns.run(() => this.#stay.come(this.#residence.adopt(state, isRunning)));
  }

  snapshots(): Promise<readonly SnapshotView[]> {
    return this.#turns.run(() => this.#saves.snapshots());
  }

  /** @param name null for the place where it was left */
  save(name: string | null): Promise<void> {
    return this.#turns.run(() => this.#saves.save(name));
  }

  /** When it is to be saved without being asked, in the terms of `monotonicMs`; null for not now. */
  get saveDueMs(): number | null {
    return this.isBusy ? null : this.#saves.dueMs;
  }

  /** Saves it as where it goes on when its worker ends. */
  saveItself(): Promise<void> {
    return this.#turns.run(() => this.#saves.saveItself());
  }

  restore(name: string): Promise<void> {
    return this.#turns.run(async () => {
      await this.#saves.restore(name);
      if (this.lane === null) this.#stay.sleepInFile();
      this.#condition.told("snapshot-changed", `${this.name} was put back to ${JSON.stringify(name)}`);
      this.#around.flush();
    });
  }

  deleteSnapshot(name: string): Promise<void> {
    return this.#turns.run(() => this.#saves.delete(name));
  }

  /** Does something with the machine's file, which nobody else changes meanwhile. */
  withFile<T>(work: (worker: HostWorker, file: string) => Promise<T>): Promise<T> {
    return this.#turns.run(async () => {
      if (this.lane !== null) await this.#saves.save(null);
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
    const { restart } = this.spec;
    await this.handle.shutdown(timeoutMs === undefined ? {} : { timeoutMs });
    // What it was asked for is no reason to start it again.
    if (restart === "always") await this.stop();
    await this.#turns.run(async () => {});
  }

  /** It has come as a file, which it goes on from. */
  imported(machine: ImportedMachine): void {
    this.#saves.imported(machine);
    this.#stay.sleepInFile();
    this.#condition.changed();
  }

  /** What its balloon is to take, in bytes. */
  get balloonTargetByteLength(): number {
    return this.#stay.balloon.byteLength;
  }

  /** Whether that is the memory policy's wish, and not an operator's. */
  get isBalloonOurs(): boolean {
    return this.#stay.balloon.isOurs;
  }

  /** Asks the guest how it stands with its memory. */
  askMemory(): void {
    const { place } = this.#lane;
    if (place !== null && this.status === "running")
      place.worker.call("askMemory", { lane: place.lane }).catch(() => {});
  }

  /** @param isOurs whether it is the memory policy's wish */
  setBalloon(byteLength: number, isOurs = true): Promise<void> {
    return this.#turns.run(() => this.#stay.setBalloon(byteLength, isOurs));
  }

  /** Ends it and deletes its file. */
  destroy(): Promise<void> {
    this.#recovery.cancel();
    return this.#turns.run(async () => {
      await this.#stay.stop();
      await this.#file.remove();
      await this.#release();
    });
  }

  /** The hypervisor ends: nobody asks anything of it any more. */
  release(): Promise<void> {
    this.#recovery.cancel();
    return this.#turns.run(() => this.#release());
  }

  /** @param entitlement processors that it has a right to */
  read(reading: LaneReading, entitlement: number): void {
    this.meter.take(reading, this.#around.platform.nowMs(), entitlement);
    this.#ends.look(reading);
  }

  async #start(onProgress: (progress: ImageProgress) => void): Promise<void> {
    this.#recovery.cancel();
    switch (this.status) {
      case "running":
      case "starting":
        return;
      case "paused":
        return this.#stay.goOn();
      case "hibernated":
        return this.#stay.wake(true);
      case "off":
      case "failed":
        if (this.#condition.goesOn && this.#saves.point.isSpent) await this.#saves.goBackBeyond();
        return this.#condition.goesOn ? this.#stay.wake(true) : this.#boot(onProgress);
      default:
        return unreachable(this.status as never);
    }
  }

  async #boot(onProgress: (progress: ImageProgress) => void): Promise<void> {
    refuseImported(this.spec);
    this.#onProgress = onProgress;
    await this.#stay.come(this.#residence.boot());
  }

  async #release(): Promise<void> {
    this.#lane.switchOff(new VivariumError("machine/closed", `${this.name} has been closed`));
    await this.handle.release();
  }

  #wanted(): void {
    void this.wake().catch((error: unknown) => {
      this.#around.tell("machine-failure", this.name, `${this.name} cannot wake: ${messageOf(error)}`);
    });
  }
}
