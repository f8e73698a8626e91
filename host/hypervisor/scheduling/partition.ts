import type { Entitlements } from "./entitlement.js";
import type { Policy, PoolPolicy, ProcessorSettings } from "./settings.js";
import { type PoolTree, treeOf } from "./settings.js";

/** A pool keeps so much of its shares on a worker where its members want nothing now: they can wake. */
const FRACTION_MIN = 0.05;

/**
 * The part of the policy that one worker's dispatcher keeps. A pool whose members are on several workers has on each of
 * them the part of its shares, reservation and limit that its members there have of its entitlement.
 *
 * @param workerOf the worker that a machine is on, or null when it is on none
 */
export function partOf(
  policy: Policy,
  entitlements: Entitlements,
  workerOf: (machine: string) => number | null,
  worker: number,
): Policy {
  const pools: PoolPolicy[] = [];
  const isHere = (machine: string): boolean => workerOf(machine) === worker;
  const visit = (pool: PoolTree, parent: string): void => {
    pools.push({ name: pool.name, parent, cpu: scale(pool.cpu, fractionOf(pool, entitlements, isHere)) });
    for (const each of pool.pools) visit(each, pool.name);
  };
  const tree = treeOf(policy);
  for (const pool of tree.pools) visit(pool, tree.name);
  return { pools, machines: policy.machines.filter(({ name }) => isHere(name)) };
}

function fractionOf(pool: PoolTree, { machines }: Entitlements, isHere: (machine: string) => boolean): number {
  const names = machinesIn(pool);
  const here = names.filter(isHere);
  if (here.length === names.length) return 1;
  const total = (of: readonly string[]) => of.reduce((sum, name) => sum + (machines.get(name) ?? 0), 0);
  const all = total(names);
  return Math.max(FRACTION_MIN, all > 0 ? total(here) / all : here.length / names.length);
}

function machinesIn({ machines, pools }: PoolTree): string[] {
  return [...machines.map(({ name }) => name), ...pools.flatMap(machinesIn)];
}

function scale({ shares, reservation, limit }: ProcessorSettings, fraction: number): ProcessorSettings {
  return {
    shares: shares * fraction,
    reservation: reservation * fraction,
    limit: limit === null ? null : limit * fraction,
  };
}
