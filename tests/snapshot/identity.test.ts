import { describe, expect, test } from "vitest";
import { CountingMachine } from "./counting-machine.js";

const saved = (machine: CountingMachine, device: string) => machine.machine.devices.get(device)!.save();

describe("the identity of a machine that goes on from another's state", () => {
  test("renewed: every one has a generation id and random numbers of its own, and is told", async () => {
    const original = await CountingMachine.create();
    await original.runUntil(3);
    const state = await original.machine.capture();
    const forks = await Promise.all([1, 2].map(() => CountingMachine.resume(state, 3, { identity: "renewed" })));
    const machines = [original, ...forks];
    const distinct = (device: string) =>
      new Set(machines.map((machine) => JSON.stringify(saved(machine, device)))).size;
    expect(distinct("generation")).toBe(3);
    expect(distinct("random")).toBe(3);
    expect(forks.map((fork) => saved(fork, "generation"))).toEqual([
      expect.objectContaining({ changed: true }),
      expect.objectContaining({ changed: true }),
    ]);
  });

  test("a machine that is restored takes a new identity unless it is told to keep its own", async () => {
    const original = await CountingMachine.create();
    const state = await original.machine.capture();
    const before = saved(original, "generation");
    await original.machine.restore(state, { identity: "kept" });
    expect(saved(original, "generation")).toEqual(before);
    await original.machine.restore(state);
    expect(saved(original, "generation")).toMatchObject({ changed: true });
    expect(saved(original, "generation")).not.toMatchObject({ id: before.id });
  });

  test("kept: nothing tells it from the original", async () => {
    const original = await CountingMachine.create();
    await original.runUntil(3);
    const state = await original.machine.capture();
    const copy = await CountingMachine.resume(state, original.dots, { identity: "kept" });
    expect(saved(copy, "generation")).toEqual(saved(original, "generation"));
    await original.runUntil(20);
    await copy.runUntil(20);
    expect(copy.machine.stateHash()).toBe(original.machine.stateHash());
  });

  test("renewed under the virtual clock, its history is a function of its state again", async () => {
    const original = await CountingMachine.create();
    const fork = await CountingMachine.resume(await original.machine.capture(), 0, { identity: "renewed" });
    const state = await fork.machine.capture();
    const again = await CountingMachine.resume(state, 0, { identity: "kept" });
    await fork.runUntil(10);
    await again.runUntil(10);
    expect(again.machine.stateHash()).toBe(fork.machine.stateHash());
  });
});
