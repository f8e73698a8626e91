/** Workers that end, or do not answer any more: what ran there is lost back to its last saved point, and nothing else. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { HypervisorBase } from "../../host/hypervisor/hypervisor-base.js";
import type { HypervisorMachine } from "../../host/hypervisor/hypervisor-machine.js";
import { FragilePlatform } from "./fragile-platform.js";
import { firstGap, type LettersImage, lettersImage } from "./letters-image.js";
import { createHypervisor, letters, outputOf, type, until } from "./test-hypervisor.js";

let image: LettersImage;
const open: HypervisorBase[] = [];

beforeAll(async () => {
  image = await lettersImage();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((hypervisor) => hypervisor.close()));
});
afterAll(() => image.remove());

test("a worker that ends takes only its own machines down; each goes back to its last saved point by its policy", async () => {
  const platform = new FragilePlatform();
  const hypervisor = await createHypervisor({ workers: 2 }, platform);
  open.push(hypervisor);
  const saved = await hypervisor.machines.create(letters(image.path, "saved"));
  const other = await hypervisor.machines.create(letters(image.path, "other"));
  const fresh = await hypervisor.machines.create(letters(image.path, "fresh"));
  const never = await hypervisor.machines.create(letters(image.path, "never", { restart: "never" }));
  for (const [name, worker] of [
    ["saved", 0],
    ["fresh", 0],
    ["never", 0],
    ["other", 1],
  ] as const) {
    await hypervisor.moveMachine(name, worker);
  }
  const outputs = Object.fromEntries(["saved", "other", "fresh"].map((name) => [name, outputOf(hypervisor, name)]));
  await until(() => Object.values(outputs).every((output) => output().length > 10), "letters of all");
  await saved.snapshots.create("good");
  const atSnapshot = outputs.saved!().length;
  await until(() => outputs.saved!().length > atSnapshot + 3, "letters after the snapshot");

  platform.workers[0]!.crash();
  await until(() => never.view().status === "failed", "the failure");
  expect(never.view().failure).toContain("the worker has ended");
  const marks = { saved: outputs.saved!().length, fresh: outputs.fresh!().length };
  await until(() => saved.view().status === "running" && fresh.view().status === "running", "the restarts");
  await until(() => outputs.saved!().length > marks.saved + 3, "letters of the one that was saved");
  await until(() => outputs.fresh!().length > marks.fresh + 3, "letters of the one that was not");
  // It goes on with the letter after the state that was saved; a few may have come before the answer.
  const codeOf = (index: number) => outputs.saved!().charCodeAt(index);
  const lettersBack = (codeOf(atSnapshot - 1) + 1 - codeOf(marks.saved) + 26) % 26;
  expect(lettersBack).toBeLessThan(8);
  expect(outputs.fresh!().slice(marks.fresh, marks.fresh + 3)).toBe("abc");
  expect(other.view().status).toBe("running");
  expect(firstGap(outputs.other!())).toBeNull();
  await hypervisor.machines.destroy("never");
});

test("the machine in whose turn a worker ends goes on in a worker for itself; the others are back at once", async () => {
  const platform = new FragilePlatform();
  const hypervisor = await createHypervisor({ workers: 1 }, platform);
  open.push(hypervisor);
  const wild = await hypervisor.machines.create(letters(image.path, "wild"));
  const calm = await hypervisor.machines.create(letters(image.path, "calm"));
  const outputs = { calm: outputOf(hypervisor, "calm"), wild: outputOf(hypervisor, "wild") };
  await until(() => outputs.calm().length > 10 && outputs.wild().length > 3, "letters of both");
  await calm.snapshots.create("good");
  const idle = wild.usage.instructions;
  // Busy from now on: it is its turn nearly always.
  type(wild, "b");
  await until(() => wild.usage.instructions > idle + 10_000_000, "work");

  platform.workers[0]!.crashInLongestTurn();
  await until(() => wild.view().worker === 1 && wild.view().status === "running", "the wild one in another worker");
  await until(() => calm.view().worker === 0 && calm.view().status === "running", "the calm one in a shared worker");
  const events = hypervisor.events(0, 100);
  expect(events.some(({ message }) => message.endsWith("out of memory, in the turn of wild"))).toBe(true);
  // How long each then takes is the host's affair.
  const starts = (name: string) =>
    events.findIndex(({ machine, data }, at) => at > crashAt && machine === name && data.status === "starting");
  const crashAt = events.findIndex(({ message }) => message.includes("in the turn of wild"));
  expect(starts("calm")).toBeGreaterThan(crashAt);
  expect(starts("calm")).toBeLessThan(starts("wild"));

  // The next time it is alone; and who starts it by hand gives it another chance.
  const mark = outputs.calm().length;
  platform.workers.at(-1)!.crash();
  await until(
    () => hypervisor.events(0, 100).filter(({ message }) => message.startsWith("worker 1")).length === 1,
    "the end",
  );
  await until(() => wild.view().status === "failed", "the failure");
  await until(() => wild.view().status === "running", "another restart");
  await until(() => outputs.calm().length > mark + 3, "more letters");
  expect(firstGap(outputs.calm().slice(mark))).toBeNull();
  expect(calm.view().status).toBe("running");
  await wild.stop();
  await wild.start();
  expect(wild.view().worker).toBe(0);
  await until(() => hypervisor.host.workers.length === 1, "the end of its worker");
});

test("who is kept apart is so in the next program, too, until somebody starts it", async () => {
  const directory = await mkdtemp(join(tmpdir(), "viv-hypervisor-"));
  try {
    const platform = new FragilePlatform();
    const first = await createHypervisor({ workers: 1, directory }, platform);
    const machine = await first.machines.create(letters(image.path, "wild"));
    const output = outputOf(first, "wild");
    await until(() => output().length > 3, "letters");
    // It is nobody's turn; but there is nobody else.
    await machine.pause();
    platform.workers[0]!.crash();
    await until(() => machine.view().worker === 1, "a worker for itself");
    expect(first.events(0, 100).some(({ message }) => message.endsWith(", with wild alone in it"))).toBe(true);
    await first.close();

    const second = await createHypervisor({ workers: 1, directory });
    open.push(second);
    const again = second.machines.get("wild");
    expect(again.view()).toMatchObject({ status: "running", worker: 1 });
    await again.stop();
    await again.start();
    expect(again.view().worker).toBe(0);
  } finally {
    await Promise.all(open.splice(0).map((hypervisor) => hypervisor.close()));
    await rm(directory, { recursive: true, force: true });
  }
});

test("a worker that does not answer any more is ended, and its machines run again", async () => {
  const platform = new FragilePlatform();
  const hypervisor = await createHypervisor({ workers: 1, hangTimeoutMs: 3000 }, platform);
  open.push(hypervisor);
  const machine = await hypervisor.machines.create(letters(image.path, "a"));
  const output = outputOf(hypervisor, "a");
  await until(() => output().length > 3, "letters");
  platform.workers[0]!.fallSilent();
  await until(() => platform.workers.length === 2, "another worker");
  await until(() => machine.view().status === "running", "the restart");
  const before = output().length;
  await until(() => output().length > before + 3, "letters of the new run");
  expect(hypervisor.events(0, 100).some(({ message }) => message.includes("held the worker up for 3 s"))).toBe(true);
  type(machine, "1");
  await until(() => output().includes("[1]"), "an answer");
});

test("a machine that nobody saved goes back by seconds, to where it saved itself, which is no snapshot of the user's", async () => {
  const platform = new FragilePlatform();
  const hypervisor = await createHypervisor({ workers: 1 }, platform);
  open.push(hypervisor);
  const machine = await hypervisor.machines.create(letters(image.path, "a", { saveEverySeconds: 1 }));
  const output = outputOf(hypervisor, "a");
  await until(() => machine.usage.instructions > 0, "a reading");
  const { instructions } = machine.usage;
  await until(() => hypervisor.managed.get("a").record().hasSavedItself, "a save");
  expect(await machine.snapshots.list()).toEqual([]);
  const mark = output().length;
  platform.workers[0]!.crash();
  await until(() => output().length > mark + 3, "letters of the new run");
  const { instructions: after, parent } = await machine.snapshots.create("after");
  expect(after).toBeGreaterThan(instructions);
  expect(parent).toBeNull();
});

test("who fails again where it saved itself goes back to the last snapshot; who has none begins anew", async () => {
  const platform = new FragilePlatform();
  const hypervisor = await createHypervisor({ workers: 2 }, platform);
  open.push(hypervisor);
  const machines = await Promise.all(
    ["has-one", "has-none"].map((name) =>
      hypervisor.machines.create(letters(image.path, name, { saveEverySeconds: 1, isolated: true })),
    ),
  );
  const [hasOne, hasNone] = machines;
  const isThere = () => machines.every((machine) => machine.view().status === "running");
  await hasOne!.snapshots.create("good");
  const told = () => hypervisor.events(0, 200).flatMap(({ message }) => (/fails where/.test(message) ? [message] : []));
  const haveSaved = () => machines.every(({ name }) => hypervisor.managed.get(name).record().hasSavedItself);
  await until(haveSaved, "saves of their own");
  for (const worker of [...platform.workers]) worker.crash();
  await until(() => !isThere(), "the failure");
  await until(isThere, "the first restart");
  expect(told()).toEqual([]);
  const output = outputOf(hypervisor, "has-none");
  for (const worker of platform.workers.slice(4)) worker.crash();
  await until(() => told().length === 2 && isThere(), "the second restart");
  expect(told().sort()).toEqual([
    "has-none fails where it saved itself: it begins anew",
    'has-one fails where it saved itself: it goes back to "good"',
  ]);
  await until(() => output().includes("abc"), "letters from the beginning");
  expect(hasNone!.view().failure).toBeNull();
});

/** What a machine used in the middle one of some seconds. */
async function processorsOf(machine: HypervisorMachine): Promise<number> {
  const readings: number[] = [];
  while (readings.length < 3) {
    const { processorSeconds } = machine.usage;
    await until(() => machine.usage.processorSeconds > processorSeconds, "a reading");
    readings.push(machine.load.processors);
  }
  return readings.sort((one, other) => one - other)[1]!;
}

test("an isolated machine loses nothing by others, nor they by it; it moves there and back while it runs", async () => {
  const platform = new FragilePlatform();
  const hypervisor = await createHypervisor({ workers: 1 }, platform);
  open.push(hypervisor);
  const names = ["alone", "shared"] as const;
  const [alone, shared] = await Promise.all(names.map((name) => hypervisor.machines.create(letters(image.path, name))));
  const outputs = { alone: outputOf(hypervisor, "alone"), shared: outputOf(hypervisor, "shared") };
  await alone!.set({ isolated: true, cpu: { limit: 0.25 } });
  expect([alone!.view().worker, shared!.view().worker]).toEqual([1, 0]);
  await expect(hypervisor.moveMachine("alone", 0)).rejects.toMatchObject({ code: "machine/isolated" });

  platform.workers[0]!.crash();
  await until(() => shared!.view().failure !== null, "the failure of the shared one");
  await until(() => shared!.view().status === "running", "its restart");
  const mark = outputs.shared().length;
  await until(() => outputs.shared().length > mark + 3, "letters");
  expect(alone!.view().status).toBe("running");
  platform.workers[1]!.crash();
  await until(() => alone!.view().failure !== null, "the failure of the isolated one");
  expect(firstGap(outputs.alone())).toBeNull();
  expect(firstGap(outputs.shared().slice(mark))).toBeNull();
  await alone!.start();

  for (const machine of [alone!, shared!]) type(machine, "b");
  await until(() => shared!.load.processors > 0.3, "work of both");
  expect(await processorsOf(alone!)).toBeLessThan(0.27);
  type(alone!, "b");

  const kept = outputs.alone().length;
  await alone!.set({ isolated: false });
  expect(alone!.view().worker).toBe(0);
  // The shared one was to blame for its own worker, and has been kept apart since.
  await until(() => hypervisor.host.workers.length === 2, "the end of its worker");
  await until(() => outputs.alone().length > kept + 3, "letters");
  expect(firstGap(outputs.alone().slice(kept))).toBeNull();
});

test("the worker of an isolated machine ends when nothing is done there any more, however slow it is, and not before", async () => {
  const platform = new FragilePlatform();
  const hypervisor = await createHypervisor({ workers: 1 }, platform);
  open.push(hypervisor);
  const alone = await hypervisor.machines.create(letters(image.path, "alone", { isolated: true }));
  const output = outputOf(hypervisor, "alone");
  await until(() => output().length > 3, "letters");
  // Longer than from one look at who needs a worker to the next.
  platform.workers[1]!.slowDown(1200);
  await alone.hibernate();
  expect(hypervisor.events(0, 100).filter(({ kind }) => kind === "machine-failure")).toEqual([]);
  await until(() => hypervisor.host.workers.length === 1, "the end of its worker");
  // Its file needs none of its own.
  expect(await alone.snapshots.list()).toEqual([]);
  expect(platform.workers).toHaveLength(2);
  await hypervisor.machines.destroy("alone");
});
