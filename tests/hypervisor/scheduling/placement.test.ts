import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { entitlementsOf } from "../../../host/hypervisor/scheduling/entitlement.js";
import { partOf } from "../../../host/hypervisor/scheduling/partition.js";
import { type PlacedMachine, placeMachine, planMoves } from "../../../host/hypervisor/scheduling/placement.js";
import { treeOf } from "../../../host/hypervisor/scheduling/settings.js";
import { policyOf } from "./simulation.js";

const RUNS = { numRuns: 200, seed: 20_250_103 };

const at = (worker: number, entitlement: number, reservation = 0, name = `m${worker}-${entitlement}`) => {
  return { name, worker, entitlement, reservation };
};

const hosts = fc
  .record({
    workerCount: fc.integer({ min: 1, max: 5 }),
    machines: fc.array(fc.record({ worker: fc.nat(), entitlement: fc.double({ min: 0, max: 1, noNaN: true }) }), {
      maxLength: 20,
    }),
  })
  .map(({ workerCount, machines }) => ({
    workerCount,
    machines: machines.map(({ worker, entitlement }, index): PlacedMachine => {
      return { name: `m${index}`, worker: worker % workerCount, entitlement, reservation: 0 };
    }),
  }));

function after(machines: readonly PlacedMachine[], workerCount: number): PlacedMachine[] {
  const moved = machines.map((machine) => ({ ...machine }));
  for (const { name, from, to } of planMoves(machines, workerCount)) {
    const machine = moved.find((each) => each.name === name)!;
    expect(machine.worker).toBe(from);
    machine.worker = to;
  }
  return moved;
}

function loads(machines: readonly PlacedMachine[], workerCount: number, of: "entitlement" | "reservation"): number[] {
  const sums = new Array<number>(workerCount).fill(0);
  for (const machine of machines) sums[machine.worker]! += machine[of];
  return sums;
}

describe("placing a new machine", () => {
  test("the least loaded worker has it", () => {
    expect(placeMachine([at(0, 0.9), at(1, 0.2), at(2, 0.5)], 3, { entitlement: 0.5, reservation: 0 })).toBe(1);
  });

  test("a worker that cannot keep its reservation does not, however idle it is", () => {
    const machines = [at(0, 0, 0.8), at(1, 0.9, 0.1)];
    expect(placeMachine(machines, 2, { entitlement: 0.5, reservation: 0.5 })).toBe(1);
  });

  test("among equal ones the one with the fewest machines has it", () => {
    expect(placeMachine([at(0, 0), at(0, 0), at(1, 0)], 2, { entitlement: 0, reservation: 0 })).toBe(1);
  });
});

describe("moving machines", () => {
  test("two busy ones on one worker part when another is idle", () => {
    const machines = [at(0, 1, 0, "a"), at(0, 1, 0, "b")];
    expect(planMoves(machines, 2)).toEqual([{ name: "a", from: 0, to: 1 }]);
  });

  test("nobody moves to and fro for little", () => {
    expect(planMoves([at(0, 0.6), at(1, 0.4)], 2)).toEqual([]);
    expect(planMoves([at(0, 1)], 2)).toEqual([]);
    expect(planMoves([], 2)).toEqual([]);
  });

  test("two exchange their places where no single move helps", () => {
    const machines = [at(0, 0.9, 0, "a"), at(0, 0.6, 0, "b"), at(1, 0.5, 0, "c"), at(1, 0.0, 0, "d")];
    // 1.5 and 0.5: moving a or b would make it no better.
    const plan = planMoves(machines, 2);
    expect(plan.length).toBeGreaterThan(0);
    const [x, y] = loads(after(machines, 2), 2, "entitlement");
    expect(Math.abs(x! - y!)).toBeLessThan(0.5);
  });

  test("a reservation that its worker cannot keep is moved first", () => {
    const machines = [at(0, 0.5, 0.7, "a"), at(0, 0.5, 0.7, "b"), at(1, 0.9, 0.1, "c")];
    const moved = after(machines, 2);
    for (const sum of loads(moved, 2, "reservation")) expect(sum).toBeLessThanOrEqual(1 + 1e-9);
  });

  test("a plan has few moves, evens the loads, and plans come to an end", () => {
    fc.assert(
      fc.property(hosts, ({ machines, workerCount }) => {
        let now = machines;
        const uneven = (of: readonly PlacedMachine[]) => {
          return loads(of, workerCount, "entitlement").reduce((sum, load) => sum + load * load, 0);
        };
        let plans = 0;
        for (; planMoves(now, workerCount).length > 0; plans++) {
          expect(planMoves(now, workerCount).length).toBeLessThanOrEqual(4);
          const next = after(now, workerCount);
          expect(uneven(next)).toBeLessThan(uneven(now) - 0.01);
          now = next;
        }
        expect(plans).toBeLessThanOrEqual(machines.length + 1);
        // What is left uneven is so because of one machine that is large.
        const sums = loads(now, workerCount, "entitlement");
        const gap = Math.max(...sums) - Math.min(...sums);
        const heavy = now.filter(({ worker }) => sums[worker] === Math.max(...sums)).map((each) => each.entitlement);
        const smallest = Math.min(...heavy.filter((each) => each > 0.05));
        if (gap >= 0.25) expect(gap).toBeLessThanOrEqual(smallest + 0.02 / smallest + 1e-9);
      }),
      RUNS,
    );
  });

  test("machines that want all they can get are as even as can be, so that shares hold", () => {
    // 8 machines of equal shares on 2 workers, all on one at first.
    let now: PlacedMachine[] = Array.from({ length: 8 }, (_, index) => at(0, 0.25, 0, `m${index}`));
    for (let round = 0; round < 3; round++) now = after(now, 2);
    expect(loads(now, 2, "entitlement")).toEqual([1, 1]);
  });
});

describe("the part of a policy that one worker has", () => {
  const pools = [
    { name: "p", cpu: { shares: 200, reservation: 0.4, limit: 1 } },
    { name: "q", parent: "p" },
  ];
  const machines = [
    { name: "a", pool: "p" },
    { name: "b", pool: "q" },
    { name: "c", pool: "root" },
  ];
  const policy = policyOf({ pools, machines });
  const parts = (workerOf: Record<string, number | null>, demand: Record<string, number> = {}) => {
    const entitlements = entitlementsOf(treeOf(policy), (name) => demand[name] ?? 1, 2);
    return [0, 1].map((worker) => partOf(policy, entitlements, (name) => workerOf[name] ?? null, worker));
  };

  test("is all of it where all of its machines are", () => {
    expect(parts({ a: 0, b: 0, c: 0 })[0]).toEqual(policy);
  });

  test("divides a pool as its machines are divided, and leaves the machines as they are", () => {
    const [first, second] = parts({ a: 0, b: 1, c: 1 });
    const cpu = { shares: 100, reservation: 0.2, limit: 0.5 };
    expect(first!.pools.find(({ name }) => name === "p")!.cpu).toEqual(cpu);
    expect(second!.pools.find(({ name }) => name === "p")!.cpu).toEqual(cpu);
    expect(first!.machines).toEqual(policy.machines.filter(({ name }) => name === "a"));
    expect(second!.machines.map(({ name }) => name)).toEqual(["b", "c"]);
  });

  test("goes to where it is wanted, and leaves a little where a machine can wake", () => {
    const [first, second] = parts({ a: 0, b: 1, c: 1 }, { b: 0 });
    expect(first!.pools.find(({ name }) => name === "p")!.cpu.shares).toBe(200);
    const rest = second!.pools.find(({ name }) => name === "p")!.cpu.shares;
    expect(rest).toBeGreaterThan(0);
    expect(rest).toBeLessThan(20);
  });
});
