import { VivariumError } from "../../util/errors.js";
import { ROOT_POOL } from "../machine-spec.js";

/** What a machine or a pool is given of the host's processors. As in the API: `CpuSettings`. */
export interface ProcessorSettings {
  /** Weight beside the other members of the same pool; more than 0. */
  readonly shares: number;
  /** Processors that it gets whenever it can use them. */
  readonly reservation: number;
  /** Processors that it never exceeds; null for no limit. */
  readonly limit: number | null;
}

export const UNLIMITED: ProcessorSettings = { shares: 100, reservation: 0, limit: null };

/** A pool of machines and other pools. The one called ROOT_POOL has no parent and no settings: it is the host. */
export interface PoolPolicy {
  readonly name: string;
  readonly parent: string;
  readonly cpu: ProcessorSettings;
}

export interface MachinePolicy {
  readonly name: string;
  readonly pool: string;
  readonly cpu: ProcessorSettings;
}

/** All that the processors are divided by. */
export interface Policy {
  readonly pools: readonly PoolPolicy[];
  readonly machines: readonly MachinePolicy[];
}

/** A pool with what is in it. */
export interface PoolTree {
  readonly name: string;
  readonly cpu: ProcessorSettings;
  readonly pools: readonly PoolTree[];
  readonly machines: readonly MachinePolicy[];
}

/** @throws VivariumError `pool/unknown` for a pool that is nowhere, `pool/cycle` for one that is inside itself */
export function treeOf({ pools, machines }: Policy): PoolTree {
  const known = new Set([ROOT_POOL, ...pools.map(({ name }) => name)]);
  for (const { name, parent } of pools) requirePool(known, parent, name);
  for (const { name, pool } of machines) requirePool(known, pool, name);
  let placed = 0;
  const build = (name: string, cpu: ProcessorSettings): PoolTree => {
    placed++;
    return {
      name,
      cpu,
      pools: pools.filter(({ parent }) => parent === name).map((pool) => build(pool.name, pool.cpu)),
      machines: machines.filter(({ pool }) => pool === name),
    };
  };
  const tree = build(ROOT_POOL, UNLIMITED);
  if (placed !== known.size) throw new VivariumError("pool/cycle", "pools: one of them is inside itself");
  return tree;
}

function requirePool(known: ReadonlySet<string>, pool: string, member: string): void {
  if (known.has(pool)) return;
  throw new VivariumError("pool/unknown", `${member}: there is no pool ${pool}`, { pool });
}
