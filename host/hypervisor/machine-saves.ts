import type { SnapshotView } from "../control/hypervisor/schemas.js";
import type { KernelWatch } from "./kernel-watch.js";
import type { Lane } from "./lane.js";
import type { MachineCondition } from "./machine-condition.js";
import { IMPORTED_IMAGE } from "./machine-setup.js";
import type { MachineSurroundings } from "./machine-surroundings.js";
import type { ManagedFile } from "./managed-file.js";
import type { FileFacts, ImportedMachine } from "./messages.js";
import type { Meter } from "./meter.js";
import { SavedPoint } from "./saved-point.js";

export interface MachineSavesOptions {
  readonly around: MachineSurroundings;
  readonly condition: MachineCondition;
  readonly meter: Meter;
  readonly lane: Lane;
  readonly file: ManagedFile;
  readonly kernel: KernelWatch;
  /** Whether the machine saved the point that it goes on from by itself. */
  readonly hasSavedItself: boolean;
}

/** What a machine keeps in its file: the point that it goes on from, and those that somebody has named. */
export class MachineSaves {
  readonly point: SavedPoint;
  readonly #options: MachineSavesOptions;

  constructor(options: MachineSavesOptions) {
    this.#options = options;
    this.point = new SavedPoint(options.hasSavedItself);
  }

  /** Named ones, oldest first. */
  async snapshots(): Promise<readonly SnapshotView[]> {
    const { file, condition } = this.#options;
    const points = await file.points();
    return points.map((point) => ({ ...point, present: point.present && condition.goesOn }));
  }

  /** @param name null for the place where it was left */
  async save(name: string | null): Promise<void> {
    const { around, condition, file, lane } = this.#options;
    const { place } = lane;
    const [signs, nowMs] = [this.#signs(), around.platform.monotonicMs()];
    if (place !== null) {
      this.saved(await place.worker.call("save", { lane: place.lane, file: file.path, name }));
      await file.keepUsage(place.worker);
    } else if (!condition.goesOn) {
      throw condition.notThere();
    } else if (name !== null) {
      this.saved(await file.name(name));
    }
    condition.goesOn = true;
    this.point.asked(signs, nowMs);
    if (name !== null) this.#told(`snapshot ${JSON.stringify(name)} of ${condition.name} was taken`);
    else condition.changed();
    around.flush();
  }

  /** When it is to be saved without being asked, in the terms of `monotonicMs`; null for not now. */
  get dueMs(): number | null {
    const { condition, kernel } = this.#options;
    const { saveEverySeconds } = condition.spec;
    const isThere = condition.status === "running" || condition.status === "paused";
    if (!isThere || saveEverySeconds === null || kernel.isDoubtful) return null;
    return this.point.dueMs(saveEverySeconds, this.#signs());
  }

  /** Saves it as where it goes on when its worker ends. */
  async saveItself(): Promise<void> {
    const { around, condition, file, lane, kernel } = this.#options;
    const { place } = lane;
    if (place === null) return;
    const [signs, nowMs] = [this.#signs(), around.platform.monotonicMs()];
    this.saved(await place.worker.call("save", { lane: place.lane, file: file.path, name: null }));
    condition.goesOn = true;
    this.point.savedItself(signs, nowMs);
    // What the kernel said until then has been heard.
    if (kernel.isDoubtful) this.point.isDoubtful = true;
    condition.changed();
  }

  /** From now on it goes on from there. */
  async restore(name: string): Promise<void> {
    const { condition, file, kernel } = this.#options;
    await file.restore(name);
    kernel.reset();
    this.point.asked();
    condition.goesOn = true;
  }

  async delete(name: string): Promise<void> {
    const { around, condition, file } = this.#options;
    this.saved(await file.delete(name));
    this.#told(`snapshot ${JSON.stringify(name)} of ${condition.name} was deleted`);
    around.flush();
  }

  /** What it saved by itself does not help it: it goes back to the last snapshot, or begins anew. */
  async goBackBeyond(): Promise<void> {
    const { condition, file } = this.#options;
    const snapshot = (await file.points()).find(({ present }) => present);
    if (snapshot !== undefined) await file.restore(snapshot.name);
    else if (condition.spec.image === IMPORTED_IMAGE) return;
    else condition.goesOn = false;
    this.point.asked();
    const where = snapshot === undefined ? "begins anew" : `goes back to ${JSON.stringify(snapshot.name)}`;
    condition.told("machine-status", `${condition.name} fails where it saved itself: it ${where}`);
  }

  /** It has come as a file, which it goes on from. */
  imported({ byteLength, usage }: ImportedMachine): void {
    const { condition, meter } = this.#options;
    condition.goesOn = true;
    this.point.asked();
    if (usage !== null) meter.goOnFrom(usage);
    meter.savedByteLength(byteLength);
  }

  saved({ byteLength }: FileFacts): void {
    this.#options.meter.savedByteLength(byteLength);
  }

  /** What changes when it does something that is worth saving. */
  #signs(): readonly number[] {
    const { meter, lane } = this.#options;
    return [lane.exchanged, meter.usage.diskWrites, meter.lastActiveMs];
  }

  #told(message: string): void {
    this.#options.condition.told("snapshot-changed", message);
  }
}
