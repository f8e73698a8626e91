import type { MachinePolicy, PoolTree, ProcessorSettings } from "./settings.js";

/** Processors that one machine can use: its harts run in turn, on one thread. */
export const MACHINE_PROCESSORS_MAX = 1;

/** By name: processors that each has a right to. */
export interface Entitlements {
  readonly machines: ReadonlyMap<string, number>;
  readonly pools: ReadonlyMap<string, number>;
}

/** A member of a pool as its division sees it. */
export interface Claim {
  /** Weight; more than 0. */
  readonly shares: number;
  /** At least so much, and at most `most`. */
  readonly least: number;
  readonly most: number;
}

/** A member with what it can claim, and its own members if it is a pool. */
interface Claimant extends Claim {
  readonly name: string;
  readonly members: readonly Claimant[] | null;
}

/**
 * How many processors each machine and pool has a right to now.
 *
 * From the host down, what a pool has is divided among its members by their shares. Nobody gets less than its
 * reservation, as far as it wants it, nor more than its limit or its demand; what one leaves goes to the others, by
 * their shares. A pool wants what its members want. Its reservation is for all of them together, and if its members'
 * reservations come to more, the pool's is as large as they are: it is expandable, and `admit` sees to it that the
 * pools above have it.
 *
 * @param demandOf processors that a machine would use if it were alone
 */
export function entitlementsOf(tree: PoolTree, demandOf: (machine: string) => number, capacity: number): Entitlements {
  const machines = new Map<string, number>();
  const pools = new Map<string, number>();
  const give = ({ name, members }: Claimant, amount: number): void => {
    (members === null ? machines : pools).set(name, amount);
    if (members === null) return;
    const parts = divide(members, amount);
    for (const [index, member] of members.entries()) give(member, parts[index]!);
  };
  const root = claimOfPool(tree, demandOf);
  give(root, Math.min(capacity, root.most));
  return { machines, pools };
}

function claimOfPool({ name, cpu, pools, machines }: PoolTree, demandOf: (machine: string) => number): Claimant {
  const members = [
    ...machines.map((machine) => claimOfMachine(machine, demandOf(machine.name))),
    ...pools.map((pool) => claimOfPool(pool, demandOf)),
  ];
  const wanted = sum(members.map(({ most }) => most));
  const promised = sum(members.map(({ least }) => least));
  return { name, members, ...claim({ ...cpu, reservation: Math.max(cpu.reservation, promised) }, wanted) };
}

function claimOfMachine({ name, cpu }: MachinePolicy, demand: number): Claimant {
  return { name, members: null, ...claim(cpu, Math.min(demand, MACHINE_PROCESSORS_MAX)) };
}

function claim({ shares, reservation, limit }: ProcessorSettings, wanted: number): Claim {
  const most = Math.max(0, Math.min(limit ?? Number.POSITIVE_INFINITY, wanted));
  return { shares, least: Math.min(reservation, most), most };
}

/**
 * Divides `amount` by shares within each one's bounds: everybody gets `level * shares`, brought within its bounds, with
 * the one level at which all of it is given away, or everybody has what he can use. Where `amount` does not even suffice
 * for what each must have at least, it is divided in proportion to that.
 *
 * @returns in the order of `claims`
 */
export function divide(claims: readonly Claim[], amount: number): number[] {
  const promised = sum(claims.map(({ least }) => least));
  if (promised >= amount) return claims.map(({ least }) => (promised === 0 ? 0 : (least * amount) / promised));
  if (sum(claims.map(({ most }) => most)) <= amount) return claims.map(({ most }) => most);

  const at = (level: number) =>
    claims.map(({ shares, least, most }) => Math.min(most, Math.max(least, level * shares)));
  // The sum is a line between two of these levels: the last one at which too little is given, and the next.
  const levels = [0, ...claims.flatMap(({ shares, least, most }) => [least / shares, most / shares])]
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  let [low, high] = [0, levels.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sum(at(levels[middle]!)) <= amount) low = middle;
    else high = middle;
  }
  const level = levels[low]!;
  const given = at(level);
  const growing = sum(
    claims.filter(({ shares, least, most }) => least / shares <= level && level < most / shares).map((c) => c.shares),
  );
  return growing === 0 ? given : at(level + (amount - sum(given)) / growing);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
