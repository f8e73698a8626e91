import type { MachineState } from "../machine/machine-state.js";
import type { MachineFile } from "../snapshot/machine-file.js";
import { POWER_ON } from "../snapshot/snapshot-name.js";
import type { OpenMachineFile, WorkerPlatform } from "./platform.js";

/** Where a machine is saved, if it has been or was opened from there. */
export class HomeFile {
  readonly #platform: WorkerPlatform;
  #name: string | null = null;
  #opened: OpenMachineFile | null = null;
  /** Where it was saved before: snapshots in memory have their chunks there. */
  readonly #former: OpenMachineFile[] = [];

  constructor(platform: WorkerPlatform) {
    this.#platform = platform;
  }

  /** Null without one. */
  get file(): MachineFile | null {
    return this.#opened?.file ?? null;
  }

  /** As the platform has files; null without one. */
  get name(): string | null {
    return this.#name;
  }

  async open(name: string): Promise<MachineFile> {
    return this.#settle(name, await this.#platform.openMachineFile(name));
  }

  /** Makes a new file the machine's. */
  async create(name: string): Promise<MachineFile> {
    return this.#settle(name, await this.#platform.createMachineFile(name));
  }

  /** Nothing is needed of the files where the machine was saved before. */
  async closeFormer(): Promise<void> {
    for (const former of this.#former.splice(0)) await former.close();
  }

  async close(): Promise<void> {
    await this.closeFormer();
    await this.#opened?.close();
    this.#opened = null;
    this.#name = null;
  }

  #settle(name: string, opened: OpenMachineFile): MachineFile {
    if (this.#opened !== null) this.#former.push(this.#opened);
    this.#name = name;
    this.#opened = opened;
    return opened.file;
  }
}

/** The machine as it was when it was switched on first; null when the file does not have that. */
export function powerOnIn(file: MachineFile | null): MachineState | null {
  const point = file?.snapshots.find(({ name }) => name === POWER_ON);
  return point === undefined ? null : file!.load(point);
}
