import { MACHINE_PROCESSORS_MAX } from "./entitlement.js";

/** A machine that is on, where it is. */
export interface PlacedMachine {
  readonly name: string;
  /** Index of the worker that it runs in. */
  readonly worker: number;
  /** Processors: what it has a right to now, of all workers together. */
  readonly entitlement: number;
  readonly reservation: number;
}

export interface Move {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** Loads that differ by less than this many processors are even enough: a move costs, too. */
const UNEVEN = 0.25;
/** A step makes the sum of the squared loads smaller by at least this much. */
const GAIN_MIN = 0.02;
/** Moves of one plan. */
const MOVES_MAX = 4;
/** A reservation that cannot be kept weighs more than any load. */
const UNKEPT_WEIGHT = 1000;
const ROUNDING = 1e-9;

interface Load {
  /** Processors that the machines of a worker have a right to; the worker has 1. */
  entitled: number;
  reserved: number;
  count: number;
}

/** @returns the worker that shall have a new machine: of those that can keep its reservation, the least loaded */
export function placeMachine(
  machines: readonly PlacedMachine[],
  workerCount: number,
  machine: Pick<PlacedMachine, "entitlement" | "reservation">,
): number {
  const loads = loadsOf(machines, workerCount);
  const rank = ({ entitled, reserved, count }: Load): number[] => {
    return [Math.max(0, reserved + machine.reservation - MACHINE_PROCESSORS_MAX - ROUNDING), entitled, count];
  };
  let best = 0;
  for (const [worker, load] of loads.entries()) {
    if (isLess(rank(load), rank(loads[best]!))) best = worker;
  }
  return best;
}

/**
 * Which machines shall move so that each gets what it has a right to where it is: first until every worker can keep its
 * machines' reservations, then until the workers are loaded evenly enough. Each step is the move, or the exchange of two
 * machines, that evens the loads most; there is none that does little, so that plans come to an end.
 *
 * @returns in this order; empty when all is well
 */
export function planMoves(machines: readonly PlacedMachine[], workerCount: number): readonly Move[] {
  const placed = machines.map((machine) => ({ ...machine }));
  const moves: Move[] = [];
  while (moves.length < MOVES_MAX) {
    const step = bestStep(placed, loadsOf(placed, workerCount));
    if (step.length === 0 || moves.length + step.length > MOVES_MAX) break;
    for (const move of step) placed.find(({ name }) => name === move.name)!.worker = move.to;
    moves.push(...step);
  }
  return moves;
}

function bestStep(machines: readonly PlacedMachine[], loads: readonly Load[]): readonly Move[] {
  const entitled = loads.map((load) => load.entitled);
  const isEven = Math.max(...entitled) - Math.min(...entitled) < UNEVEN;
  if (isEven && loads.every(isKept)) return [];
  let best: readonly Move[] = [];
  let bestGain = GAIN_MIN;
  const consider = (gain: number, step: () => readonly Move[]): void => {
    // Of equal ones the first, which is a single move.
    if (gain <= bestGain + ROUNDING) return;
    bestGain = gain;
    best = step();
  };
  for (const machine of machines) {
    for (let to = 0; to < loads.length; to++) {
      if (to === machine.worker) continue;
      consider(gainOf(machine, null, loads, to), () => [moveOf(machine, to)]);
    }
  }
  for (const [index, a] of machines.entries()) {
    for (const b of machines.slice(index + 1)) {
      if (a.worker === b.worker) continue;
      consider(gainOf(a, b, loads, b.worker), () => [moveOf(a, b.worker), moveOf(b, a.worker)]);
    }
  }
  return best;
}

/** What becomes better when `machine` goes to `to`, and `other` from there to where it was. */
function gainOf(machine: PlacedMachine, other: PlacedMachine | null, loads: readonly Load[], to: number): number {
  const from = loads[machine.worker]!;
  const target = loads[to]!;
  const entitled = machine.entitlement - (other?.entitlement ?? 0);
  const reserved = machine.reservation - (other?.reservation ?? 0);
  const after = (load: Load, sign: number) => {
    return costOf(load.entitled + sign * entitled, load.reserved + sign * reserved);
  };
  const before = costOf(from.entitled, from.reserved) + costOf(target.entitled, target.reserved);
  return before - after(from, -1) - after(target, 1);
}

function costOf(entitled: number, reserved: number): number {
  return entitled * entitled + UNKEPT_WEIGHT * Math.max(0, reserved - MACHINE_PROCESSORS_MAX - ROUNDING);
}

function isKept({ reserved }: Load): boolean {
  return reserved <= MACHINE_PROCESSORS_MAX + ROUNDING;
}

function moveOf({ name, worker }: PlacedMachine, to: number): Move {
  return { name, from: worker, to };
}

function loadsOf(machines: readonly PlacedMachine[], workerCount: number): Load[] {
  const loads = Array.from({ length: workerCount }, () => ({ entitled: 0, reserved: 0, count: 0 }));
  for (const { worker, entitlement, reservation } of machines) {
    const load = loads[worker]!;
    load.entitled += entitlement;
    load.reserved += reservation;
    load.count++;
  }
  return loads;
}

function isLess(a: readonly number[], b: readonly number[]): boolean {
  for (const [index, value] of a.entries()) {
    if (value !== b[index]) return value < b[index]!;
  }
  return false;
}
