import { VivariumError } from "../../util/errors.js";
import { ROOT_POOL } from "../machine-spec.js";
import { MACHINE_PROCESSORS_MAX } from "./entitlement.js";
import { type Policy, type PoolTree, treeOf } from "./settings.js";

/** Sums of decimal fractions are not exact. */
const ROUNDING = 1e-9;

/** What is reserved for, and where it does not fit. */
interface Refusal {
  readonly name: string;
  readonly reserved: number;
  readonly available: number;
}

/**
 * Looks whether all reservations can be kept at once, for machines that are on as for those that are off.
 *
 * A pool reserves what it is given, or what its members reserve if that is more (its reservation is expandable); it must
 * be within the pool's limit, and in all within the host's processors. A machine is on one worker at a time, so the
 * machines must also fit into the workers, each with its whole reservation.
 *
 * @param workerCount each is a processor
 * @returns what is reserved in all, in processors
 * @throws VivariumError `admission/processors` naming where it does not fit; `pool/unknown`, `pool/cycle`
 */
export function admit(policy: Policy, workerCount: number): number {
  const reserved = reservationOf(treeOf(policy), workerCount);
  const crowded = unplaceable(policy, workerCount);
  if (crowded === null) return reserved;
  const message = `machine ${crowded.name}: a reservation of ${shown(crowded.reserved)} processors does not fit beside the others' on any one of ${workerCount} workers`;
  throw refusal(message, { ...crowded, reserved: crowded.reserved });
}

function reservationOf({ name, cpu, pools, machines }: PoolTree, workerCount: number): number {
  let members = 0;
  for (const machine of machines) {
    const { reservation, limit } = machine.cpu;
    const available = Math.min(limit ?? MACHINE_PROCESSORS_MAX, MACHINE_PROCESSORS_MAX);
    requireRoom({ name: machine.name, reserved: reservation, available }, `machine ${machine.name}: it can use`);
    members += reservation;
  }
  for (const pool of pools) members += reservationOf(pool, workerCount);
  const reserved = Math.max(cpu.reservation, members);
  if (name === ROOT_POOL) {
    requireRoom({ name, reserved, available: workerCount }, "all machines and pools: the host has");
  } else {
    const available = cpu.limit ?? Number.POSITIVE_INFINITY;
    requireRoom({ name, reserved, available }, `pool ${name}: its limit is`);
  }
  return reserved;
}

/** The first machine that finds no worker, the largest being placed first. */
function unplaceable({ machines }: Policy, workerCount: number): Refusal | null {
  const rooms = new Array<number>(workerCount).fill(MACHINE_PROCESSORS_MAX);
  const descending = machines
    .map(({ name, cpu }) => ({ name, reserved: cpu.reservation }))
    .sort((a, b) => b.reserved - a.reserved);
  for (const { name, reserved } of descending) {
    const worker = rooms.findIndex((room) => room + ROUNDING >= reserved);
    if (worker < 0) return { name, reserved, available: Math.max(0, ...rooms) };
    rooms[worker]! -= reserved;
  }
  return null;
}

function requireRoom(room: Refusal, what: string): void {
  const { reserved, available } = room;
  if (reserved <= available + ROUNDING) return;
  throw refusal(`${what} ${shown(available)} processors, and ${shown(reserved)} would be reserved`, room);
}

function refusal(message: string, { name, reserved, available }: Refusal): VivariumError {
  return new VivariumError("admission/processors", message, { name, reserved, available });
}

function shown(processors: number): string {
  return String(Math.round(processors * 1000) / 1000);
}
