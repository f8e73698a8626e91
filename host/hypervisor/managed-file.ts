import { VivariumError } from "../util/errors.js";
import type { HostWorker } from "./host-worker.js";
import type { MachineSurroundings } from "./machine-surroundings.js";
import type { ManagedMachine } from "./managed-machine.js";
import type { FileFacts, FilePoint, WorkerCalls } from "./messages.js";

/** A machine's file: open in the worker that the machine is in, else in a shared one, as long as something is done with it. */
export class ManagedFile {
  readonly #around: MachineSurroundings;
  readonly #machine: ManagedMachine;

  constructor(around: MachineSurroundings, machine: ManagedMachine) {
    this.#around = around;
    this.#machine = machine;
  }

  /** What the workers know it by. */
  get path(): string {
    return this.#around.fileOf(this.#machine.name);
  }

  /** Does something with the file in the worker that has it open, or in a shared one. */
  use<T>(work: (worker: HostWorker, file: string) => Promise<T>): Promise<T> {
    return this.#closing(this.#worker, work);
  }

  points(): Promise<readonly FilePoint[]> {
    return this.use((worker, file) => worker.call("points", { file }));
  }

  packPoint(name: string, count: number): Promise<WorkerCalls["packPoint"]["answer"]> {
    return this.use((worker, file) => worker.call("packPoint", { file, name, count }));
  }

  /** Gives the place where the machine was left a name. */
  name(name: string): Promise<FileFacts> {
    return this.use((worker, file) => worker.call("namePoint", { file, name }));
  }

  /** The machine goes on from there, at once if it is in a worker. */
  async restore(name: string): Promise<void> {
    await this.use((worker, file) => worker.call("restore", { file, name, lane: this.#machine.lane }));
  }

  delete(name: string): Promise<FileFacts> {
    return this.use((worker, file) => worker.call("deletePoint", { file, name }));
  }

  async remove(): Promise<void> {
    await this.#worker.call("removeFile", { file: this.path });
  }

  /** What the machine has used goes where its file goes. */
  async keepUsage(worker: HostWorker): Promise<void> {
    const { name, meter } = this.#machine;
    try {
      await this.#closing(worker, (_, file) => worker.call("keepUsage", { file, usage: meter.usage }));
    } catch (error) {
      if (!(error instanceof VivariumError)) throw error;
      // The machine itself is saved, and the hypervisor's own store has its readings.
      this.#around.tell("machine-failure", name, `${name}: readings not in its file: ${error.message}`);
    }
  }

  get #worker(): HostWorker {
    return this.#machine.worker ?? this.#around.chooseFileWorker(this.#machine);
  }

  /** It stays open only where its machine is. */
  async #closing<T>(worker: HostWorker, work: (worker: HostWorker, file: string) => Promise<T>): Promise<T> {
    try {
      return await work(worker, this.path);
    } finally {
      if (this.#machine.worker === null) await worker.call("closeFile", { file: this.path });
    }
  }
}
