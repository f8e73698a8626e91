import { describe, expect, test } from "vitest";
import { EXIT_BUDGET, EXIT_ECALL, EXIT_IDLE, EXIT_STOP, EXIT_STUCK } from "../../assembly/shared/exit.js";
import { VirtualClock } from "../../host/machine/clock.js";
import { RunLoop, type RunnableProcessor, type SliceHooks } from "../../host/machine/run-loop.js";
import { FakeHost, FakeTimer } from "./fake-host.js";

/** Returns the exits of a script, one a run, then spends its budget for ever. */
class ScriptedProcessor extends FakeTimer implements RunnableProcessor {
  readonly exitHart = 0;
  retired = 0n;
  runs = 0;
  stopRequests = 0;
  onRun: (run: number) => void = () => {};

  constructor(readonly script: readonly number[]) {
    super();
  }

  run(budget: number): number {
    const exit = this.script[this.runs] ?? EXIT_BUDGET;
    if (exit === EXIT_BUDGET) {
      this.retired += BigInt(budget);
      this.retire(budget);
    }
    this.onRun(this.runs++);
    return exit;
  }
  requestStop(): void {
    this.stopRequests++;
  }
}

function setUp(script: readonly number[], hooks: Partial<SliceHooks> = {}) {
  const host = new FakeHost();
  const processor = new ScriptedProcessor(script);
  const events: string[] = [];
  const loop: RunLoop = new RunLoop(processor, new VirtualClock(processor), host, {
    budgetMax: 100_000,
    prepareSlice: () => null,
    beforeSlice: () => events.push("before"),
    serveCall: (hart) => events.push(`call ${hart}`),
    afterSlice: () => events.push("after"),
    drainSlice: async () => {},
    drain: async () => {},
    isDead: () => false,
    deviceAccesses: 0,
    wasHeldBack: () => {},
    ...hooks,
  });
  host.onYield = () => {
    events.push("yield");
    if (host.yields >= 20) loop.halt({ kind: "stopped" });
  };
  return { host, processor, loop, events };
}

describe("run loop", () => {
  test("the host has its turn after every slice", async () => {
    const { processor, loop, events } = setUp([]);
    processor.onRun = (run) => run === 2 && loop.halt({ kind: "poweroff" });
    expect(await loop.run()).toEqual({ kind: "poweroff" });
    expect(events).toEqual(["before", "after", "yield", "before", "after", "yield", "before", "after"]);
    expect(loop.exits).toEqual({ budget: 3, idle: 0, ecall: 0, stop: 0, stuck: 0 });
  });

  test("environment calls are answered within the slice", async () => {
    const { processor, loop, events } = setUp([EXIT_ECALL, EXIT_ECALL]);
    processor.onRun = (run) => run === 2 && loop.halt({ kind: "poweroff" });
    await loop.run();
    expect(events).toEqual(["before", "call 0", "call 0", "after"]);
  });

  test("a guest that does nothing but environment calls or stops cannot keep the host from its turn", async () => {
    for (const exit of [EXIT_ECALL, EXIT_STOP]) {
      const { loop, host, processor } = setUp(new Array<number>(1_000_000).fill(exit));
      expect(await loop.run()).toEqual({ kind: "stopped" });
      expect(host.yields).toBe(20);
      expect(processor.runs / host.yields).toBeLessThan(1000);
    }
  });

  test("a halt within the processor stops it after the access, and a later reason does not replace it", async () => {
    const { processor, loop } = setUp([EXIT_STOP]);
    processor.onRun = () => {
      loop.halt({ kind: "fail", code: 3 });
      loop.halt({ kind: "poweroff" });
    };
    expect(await loop.run()).toEqual({ kind: "fail", code: 3 });
    expect(processor.stopRequests).toBe(2);
    expect(processor.runs).toBe(1);
  });

  test("a halt outside the processor asks nothing of it", async () => {
    const { processor, loop, host } = setUp([]);
    host.onYield = () => loop.halt({ kind: "stopped" });
    await loop.run();
    expect(processor.stopRequests).toBe(0);
  });

  test("stop before run ends it at once, and a later run goes on", async () => {
    const { processor, loop } = setUp([]);
    loop.halt({ kind: "stopped" });
    expect(await loop.run()).toEqual({ kind: "stopped" });
    expect(processor.runs).toBe(0);
    processor.onRun = () => loop.halt({ kind: "poweroff" });
    expect(await loop.run()).toEqual({ kind: "poweroff" });
  });

  test("an idle machine without a timer sleeps until it is woken", async () => {
    const { processor, loop, host } = setUp([EXIT_IDLE]);
    let isAsleep = false;
    host.onSleep = () => {
      isAsleep = true;
      queueMicrotask(() => loop.wake());
    };
    processor.onRun = (run) => run === 1 && loop.halt({ kind: "poweroff" });
    expect(await loop.run()).toEqual({ kind: "poweroff" });
    expect(isAsleep).toBe(true);
    expect(host.sleeps).toEqual([1_000_000_000]);
  });

  test("what arrives in the slice or in the host's turn keeps an idle machine awake", async () => {
    const { processor, loop, host } = setUp([EXIT_IDLE, EXIT_IDLE]);
    host.onYield = () => host.yields === 1 && loop.wake();
    processor.onRun = (run) => (run === 1 ? loop.wake() : run === 2 && loop.halt({ kind: "poweroff" }));
    await loop.run();
    expect(host.sleeps).toEqual([]);
  });

  test("idle virtual time is skipped without sleep", async () => {
    const { processor, loop, host } = setUp([EXIT_IDLE]);
    processor.nextTimer = 123_456n;
    processor.onRun = (run) => run === 1 && loop.halt({ kind: "poweroff" });
    await loop.run();
    expect(host.sleeps).toEqual([]);
    expect(processor.mtime).toBeGreaterThanOrEqual(123_456n);
  });

  test("input and output in flight is waited for before idle time passes", async () => {
    const order: string[] = [];
    const { processor, loop } = setUp([EXIT_IDLE], {
      drainSlice: async () => {
        await Promise.resolve();
        order.push(`drained at ${processor.mtime}`);
      },
    });
    processor.nextTimer = 1000n;
    processor.onRun = (run) => run === 1 && loop.halt({ kind: "poweroff" });
    await loop.run();
    expect(order).toEqual(["drained at 0"]);
  });

  test("a machine whose harts have all stopped ends with a failure", async () => {
    const { loop } = setUp([EXIT_IDLE], { isDead: () => true });
    expect(await loop.run()).toEqual({ kind: "fail", code: 1 });
  });

  test("a machine that only takes traps leaves the host its time and can be stopped", async () => {
    const { loop, host } = setUp(new Array<number>(100).fill(EXIT_STUCK));
    expect(await loop.run()).toEqual({ kind: "stopped" });
    expect(host.sleeps.length).toBeGreaterThan(10);
    expect(loop.exits.stuck).toBe(20);
  });

  test("a second run at the same time is refused", async () => {
    const { loop } = setUp([]);
    const first = loop.run();
    await expect(loop.run()).rejects.toThrow("the machine is running already");
    await first;
  });
});
