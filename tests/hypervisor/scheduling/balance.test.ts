import { expect, test } from "vitest";
import { Balance } from "../../../host/hypervisor/scheduling/balance.js";
import type { PlacedMachine } from "../../../host/hypervisor/scheduling/placement.js";

const WORKERS = 2;
const at = (name: string, worker: number, entitlement: number): PlacedMachine => {
  return { name, worker, entitlement, reservation: 0 };
};
const UNEVEN = [at("a", 0, 0.5), at("b", 0, 0.5)];
const EVEN = [at("a", 0, 0.5), at("b", 1, 0.5)];

/** The seconds of `looks` at which machines are to move. */
function movesAt(looks: readonly (readonly PlacedMachine[])[]): number[] {
  const balance = new Balance();
  return looks.flatMap((machines, second) => (balance.look(machines, WORKERS, second * 1000).length > 0 ? second : []));
}

test("balance: machines move when the load has been uneven for five seconds, and then stay for a while", () => {
  const moves = movesAt(new Array(20).fill(UNEVEN));
  expect(moves[0]).toBe(4);
  for (const [index, second] of moves.slice(1).entries()) expect(second - moves[index]!).toBeGreaterThanOrEqual(5);
  expect(moves.length).toBeGreaterThan(1);
});

test("balance: a burst moves nobody, however often it comes", () => {
  const burst = [UNEVEN, UNEVEN, UNEVEN, UNEVEN, EVEN];
  expect(movesAt([...burst, ...burst, ...burst, ...burst])).toEqual([]);
});
