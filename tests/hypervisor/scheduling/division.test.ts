import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Dispatcher } from "../../../host/hypervisor/scheduling/dispatcher.js";
import { entitlementsOf } from "../../../host/hypervisor/scheduling/entitlement.js";
import { SLICE_MS } from "../../../host/hypervisor/scheduling/fair-node.js";
import { treeOf } from "../../../host/hypervisor/scheduling/settings.js";
import {
  type Burst,
  DIVIDERS,
  dispatch,
  type Outcome,
  percentile,
  policyOf,
  type Scenario,
  type SimulatedMachine,
  SimulatedThread,
  used,
} from "./simulation.js";

const TEN_SECONDS = 10_000;
/** Simulations of ten seconds take a while. */
const RUNS = { numRuns: 12, seed: 20_250_101 };

function busy(count: number, cpu: SimulatedMachine["cpu"] = {}, pool = "root", prefix = "busy"): SimulatedMachine[] {
  return Array.from({ length: count }, (_, index) => ({ name: `${prefix}${index}`, pool, cpu }));
}

/** Within 2 %, or two turns where those are more: a turn is the least that can be given. */
function expectPart(outcome: Outcome, name: string, wantedMs: number, percent = 2): void {
  const allowedMs = Math.max((wantedMs * percent) / 100, 2 * SLICE_MS);
  expect(Math.abs(used(outcome, name) - wantedMs), `${name}: ${used(outcome, name)} ms of ${wantedMs}`).toBeLessThan(
    allowedMs + 1e-6,
  );
}

/** Each has what it is entitled to when all want all they can get. */
function expectEntitlements(outcome: Outcome, scenario: Scenario, durationMs: number, percent = 2): void {
  const { machines } = entitlementsOf(treeOf(policyOf(scenario)), () => 1, 1);
  for (const [name, part] of machines) expectPart(outcome, name, part * durationMs, percent);
}

describe.each(DIVIDERS)("%s", (_, simulate) => {
  test("busy machines have parts in proportion to their shares, 100 to 800", async () => {
    const machines = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => ({ name: `m${n}`, cpu: { shares: n * 100 } }));
    const outcome = await simulate({ machines }, TEN_SECONDS);
    for (const [index, { name }] of machines.entries()) expectPart(outcome, name, (TEN_SECONDS * (index + 1)) / 36);
  });

  test("busy machines have parts in proportion to their shares, whatever these are and however fast they are", async () => {
    const machine = fc.record({ shares: fc.integer({ min: 20, max: 4000 }), speed: fc.integer({ min: 20, max: 400 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(machine, { minLength: 1, maxLength: 20 }), async (given) => {
        const machines = given.map(({ shares, speed }, index) => {
          return { name: `m${index}`, cpu: { shares }, instructionsPerMs: speed * 1000 };
        });
        expectEntitlements(await simulate({ machines }, TEN_SECONDS), { machines }, TEN_SECONDS);
      }),
      RUNS,
    );
  });

  test("pools divide their parts among what is in them, at every depth", async () => {
    const shares = fc.integer({ min: 50, max: 800 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ shares, parent: fc.nat(), count: fc.integer({ min: 0, max: 3 }) }), {
          minLength: 1,
          maxLength: 6,
        }),
        async (given) => {
          const pools = given.map((pool, index) => {
            const parent = index === 0 || pool.parent % (index + 1) === index ? "root" : `p${pool.parent % index}`;
            return { name: `p${index}`, parent, cpu: { shares: pool.shares } };
          });
          const machines = [
            { name: "outside" },
            ...given.flatMap(({ count }, index) => busy(count, {}, `p${index}`, `p${index}-`)),
          ];
          const scenario = { pools, machines };
          expectEntitlements(await simulate(scenario, TEN_SECONDS), scenario, TEN_SECONDS);
        },
      ),
      RUNS,
    );
  });

  test("limits and reservations hold, of machines and of pools, beside busy ones of any shares", async () => {
    const shares = fc.integer({ min: 50, max: 2000 });
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          limit: fc.double({ min: 0.02, max: 0.9, noNaN: true }),
          poolLimit: fc.double({ min: 0.05, max: 0.9, noNaN: true }),
          reservation: fc.double({ min: 0.05, max: 0.5, noNaN: true }),
          poolReservation: fc.double({ min: 0.05, max: 0.4, noNaN: true }),
          shares: fc.array(shares, { minLength: 6, maxLength: 6 }),
        }),
        async ({ limit, poolLimit, reservation, poolReservation, shares: [a, b, c, d, e, f] }) => {
          const pools = [
            { name: "capped", cpu: { shares: a!, limit: poolLimit } },
            { name: "promised", cpu: { shares: b!, reservation: poolReservation } },
          ];
          const machines = [
            { name: "limited", cpu: { shares: c!, limit } },
            { name: "reserved", cpu: { shares: d!, reservation } },
            ...busy(2, { shares: e! }, "capped", "c"),
            ...busy(2, { shares: f! }, "promised", "p"),
          ];
          const scenario = { pools, machines };
          expectEntitlements(await simulate(scenario, TEN_SECONDS), scenario, TEN_SECONDS, 3);
        },
      ),
      RUNS,
    );
  });

  test("a limit holds for a machine by itself", async () => {
    for (const limit of [0.01, 0.1, 0.5, 0.95]) {
      const outcome = await simulate({ machines: busy(1, { limit }) }, TEN_SECONDS);
      expectPart(outcome, "busy0", limit * TEN_SECONDS, 3);
    }
  });

  test.each([
    ["its shares", {}, 0.5],
    ["its limit", { limit: 0.1, shares: 1000 }, 0.1],
    ["its reservation", { reservation: 0.6 }, 0.6],
  ])("who sleeps for long saves nothing up: it has of what follows what %s says", async (_, cpu, part) => {
    let bursts = 0;
    const nextBurst = (): Burst => {
      return bursts++ === 0 ? { runMs: 1, sleepMs: 5000 } : { runMs: Number.POSITIVE_INFINITY, sleepMs: 0 };
    };
    const machines = [{ name: "sleeper", cpu, nextBurst }, ...busy(1)];
    const wokenMs = 200;
    const before = await simulate({ machines }, 5000);
    bursts = 0;
    const after = await simulate({ machines }, 5000 + wokenMs);
    // What a limit brings in 50 ms, or two turns.
    const bucketMs = Math.max(0.1 * 50, 2 * SLICE_MS);
    const hadMs = used(after, "sleeper") - used(before, "sleeper");
    expect(hadMs).toBeLessThan(wokenMs * part + bucketMs + SLICE_MS);
  });

  test("nothing is left unused while somebody wants it, and nobody starves", async () => {
    const machine = fc.record({
      shares: fc.integer({ min: 10, max: 2000 }),
      runMs: fc.double({ min: 0.05, max: 30, noNaN: true }),
      sleepMs: fc.double({ min: 0.1, max: 60, noNaN: true }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(machine, { minLength: 1, maxLength: 12 }), async (given) => {
        const machines: SimulatedMachine[] = [
          { name: "steady" },
          ...given.map(({ shares, runMs, sleepMs }, index) => {
            return { name: `m${index}`, cpu: { shares }, nextBurst: () => ({ runMs, sleepMs }) };
          }),
        ];
        const durationMs = 3000;
        const outcome = await simulate({ machines }, durationMs);
        const total = [...outcome.usedMs.values()].reduce((sum, ms) => sum + ms, 0);
        expect(total).toBeGreaterThan(durationMs - SLICE_MS);
        expect(outcome.wastedMs).toBe(0);
        const shares = 100 + given.reduce((sum, each) => sum + each.shares, 0);
        // The one that is always there has at least its part, whatever the others do.
        expect(used(outcome, "steady")).toBeGreaterThan((durationMs * 100 * 0.98) / shares - 2 * SLICE_MS);
        // Before the smallest has its next turn, the others have theirs, each by its shares.
        for (const [index, each] of given.entries()) {
          const roundMs = (SLICE_MS * 2 * shares) / each.shares + (given.length + 1) * SLICE_MS * 2;
          expect(Math.max(...outcome.waits.get(`m${index}`)!)).toBeLessThan(roundMs);
        }
      }),
      RUNS,
    );
  });

  test("one that sleeps has as much of the rest as it wants, and the others divide what it leaves", async () => {
    const nextBurst = (): Burst => ({ runMs: 1, sleepMs: 19 });
    const machines = [
      { name: "sleeper", nextBurst },
      { name: "a", cpu: { shares: 100 } },
      { name: "b", cpu: { shares: 300 } },
    ];
    const outcome = await simulate({ machines }, TEN_SECONDS);
    const sleeperMs = used(outcome, "sleeper");
    expect(sleeperMs).toBeGreaterThan(430);
    expectPart(outcome, "a", (TEN_SECONDS - sleeperMs) / 4);
    expectPart(outcome, "b", ((TEN_SECONDS - sleeperMs) * 3) / 4);
  });

  test("one that wakes runs within 10 ms while 8 others are busy, however small its part", async () => {
    const nextBurst = (): Burst => ({ runMs: 0.3, sleepMs: 37 });
    const machines = [{ name: "sleeper", cpu: { shares: 50 }, nextBurst }, ...busy(8, { shares: 400 })];
    const { waits } = await simulate({ machines }, TEN_SECONDS);
    const all = waits.get("sleeper")!;
    expect(all.length).toBeGreaterThan(200);
    expect(percentile(all, 0.5)).toBeLessThan(SLICE_MS * 1.1);
    expect(percentile(all, 0.99)).toBeLessThan(10);
  });

  test("sleeping just before a tick, or long and then running long, gains nothing", async () => {
    // Schedulers that look at the processor at fixed moments charge the first one nothing.
    const tricks: ((nowMs: number) => Burst)[] = [
      (nowMs) => ({ runMs: 3.9 - (nowMs % 4), sleepMs: 0.1 }),
      () => ({ runMs: SLICE_MS * 0.99, sleepMs: 0.01 }),
      () => ({ runMs: 2000, sleepMs: 500 }),
      () => ({ runMs: 50, sleepMs: 1 }),
    ];
    for (const nextBurst of tricks) {
      const machines = [{ name: "cheat", nextBurst }, { name: "honest" }];
      const outcome = await simulate({ machines }, TEN_SECONDS);
      expect(used(outcome, "cheat")).toBeLessThan((TEN_SECONDS / 2) * 1.02);
      expect(used(outcome, "honest")).toBeGreaterThan((TEN_SECONDS / 2) * 0.98);
    }
  });

  test("many machines in one pool get no more than one in another", async () => {
    const pools = [{ name: "many" }, { name: "one" }];
    const nextBurst = (): Burst => ({ runMs: 0.5, sleepMs: 2 });
    const sleepers = busy(30, {}, "many", "sleeper").map((machine) => ({ ...machine, nextBurst }));
    const machines = [...busy(30, {}, "many", "many"), ...sleepers, ...busy(1, {}, "one", "one")];
    const outcome = await simulate({ pools, machines }, TEN_SECONDS);
    expectPart(outcome, "one0", TEN_SECONDS / 2);
  });

  test("changes take effect at once, and settle no old accounts", async () => {
    const with_ = (a: SimulatedMachine["cpu"], b: SimulatedMachine["cpu"]): Scenario => {
      return {
        machines: [
          { name: "a", ...(a && { cpu: a }) },
          { name: "b", ...(b && { cpu: b }) },
        ],
      };
    };
    const steps: readonly (readonly [Scenario, number])[] = [
      [with_({ shares: 100 }, { shares: 900 }), 0.1],
      [with_({ shares: 900 }, { shares: 100 }), 0.9],
      [with_({ shares: 900, limit: 0.2 }, { shares: 100 }), 0.2],
      [with_({ shares: 900 }, { shares: 100 }), 0.9],
      [with_({ shares: 1, reservation: 0.7 }, { shares: 999 }), 0.7],
      [with_({ shares: 500 }, { shares: 500 }), 0.5],
    ];
    const stepMs = 500;
    const changes = steps.map(([scenario], index) => ({ atMs: index * stepMs, scenario }));
    const outcome = await simulate(steps[0]![0], steps.length * stepMs, { changes });
    for (const [index, [, part]] of steps.entries()) {
      const inStep = (ms: number) => ms >= index * stepMs && ms < (index + 1) * stepMs;
      const [a, b] = ["a", "b"].map((name) => outcome.turns.get(name)!.filter(inStep).length);
      // Turns of a machine at its limit are shorter; all else are alike.
      const turnMs = part === 0.2 ? 1 : SLICE_MS;
      expect((a! * turnMs) / (a! * turnMs + b! * SLICE_MS), `step ${index}`).toBeCloseTo(part, 1);
    }
  });

  test("a machine that goes to another pool has that pool's part", async () => {
    const pools = [
      { name: "big", cpu: { shares: 300 } },
      { name: "small", cpu: { shares: 100 } },
    ];
    const at = (pool: string): Scenario => {
      return { pools, machines: [{ name: "a", pool }, ...busy(1, {}, "big", "x"), ...busy(1, {}, "small", "y")] };
    };
    const outcome = await simulate(at("small"), 2000, { changes: [{ atMs: 1000, scenario: at("big") }] });
    const turns = (from: number) => outcome.turns.get("a")!.filter((ms) => ms >= from && ms < from + 1000).length;
    expect((turns(0) * SLICE_MS) / 1000).toBeCloseTo(0.125, 2);
    expect((turns(1000) * SLICE_MS) / 1000).toBeCloseTo(0.375, 2);
  });
});

describe("the dispatcher, by the host's clock", () => {
  test("a host that stands still in one machine's turns cheats nobody", async () => {
    const machines = [
      { name: "a", cpu: { shares: 100 } },
      { name: "b", cpu: { shares: 100 } },
    ];
    let turns = 0;
    const stallMs = (_: number, name: string): number => (name === "a" && ++turns % 200 === 0 ? 5000 : 0);
    const outcome = await dispatch({ machines }, 120_000, { stallMs });
    const [a, b] = [used(outcome, "a"), used(outcome, "b")];
    expect(Math.abs(a / b - 1)).toBeLessThan(0.02);
  });

  test("a host that takes away half of the time, now from one and now from the other, cheats nobody", async () => {
    let state = 1;
    // A linear congruential generator, by Knuth's constants for 32 bits.
    const random = (): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    const stallMs = (): number => (random() < 0.3 ? 10 * random() : 0);
    const outcome = await dispatch({ machines: busy(4) }, 120_000, { stallMs });
    const parts = [...outcome.usedMs.values()];
    const meanMs = parts.reduce((sum, part) => sum + part, 0) / parts.length;
    for (const part of parts) expect(Math.abs(part / meanMs - 1)).toBeLessThan(0.02);
  });

  test("after a long stop nobody's limit has saved up more than its period", async () => {
    const machines = [{ name: "limited", cpu: { limit: 0.1 } }, ...busy(1)];
    let isStalled = false;
    const stallMs = (nowMs: number): number => {
      if (isStalled || nowMs < 1000) return 0;
      isStalled = true;
      return 10_000;
    };
    const outcome = await dispatch({ machines }, 13_000, { stallMs });
    // 3 seconds of processor time passed.
    expectPart(outcome, "limited", 300, 3);
  });

  test("who makes its devices work for it pays for it", async () => {
    const machines = [{ name: "flood", accessesPerMs: 1000 }, { name: "quiet" }];
    const outcome = await dispatch({ machines }, TEN_SECONDS, { accessMs: 0.01 });
    expectPart(outcome, "quiet", TEN_SECONDS / 2);
  });

  test("who does so by turns pays for it, too", async () => {
    // The machine's speed is measured in the turns in which it does not.
    let turns = 0;
    const flood = {
      name: "flood",
      get accessesPerMs() {
        return turns++ % 4 === 0 ? 1000 : 0;
      },
    };
    const outcome = await dispatch({ machines: [flood, { name: "quiet" }] }, TEN_SECONDS, { accessMs: 0.01 });
    expect(used(outcome, "quiet")).toBeGreaterThan(TEN_SECONDS * 0.4);
  });

  test("who is slow by turns, and seldom or often, pays for it", async () => {
    for (const slow of [1, 2, 3]) {
      // Without a device: as a program is that waits for memory.
      let turns = 0;
      const uneven = {
        name: "uneven",
        get instructionsPerMs() {
          return turns++ % 4 < slow ? 2000 : 200_000;
        },
      };
      const outcome = await dispatch({ machines: [uneven, { name: "even" }] }, TEN_SECONDS * 6);
      expect(used(outcome, "even"), `${slow} of 4`).toBeGreaterThan(TEN_SECONDS * 6 * 0.35);
    }
  });

  test("who is half as fast in every other turn pays for all but a little of it", async () => {
    let turns = 0;
    const uneven = {
      name: "uneven",
      get instructionsPerMs() {
        return turns++ % 2 === 0 ? 100_000 : 200_000;
      },
    };
    const outcome = await dispatch({ machines: [uneven, { name: "even" }] }, TEN_SECONDS);
    expect(used(outcome, "even")).toBeGreaterThan(TEN_SECONDS * 0.48);
  });

  test("who wakes for next to nothing pays for the turn", async () => {
    const thread = new SimulatedThread();
    const turns = new Dispatcher(thread).join("nothing");
    const taken = turns.take();
    await thread.runUntil(thread.nowMs + 1);
    await taken;
    turns.give({ retired: 1, elapsedMs: 0, deviceAccesses: 0, waits: true });
    expect(turns.account).toEqual({ instructions: 1n, processorMs: 0.05, stolenMs: 0, waits: 1 });
  });
});
