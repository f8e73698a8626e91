import { VivariumError } from "../util/errors.js";
import { plugIn, unplug } from "./handle-wires.js";
import type { HostWorker } from "./host-worker.js";
import type { HypervisorMachine } from "./hypervisor-machine.js";
import type { Lane, LanePlace } from "./lane.js";
import type { MachineCondition } from "./machine-condition.js";
import type { MachineSaves } from "./machine-saves.js";
import { IMPORTED_IMAGE } from "./machine-setup.js";
import type { HibernationReason, MachineSurroundings } from "./machine-surroundings.js";
import type { ManagedFile } from "./managed-file.js";
import type { LaneReading } from "./messages.js";
import type { Meter } from "./meter.js";
import type { Recovery } from "./recovery.js";
import { type Arrival, type Arrived, isMisspecified, isWorkerEnd, type Residence } from "./residence.js";

export interface MachineStayOptions {
  readonly around: MachineSurroundings;
  readonly condition: MachineCondition;
  readonly handle: HypervisorMachine;
  readonly meter: Meter;
  readonly lane: Lane;
  readonly file: ManagedFile;
  readonly residence: Residence;
  readonly saves: MachineSaves;
  readonly recovery: Recovery;
  /** What the machine has done by the time it leaves a worker. */
  onReading(reading: LaneReading): void;
  /** It has broken on its way. @param isFinal it would do so again */
  onBroken(reason: string, isFinal: boolean): void;
}

/** A machine's stay in workers: it comes, goes on, moves, sleeps and leaves, and its condition says so. */
export class MachineStay {
  readonly #options: MachineStayOptions;
  #balloon = { byteLength: 0, isOurs: false };

  constructor(options: MachineStayOptions) {
    this.#options = options;
  }

  /** @throws VivariumError `machine/status` when it is in no worker */
  get place(): LanePlace {
    const { lane, condition } = this.#options;
    if (lane.place === null) throw condition.notThere();
    return lane.place;
  }

  /** What its balloon is to take, and whether that is the memory policy's wish. */
  get balloon(): { readonly byteLength: number; readonly isOurs: boolean } {
    return this.#balloon;
  }

  async setBalloon(byteLength: number, isOurs: boolean): Promise<void> {
    const { worker, lane } = this.place;
    await worker.call("balloon", { lane, byteLength });
    this.#balloon = { byteLength, isOurs };
  }

  async come(arrive: Arrival): Promise<void> {
    const { condition, lane, residence, onBroken } = this.#options;
    const before = condition.status;
    if (before !== "hibernated") condition.status = "starting";
    try {
      const { isRunning } = await residence.come(arrive, (arrived) => this.#arrived(arrived));
      condition.status = isRunning ? "running" : "paused";
    } catch (error) {
      if (before === "hibernated" && !isWorkerEnd(error)) throw error;
      if (error instanceof VivariumError && error.code.startsWith("admission/")) {
        lane.switchOff(error);
        condition.status = before;
        throw error;
      }
      onBroken(messageOf(error), isMisspecified(error));
      throw error;
    }
  }

  /** Comes out of its file. */
  wake(isRunning = this.#options.condition.sleep.wasRunning): Promise<void> {
    return this.come(this.#options.residence.wake(isRunning));
  }

  async goOn(): Promise<void> {
    const { worker, lane } = this.place;
    await worker.call("start", { lane });
    this.#options.condition.status = "running";
  }

  async pause(): Promise<void> {
    const { worker, lane } = this.place;
    await worker.call("pause", { lane });
    this.#options.condition.status = "paused";
  }

  async stop(): Promise<void> {
    const { lane, condition } = this.#options;
    if (lane.place !== null) await this.closeLane();
    condition.failure = null;
    this.leave("off", "the machine was switched off");
  }

  async hibernate(reason: HibernationReason): Promise<void> {
    const { around, condition, file, handle, meter, residence, saves, onBroken } = this.#options;
    const { place } = this;
    try {
      const { facts, reading, isRunning } = await residence.sleep(place);
      this.#took(reading);
      condition.sleep = { wasRunning: isRunning, reason };
      condition.goesOn = true;
      saves.point.asked();
      handle.forgetSnapshots();
      meter.end();
      saves.saved(facts);
      await file.keepUsage(place.worker);
      condition.status = "hibernated";
      around.flush();
    } catch (error) {
      if (isWorkerEnd(error)) onBroken(messageOf(error), false);
      throw error;
    }
  }

  async move(to: HostWorker): Promise<void> {
    const { around, condition, handle, meter, recovery, residence, onBroken } = this.#options;
    const from = this.place;
    if (from.worker === to) return;
    try {
      await residence.move(from, to, (reading) => this.#took(reading));
    } catch (error) {
      onBroken(messageOf(error), false);
      throw error;
    }
    meter.begin(around.platform.nowMs());
    handle.forgetSnapshots();
    recovery.forgive();
    const { name } = condition;
    const data = { from: from.worker.number, to: to.number };
    around.tell("machine-moved", name, `${name} moved to worker ${to.number}`, data);
  }

  /** Ends what runs there. */
  async closeLane(): Promise<void> {
    const { worker, lane } = this.place;
    this.#took(await worker.call("close", { lane }));
  }

  /** It is in no worker any more. @param goesOn whether its file still says how it goes on */
  leave(status: "off" | "failed", why: string, goesOn = this.#options.condition.spec.image === IMPORTED_IMAGE): void {
    const { condition, handle, lane, meter, residence } = this.#options;
    lane.switchOff(new VivariumError("machine/status", why));
    handle.forgetSnapshots();
    meter.end();
    residence.forgetTransit();
    this.#balloon = { byteLength: 0, isOurs: false };
    condition.goesOn = goesOn;
    unplug(handle);
    condition.status = status;
  }

  /** From now on it goes on from its file, and wakes when something is asked of it. */
  sleepInFile(reason: HibernationReason = "asked"): void {
    const { around, condition, handle, lane, residence } = this.#options;
    residence.forgetTransit();
    condition.sleep = { wasRunning: true, reason };
    lane.hold();
    condition.status = "hibernated";
    // Its users find a guest that answers, only late.
    lane.say({ kind: "status", status: "running" });
    plugIn(handle, condition.spec).catch((error: unknown) => {
      around.tell("machine-failure", condition.name, `${condition.name}: ${messageOf(error)}`);
    });
  }

  #arrived({ isNew }: Arrived): void {
    const { around, condition, meter, recovery, saves } = this.#options;
    const nowMs = around.platform.nowMs();
    meter.begin(nowMs);
    saves.point.came(around.platform.monotonicMs());
    if (isNew) recovery.kernel.reset();
    condition.startedAt = nowMs;
    condition.failure = null;
  }

  #took(reading: LaneReading | null): void {
    if (reading !== null) this.#options.onReading(reading);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
