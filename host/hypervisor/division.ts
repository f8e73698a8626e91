import type { MachineSpec, PoolSpec } from "../control/hypervisor/schemas.js";
import type { ManagedMachine } from "./managed-machine.js";
import { admit } from "./scheduling/admission.js";
import { Balance } from "./scheduling/balance.js";
import { type Entitlements, entitlementsOf, MACHINE_PROCESSORS_MAX } from "./scheduling/entitlement.js";
import { partOf } from "./scheduling/partition.js";
import { type Move, type PlacedMachine, placeMachine } from "./scheduling/placement.js";
import { type Policy, treeOf } from "./scheduling/settings.js";
import type { WorkerPool } from "./worker-pool.js";

/** What a machine that comes to a worker is expected to want. */
const ARRIVAL_PROCESSORS = 0.5;

/** What a machine that has a worker for itself may take at least: it wakes. */
const CELL_LIMIT_MIN = 0.05;

export interface DivisionOptions {
  readonly workers: WorkerPool;
  pools(): readonly PoolSpec[];
  machines(): readonly ManagedMachine[];
}

/** How the host's processors are divided among its machines: the policy as a whole, and each worker's part of it. */
export class Division {
  readonly #options: DivisionOptions;
  #entitlements: Entitlements = { machines: new Map(), pools: new Map() };
  readonly #balance = new Balance();
  /** What each worker was told last, as text. */
  readonly #told = new Map<number, string>();

  constructor(options: DivisionOptions) {
    this.#options = options;
  }

  /** Processors that a machine has a right to now. */
  entitlementOf(machine: string): number {
    return this.#entitlements.machines.get(machine) ?? 0;
  }

  /** Processors that are reserved, in all. */
  get reserved(): number {
    return admit(this.#policy(), this.#workerCount);
  }

  /**
   * Whether all reservations could be kept with these in the place of those of the same name, or beside the others.
   *
   * @throws VivariumError `admission/processors`, `pool/unknown`, `pool/cycle`
   */
  check(changed: { readonly machine?: MachineSpec; readonly pool?: PoolSpec }): void {
    admit(this.#policy(changed), this.#workerCount);
  }

  /** Looks at what everybody wants now, and tells the workers. To be called about once a second, and at changes. */
  update(): void {
    const policy = this.#policy();
    const machines = this.#options.machines();
    const demands = new Map(machines.map((machine) => [machine.name, demandOf(machine)]));
    const workers = new Map(machines.map((machine) => [machine.name, machine.worker?.number ?? null]));
    const tree = treeOf(policy);
    this.#entitlements = entitlementsOf(tree, (name) => demands.get(name) ?? 0, this.#workerCount);
    const alone = new Set(
      machines.flatMap(({ name, worker }) => (worker !== null && this.#options.workers.isCell(worker) ? [name] : [])),
    );
    // Who does nothing now has the right to begin.
    const wanted = (name: string) => (alone.has(name) ? MACHINE_PROCESSORS_MAX : (demands.get(name) ?? 0));
    const rights = alone.size === 0 ? this.#entitlements : entitlementsOf(tree, wanted, this.#workerCount);
    for (const worker of this.#options.workers.workers) {
      const here = partOf(policy, this.#entitlements, (name) => workers.get(name) ?? null, worker.number);
      const part = this.#options.workers.isCell(worker) ? this.#limited(here, rights) : here;
      const text = JSON.stringify(part);
      if (this.#told.get(worker.number) === text) continue;
      this.#told.set(worker.number, text);
      // A worker that has ended is replaced by one that is told anew.
      worker.call("policy", part).catch(() => {});
    }
  }

  /** Who has a worker for itself has a thread beside the others', and takes no more of the host than in their midst. */
  #limited({ pools, machines }: Policy, rights: Entitlements): Policy {
    return {
      pools,
      machines: machines.map(({ cpu, ...rest }) => {
        const right = Math.max(this.entitlementOf(rest.name), rights.machines.get(rest.name) ?? 0);
        const limit = Math.max(CELL_LIMIT_MIN, Math.round(right * 100) / 100);
        return { ...rest, cpu: { ...cpu, limit: Math.min(cpu.limit ?? 1, limit) } };
      }),
    };
  }

  /** A worker has been replaced: it knows nothing. */
  forget(worker: number): void {
    this.#told.delete(worker);
  }

  /** The number of the worker that a machine comes to. */
  place({ spec: { cpu } }: ManagedMachine): number {
    const entitlement = Math.min(cpu.limit ?? ARRIVAL_PROCESSORS, ARRIVAL_PROCESSORS);
    return placeMachine(this.#placed(), this.#workerCount, { entitlement, reservation: cpu.reservation });
  }

  /** Which machines shall move now, so that all get what they have a right to. To be called about once a second. */
  moves(nowMs: number): readonly Move[] {
    return this.#balance.look(this.#placed(), this.#workerCount, nowMs);
  }

  get #workerCount(): number {
    return this.#options.workers.sharedCount;
  }

  #placed(): readonly PlacedMachine[] {
    return this.#options.machines().flatMap((machine) => {
      const { name, worker, heading, spec } = machine;
      if (heading === null || this.#options.workers.isCell(heading)) return [];
      const entitlement = worker === null ? ARRIVAL_PROCESSORS : this.entitlementOf(name);
      return [{ name, worker: heading.number, entitlement, reservation: spec.cpu.reservation }];
    });
  }

  #policy({ machine, pool }: { readonly machine?: MachineSpec; readonly pool?: PoolSpec } = {}): Policy {
    const specs = new Map(this.#options.machines().map(({ spec }) => [spec.name, spec]));
    if (machine !== undefined) specs.set(machine.name, machine);
    const pools = new Map(this.#options.pools().map((each) => [each.name, each]));
    if (pool !== undefined) pools.set(pool.name, pool);
    return {
      pools: [...pools.values()].flatMap(({ name, parent, cpu }) => (parent === null ? [] : [{ name, parent, cpu }])),
      machines: [...specs.values()].map(({ name, pool: of, cpu }) => ({ name, pool: of, cpu })),
    };
  }
}

/** Processors that a machine would use if it were alone: what it has, and what it waited for. */
function demandOf({ meter: { load }, isPresent }: ManagedMachine): number {
  return isPresent ? Math.min(1, load.processors + load.steal) : 0;
}
