import type { HostWorker } from "./host-worker.js";
import type { ManagedMachine } from "./managed-machine.js";
import { isWorkerEnd } from "./residence.js";

/** A worker rests so many times as long as a save has taken: saves cost it 2 % of its time. */
const REST = 49;
/** After a save that failed, such as for want of room. */
const REST_AFTER_FAILURE_MS = 30_000;

export interface SaveKeeperOptions {
  machines(): readonly ManagedMachine[];
  monotonicMs(): number;
  /** A machine could not be saved; told once until it can be. */
  onFailure(machine: ManagedMachine, error: unknown): void;
}

/** Saves machines that nobody saves, so that a worker that ends costs them no more than their last seconds. */
export class SaveKeeper {
  readonly #options: SaveKeeperOptions;
  /** By worker: when it may save again; infinite while it does. */
  readonly #rests = new WeakMap<HostWorker, number>();
  readonly #failing = new WeakSet<ManagedMachine>();

  constructor(options: SaveKeeperOptions) {
    this.#options = options;
  }

  /** To be called about once a second: in each worker that has rested, whose turn came first is saved. */
  look(): void {
    const nowMs = this.#options.monotonicMs();
    const next = new Map<HostWorker, { readonly machine: ManagedMachine; readonly dueMs: number }>();
    for (const machine of this.#options.machines()) {
      const { worker, saveDueMs: dueMs } = machine;
      if (worker === null || dueMs === null || dueMs > nowMs || (this.#rests.get(worker) ?? 0) > nowMs) continue;
      if (dueMs < (next.get(worker)?.dueMs ?? Number.POSITIVE_INFINITY)) next.set(worker, { machine, dueMs });
    }
    for (const [worker, { machine }] of next) void this.#save(machine, worker);
  }

  async #save(machine: ManagedMachine, worker: HostWorker): Promise<void> {
    const { monotonicMs, onFailure } = this.#options;
    this.#rests.set(worker, Number.POSITIVE_INFINITY);
    const beganMs = monotonicMs();
    let restMs = REST_AFTER_FAILURE_MS;
    try {
      await machine.saveItself();
      this.#failing.delete(machine);
      restMs = REST * (monotonicMs() - beganMs);
    } catch (error) {
      if (!isWorkerEnd(error) && !this.#failing.has(machine)) onFailure(machine, error);
      this.#failing.add(machine);
    }
    this.#rests.set(worker, monotonicMs() + restMs);
  }
}
