import { VivariumError } from "../util/errors.js";
import type { Remote } from "./remote.js";

/** A machine at one moment, in the memory of its worker: it ends with its machine. */
export class MachineSnapshot {
  /** What it was called. */
  readonly name: string;
  /** How many instructions the machine had retired. */
  readonly instructions: bigint;
  readonly #remote: Remote;
  #id: number | null;

  /** @internal Use `Machine.snapshot`. */
  constructor(name: string, instructions: bigint, id: number, remote: Remote) {
    this.name = name;
    this.instructions = instructions;
    this.#id = id;
    this.#remote = remote;
  }

  /** Gives back the memory that only it uses. */
  async delete(): Promise<void> {
    if (this.#id === null) throw new VivariumError("snapshot/unknown", "this snapshot has been deleted already");
    const id = this.#id;
    this.#id = null;
    await this.#remote.call("deleteSnapshot", { id });
  }

  /** @internal The worker's number for it; null in another worker, and when it has been deleted. */
  idIn(remote: Remote): number | null {
    return remote === this.#remote ? this.#id : null;
  }
}
