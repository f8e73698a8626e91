/** When machines are saved without being asked: a function of time and of what they do. */
import { expect, test } from "vitest";
import type { HostWorker } from "../../host/hypervisor/host-worker.js";
import type { ManagedMachine } from "../../host/hypervisor/managed-machine.js";
import { SaveKeeper } from "../../host/hypervisor/save-keeper.js";
import { SavedPoint } from "../../host/hypervisor/saved-point.js";
import { VivariumError } from "../../host/util/errors.js";

const STOOD = [1, 2];

test("saves: a machine is due so long after it came or was saved, and never while it does nothing", () => {
  const point = new SavedPoint(false);
  point.came(1000);
  expect(point.dueMs(30, STOOD)).toBe(31_000);
  point.savedItself(STOOD, 40_000);
  expect(point.dueMs(30, STOOD)).toBeNull();
  expect(point.dueMs(30, [1, 3])).toBe(70_000);
  point.asked(STOOD, 50_000);
  expect(point.dueMs(30, STOOD)).toBeNull();
});

test("saves: a point is gone on from once when failures are soon, always when they are rare, never when doubtful", () => {
  const point = new SavedPoint(true);
  point.failed(true);
  expect(point.isSpent).toBe(false);
  point.savedItself(STOOD, 0);
  point.failed(false);
  expect(point.isSpent).toBe(false);
  point.failed(true);
  expect(point.isSpent).toBe(true);
  point.asked();
  point.failed(true);
  expect([point.isOwn, point.isSpent]).toEqual([false, false]);
  const doubtful = new SavedPoint(false);
  doubtful.savedItself(STOOD, 0);
  doubtful.isDoubtful = true;
  doubtful.failed(false);
  expect(doubtful.isSpent).toBe(true);
});

test("saves: in each worker one at a time, the longest due first, at 2 % of its time, or less for what idles; a failure is told once", async () => {
  let nowMs = 0;
  const saved: string[] = [];
  const failures: string[] = [];
  const [one, two] = [{}, {}] as [HostWorker, HostWorker];
  let isFull = false;
  let idle = "";
  const machine = (name: string, worker: HostWorker, dueMs: number | null) => ({
    name,
    worker,
    saveDueMs: dueMs,
    saveItself: async () => {
      if (isFull) throw new VivariumError("file/full", "there is no room left");
      saved.push(name);
      nowMs += 10;
    },
  });
  const machines = [machine("a", one, 3), machine("b", one, 2), machine("idle", one, null), machine("c", two, 1)];
  const keeper = new SaveKeeper({
    machines: () => machines as unknown as ManagedMachine[],
    monotonicMs: () => nowMs,
    isIdle: ({ name }) => name === idle,
    onFailure: ({ name }) => failures.push(name),
  });
  const lookAt = async (ms: number) => {
    nowMs = ms;
    keeper.look();
    keeper.look();
    await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    return saved.splice(0).sort();
  };
  expect(await lookAt(0)).toEqual([]);
  expect(await lookAt(10)).toEqual(["b", "c"]);
  expect(await lookAt(400)).toEqual([]);
  machines[1]!.saveDueMs = null;
  expect(await lookAt(2000)).toEqual(["a", "c"]);
  // What idles waits four times as long.
  idle = "c";
  expect(await lookAt(3000)).toEqual(["a"]);
  expect(await lookAt(3900)).toEqual(["a"]);
  expect(await lookAt(4300)).toEqual(["c"]);
  isFull = true;
  expect(await lookAt(10_000)).toEqual([]);
  expect(await lookAt(100_000)).toEqual([]);
  expect(failures.sort()).toEqual(["a", "c"]);
  isFull = false;
  expect(await lookAt(200_000)).toEqual(["a", "c"]);
});
