import { describe, expect, test } from "vitest";
import { bare } from "../machine/test-machine.js";
import { CountingMachine } from "./counting-machine.js";

/** Writes to 40 MiB, page after page, prints a dot, and from then on counts in one place: its page stays in the TLB. */
const WRITER = bare(`
    li s0, UART
    li s1, 0x80400000
    li s2, 0x82c00000
  fill:
    sd s1, (s1)
    addi s1, s1, 1032
    bltu s1, s2, fill
    li t0, 46
    sb t0, (s0)
    li s1, 0x80400000
  count:
    addi a1, a1, 1
    sd a1, (s1)
    j count
`);
const WRITER_MEMORY = { boot: WRITER, memoryByteLength: 64 * 1024 * 1024 };

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

  test.for(["off", "on"] as const)(
    "a machine that writes all the time is captured as it is at one moment, with translation %s",
    async (translate) => {
      const original = await CountingMachine.create({ ...WRITER_MEMORY, translate });
      // The first capture has a good deal to copy, and does while the machine goes on.
      await original.runUntil(1);
      const start = original.machine.stats().instructions;
      const running = original.runUntil(100_000);
      for (let count = 0; count < 3; count++) {
        await original.machine.copyAhead();
        const state = await original.machine.capture();
        // Right after it the machine has not gone on yet.
        expect(state.instructions).toBe(original.machine.stats().instructions);
        const copy = await CountingMachine.resume(state);
        expect(copy.machine.stateHash()).toBe(original.machine.stateHash());
      }
      expect(original.machine.stats().instructions).toBeGreaterThan(start);
      original.machine.stop();
      await running;
    },
  );

  test("a machine that has written much stands still for a little of it only when it is captured", async () => {
    const original = await CountingMachine.create(WRITER_MEMORY);
    await original.runUntil(1);
    const running = original.runUntil(100);
    let turns = 0;
    let isCaptured = false;
    const count = (): void => {
      turns++;
      if (!isCaptured) setImmediate(count);
    };
    count();
    await original.machine.copyAhead();
    await original.machine.capture();
    isCaptured = true;
    original.machine.stop();
    await running;
    // Forty MiB, at four a turn, but for the last eight.
    expect(turns).toBeGreaterThanOrEqual(8);
  });
});
