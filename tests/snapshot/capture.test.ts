import { describe, expect, test } from "vitest";
import { CountingMachine } from "./counting-machine.js";

describe("capture and restore", () => {
  test("a machine that goes on from a state, and the one it was captured from, come to the same state", async () => {
    const original = await CountingMachine.create();
    await original.runUntil(20);
    const state = await original.machine.capture();
    const copy = await CountingMachine.resume(state, original.dots);
    await original.runUntil(80);
    await copy.runUntil(80);
    expect(copy.dots).toBe(original.dots);
    expect(copy.machine.stats().instructions).toBe(original.machine.stats().instructions);
    expect(copy.machine.stateHash()).toBe(original.machine.stateHash());
  });

  test("a state is captured once: what the machine does afterwards does not show in it", async () => {
    const original = await CountingMachine.create();
    await original.runUntil(20);
    const state = await original.machine.capture();
    const hash = original.machine.stateHash();
    await original.runUntil(50);
    await original.machine.capture();
    expect((await CountingMachine.resume(state)).machine.stateHash()).toBe(hash);
  });

  test("a second capture copies what was written since the first, and shares the rest", async () => {
    const original = await CountingMachine.create();
    await original.runUntil(10);
    const first = await original.machine.capture();
    await original.runUntil(original.dots + 1);
    const second = await original.machine.capture();
    const changed = second.ram.chunks.filter((chunk, index) => chunk !== first.ram.chunks[index]);
    // The counter goes through all of its four MiB between two dots.
    expect(changed.length).toBe(256);
    const third = await original.machine.capture();
    expect(third.ram.chunks.every((chunk, index) => chunk === second.ram.chunks[index])).toBe(true);
  });

  test("restored, a machine is where it was, and goes there again", async () => {
    const original = await CountingMachine.create();
    await original.runUntil(20);
    const dots = original.dots;
    const state = await original.machine.capture();
    await original.runUntil(60);
    const end = { dots: original.dots, hash: original.machine.stateHash() };
    await original.machine.restore(state, { identity: "kept" });
    original.dots = dots;
    await original.runUntil(60);
    expect({ dots: original.dots, hash: original.machine.stateHash() }).toEqual(end);
  });

  test("a machine can be captured and restored while it runs", async () => {
    const original = await CountingMachine.create();
    const running = original.runUntil(1000);
    const state = await original.machine.capture();
    const before = original.dots;
    await new Promise((resolve) => setTimeout(resolve, 50));
    await original.machine.restore(state, { identity: "kept" });
    original.machine.stop();
    await running;
    expect(original.dots).toBeGreaterThan(before);
    const copy = await CountingMachine.resume(await original.machine.capture());
    expect(copy.machine.stats().instructions).toBeGreaterThanOrEqual(state.instructions);
  });
});
