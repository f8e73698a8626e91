import type { HostWorker } from "./host-worker.js";
import type { ManagedMachine } from "./managed-machine.js";
import { isWorkerEnd } from "./residence.js";

/** A worker rests so many times as long as a save has taken: saves cost it 2 % of its time. */
const REST = 49;
/** Before it saves a machine that idles: hundreds of those, each with little to lose, cost it 0.5 %. */
const REST_BEFORE_IDLE = 199;
/** After a save that failed, such as for want of room. */
const REST_AFTER_FAILURE_MS = 30_000;

export interface SaveKeeperOptions {
  machines(): readonly ManagedMachine[];
  monotonicMs(): number;
  /** Whether it does next to nothing now. */
  isIdle(machine: ManagedMachine): boolean;
  /** A machine could not be saved; told once until it can be. */
  onFailure(machine: ManagedMachine, error: unknown): void;
}

/** Infinite while a worker saves. */
interface Rest {
  readonly busyMs: number;
  /** For a machine that idles. */
  readonly idleMs: number;
}

/** Saves machines that nobody saves, so that a worker that ends costs them no more than their last seconds. */
export class SaveKeeper {
  readonly #options: SaveKeeperOptions;
  /** By worker, when it may save again. */
  readonly #rests = new WeakMap<HostWorker, Rest>();
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
      if (worker === null || dueMs === null || dueMs > nowMs || this.#mayNotUntil(machine, worker) > nowMs) continue;
      if (dueMs < (next.get(worker)?.dueMs ?? Number.POSITIVE_INFINITY)) next.set(worker, { machine, dueMs });
    }
    for (const [worker, { machine }] of next) void this.#save(machine, worker);
  }

  #mayNotUntil(machine: ManagedMachine, worker: HostWorker): number {
    const rest = this.#rests.get(worker);
    if (rest === undefined) return 0;
    return this.#options.isIdle(machine) ? rest.idleMs : rest.busyMs;
  }

  async #save(machine: ManagedMachine, worker: HostWorker): Promise<void> {
    const { monotonicMs, onFailure } = this.#options;
    this.#rests.set(worker, { busyMs: Number.POSITIVE_INFINITY, idleMs: Number.POSITIVE_INFINITY });
    const beganMs = monotonicMs();
    let [busyMs, idleMs] = [REST_AFTER_FAILURE_MS, REST_AFTER_FAILURE_MS];
    try {
      await machine.saveItself();
      this.#failing.delete(machine);
      const tookMs = monotonicMs() - beganMs;
      [busyMs, idleMs] = [REST * tookMs, REST_BEFORE_IDLE * tookMs];
    } catch (error) {
      if (!isWorkerEnd(error) && !this.#failing.has(machine)) onFailure(machine, error);
      this.#failing.add(machine);
    }
    const nowMs = monotonicMs();
    this.#rests.set(worker, { busyMs: nowMs + busyMs, idleMs: nowMs + idleMs });
  }
}
