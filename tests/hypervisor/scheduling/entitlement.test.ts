import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Claim, divide, entitlementsOf } from "../../../host/hypervisor/scheduling/entitlement.js";
import { type Policy, treeOf } from "../../../host/hypervisor/scheduling/settings.js";
import { policyOf, type Scenario } from "./simulation.js";

const RUNS = { numRuns: 300, seed: 20_250_102 };

const claims = fc.array(
  fc
    .record({
      shares: fc.integer({ min: 1, max: 10_000 }),
      least: fc.double({ min: 0, max: 0.5, noNaN: true }),
      more: fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constant(0)),
    })
    .map(({ shares, least, more }): Claim => ({ shares, least, most: least + more })),
  { minLength: 1, maxLength: 12 },
);
const amounts = fc.double({ min: 0, max: 8, noNaN: true });

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((total, each) => total + each, 0);
}

function entitled(scenario: Scenario, capacity: number, demand: Record<string, number> = {}): Record<string, number> {
  const { machines } = entitlementsOf(treeOf(policyOf(scenario)), (name) => demand[name] ?? 1, capacity);
  return Object.fromEntries([...machines].map(([name, part]) => [name, Math.round(part * 1000) / 1000]));
}

describe("dividing an amount", () => {
  test("gives all of it away, or each what it can use", () => {
    fc.assert(
      fc.property(claims, amounts, (given, amount) => {
        const most = sum(given.map((claim) => claim.most));
        expect(sum(divide(given, amount))).toBeCloseTo(Math.min(amount, most), 6);
      }),
      RUNS,
    );
  });

  test("keeps within each one's bounds, as long as there is enough for what each must have", () => {
    fc.assert(
      fc.property(claims, amounts, (given, amount) => {
        const isEnough = sum(given.map(({ least }) => least)) <= amount;
        for (const [index, part] of divide(given, amount).entries()) {
          const { least, most } = given[index]!;
          expect(part).toBeLessThanOrEqual(most + 1e-9);
          if (isEnough) expect(part).toBeGreaterThanOrEqual(least - 1e-9);
        }
      }),
      RUNS,
    );
  });

  test("gives two that are at no bound parts as their shares are", () => {
    fc.assert(
      fc.property(claims, amounts, (given, amount) => {
        const free = divide(given, amount)
          .map((part, index) => ({ part, ...given[index]! }))
          .filter(({ part, least, most }) => part > least + 1e-9 && part < most - 1e-9);
        for (const { part, shares } of free) expect(part / shares).toBeCloseTo(free[0]!.part / free[0]!.shares, 9);
      }),
      RUNS,
    );
  });

  test("gives more to one with more shares, and to the others then not more", () => {
    fc.assert(
      fc.property(claims, amounts, fc.nat(), fc.integer({ min: 1, max: 5000 }), (given, amount, which, more) => {
        const index = which % given.length;
        const richer = given.map((claim, at) => (at === index ? { ...claim, shares: claim.shares + more } : claim));
        const [before, after] = [divide(given, amount), divide(richer, amount)];
        expect(after[index]!).toBeGreaterThanOrEqual(before[index]! - 1e-9);
        for (const [at, part] of after.entries()) {
          if (at !== index) expect(part).toBeLessThanOrEqual(before[at]! + 1e-9);
        }
      }),
      RUNS,
    );
  });

  test("does not depend on the order", () => {
    fc.assert(
      fc.property(claims, amounts, (given, amount) => {
        const backwards = divide([...given].reverse(), amount).reverse();
        for (const [index, part] of divide(given, amount).entries()) expect(part).toBeCloseTo(backwards[index]!, 9);
      }),
      RUNS,
    );
  });
});

describe("entitlement", () => {
  const machine = (name: string, cpu = {}, pool = "root") => ({ name, cpu, pool });

  test("divides by shares, and what one does not want by the others'", () => {
    const machines = [machine("a", { shares: 100 }), machine("b", { shares: 300 })];
    expect(entitled({ machines }, 1)).toEqual({ a: 0.25, b: 0.75 });
    expect(entitled({ machines }, 1, { b: 0.1 })).toEqual({ a: 0.9, b: 0.1 });
    expect(entitled({ machines }, 1, { b: 0 })).toEqual({ a: 1, b: 0 });
  });

  test("gives no machine more than one processor, its harts being run in turn", () => {
    expect(entitled({ machines: [machine("a"), machine("b", { shares: 1 })] }, 4)).toEqual({ a: 1, b: 1 });
  });

  test("gives a reservation before shares, but only to one that wants it", () => {
    const machines = [machine("a", { shares: 1, reservation: 0.6 }), machine("b", { shares: 999 })];
    expect(entitled({ machines }, 1)).toEqual({ a: 0.6, b: 0.4 });
    expect(entitled({ machines }, 1, { a: 0.2 })).toEqual({ a: 0.2, b: 0.8 });
  });

  test("is bounded by the limits of machines and of the pools around them", () => {
    const pools = [{ name: "p", cpu: { limit: 0.5 } }];
    const machines = [machine("a", { limit: 0.1 }, "p"), machine("b", {}, "p"), machine("c")];
    expect(entitled({ pools, machines }, 1)).toEqual({ a: 0.1, b: 0.4, c: 0.5 });
    expect(entitled({ pools, machines }, 1, { c: 0 })).toEqual({ a: 0.1, b: 0.4, c: 0 });
  });

  test("is a pool's, whatever the number of those in it", () => {
    const pools = [{ name: "many" }, { name: "one", cpu: { shares: 300 } }];
    const machines = [...[1, 2, 3, 4].map((n) => machine(`m${n}`, {}, "many")), machine("o", {}, "one")];
    expect(entitled({ pools, machines }, 1)).toEqual({ m1: 0.063, m2: 0.063, m3: 0.063, m4: 0.063, o: 0.75 });
  });

  test("gives a pool's reservation to whoever in it wants it, and its members' even if the pool reserves less", () => {
    const pools = [{ name: "p", cpu: { shares: 1, reservation: 0.5 } }];
    const machines = [machine("a", {}, "p"), machine("b", {}, "p"), machine("c", { shares: 999 })];
    expect(entitled({ pools, machines }, 1, { a: 0 })).toEqual({ a: 0, b: 0.5, c: 0.5 });
    const promised = [machine("a", { reservation: 0.7 }, "p"), machine("c", { shares: 999 })];
    expect(entitled({ pools, machines: promised }, 1)).toEqual({ a: 0.7, c: 0.3 });
  });

  test("of pools in pools: a child's part is of its parent's", () => {
    const pools = [
      { name: "outer" },
      { name: "x", parent: "outer", cpu: { shares: 300 } },
      { name: "y", parent: "outer", cpu: { shares: 100 } },
    ];
    const machines = [machine("a"), machine("b", {}, "x"), machine("c", {}, "y"), machine("d", {}, "y")];
    expect(entitled({ pools, machines }, 2)).toEqual({ a: 1, b: 0.75, c: 0.125, d: 0.125 });
  });

  test("of a whole host never comes to more than it has, and leaves nothing that somebody wants", () => {
    const cpu = fc.record({
      shares: fc.integer({ min: 1, max: 1000 }),
      limit: fc.option(fc.double({ min: 0.05, max: 1, noNaN: true })),
    });
    const scenario = fc.record({
      pools: fc.array(fc.record({ cpu, parent: fc.nat() }), { maxLength: 5 }),
      machines: fc.array(fc.record({ cpu, pool: fc.nat(), demand: fc.double({ min: 0, max: 1, noNaN: true }) }), {
        minLength: 1,
        maxLength: 10,
      }),
      capacity: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(scenario, ({ pools, machines, capacity }) => {
        const name = (index: number, among: number) => (index % (among + 1) === 0 ? "root" : `p${(index % among) + 0}`);
        const policy: Policy = {
          pools: pools.map((pool, index) => {
            return { name: `p${index}`, parent: name(pool.parent, index), cpu: { ...pool.cpu, reservation: 0 } };
          }),
          machines: machines.map((each, index) => {
            return { name: `m${index}`, pool: name(each.pool, pools.length), cpu: { ...each.cpu, reservation: 0 } };
          }),
        };
        const demand = (machine: string) => machines[Number(machine.slice(1))]!.demand;
        const found = entitlementsOf(treeOf(policy), demand, capacity);
        const total = sum(found.machines.values());
        expect(total).toBeLessThanOrEqual(capacity + 1e-9);
        expect(total).toBeCloseTo(found.pools.get("root")!, 9);
        for (const [machine, part] of found.machines) expect(part).toBeLessThanOrEqual(demand(machine) + 1e-9);
        // One that has less than it wants is kept from more by a limit, or there is no more.
        const limited = [...policy.machines, ...policy.pools].some((each) => each.cpu.limit !== null);
        const wanted = sum(machines.map((each) => each.demand));
        if (!limited) expect(total).toBeCloseTo(Math.min(capacity, wanted), 9);
      }),
      RUNS,
    );
  });

  test.each([
    ["pool/unknown", [{ name: "a", parent: "nowhere" }]],
    [
      "pool/cycle",
      [
        { name: "a", parent: "b" },
        { name: "b", parent: "a" },
      ],
    ],
  ])("%s is what a policy that is none is refused with", (code, pools) => {
    expect(() => treeOf(policyOf({ pools, machines: [] }))).toThrow(expect.objectContaining({ code }));
  });
});
