/** What becomes of the machines of a hypervisor, in real workers. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { HypervisorBase } from "../../host/hypervisor/hypervisor-base.js";
import { firstGap, type LettersImage, lettersImage } from "./letters-image.js";
import { createHypervisor, letters, outputOf, type, until } from "./test-hypervisor.js";

const LOCAL = { principal: "local" };
let image: LettersImage;
const open: HypervisorBase[] = [];

beforeAll(async () => {
  image = await lettersImage();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((hypervisor) => hypervisor.close()));
});
afterAll(() => image.remove());

async function hypervisorOf(...options: Parameters<typeof createHypervisor>): Promise<HypervisorBase> {
  const hypervisor = await createHypervisor(...options);
  open.push(hypervisor);
  return hypervisor;
}

test("machines in one worker run side by side, stand still, go on, and are switched off and on", async () => {
  const hypervisor = await hypervisorOf();
  const [a, b] = await Promise.all(["a", "b"].map((name) => hypervisor.machines.create(letters(image.path, name))));
  const outputs = ["a", "b"].map((name) => outputOf(hypervisor, name));
  await until(() => outputs.every((output) => output().length > 10), "letters of both");
  await a!.pause();
  expect(a!.view().status).toBe("paused");
  const stoodStillAt = outputs[0]!().length;
  const other = outputs[1]!().length;
  await until(() => outputs[1]!().length > other + 5, "letters of the other");
  expect(outputs[0]!().length).toBe(stoodStillAt);
  await a!.resume();
  await until(() => outputs[0]!().length > stoodStillAt, "letters of the first again");
  expect(outputs.map((output) => firstGap(output()))).toEqual([null, null]);
  await a!.stop();
  expect(a!.view()).toMatchObject({ status: "off", worker: null });
  expect(b!.view()).toMatchObject({ status: "running", worker: 0 });
  const before = outputs[0]!().length;
  await a!.start();
  await until(() => outputs[0]!().length > before + 3, "letters of a new run");
  expect(outputs[0]!().slice(before, before + 3)).toBe("abc");
});

test("a machine that moves between workers loses and repeats nothing, nor does what is typed to it", async () => {
  const hypervisor = await hypervisorOf({ workers: 2 });
  const machine = await hypervisor.machines.create(letters(image.path, "a"));
  const output = outputOf(hypervisor, "a");
  await until(() => output().length > 5, "letters");
  let answered = "";
  for (let round = 0; round < 6; round++) {
    const digit = String(round);
    type(machine, digit);
    const before = machine.view().worker!;
    await hypervisor.moveMachine("a", 1 - before);
    expect(machine.view().worker).toBe(1 - before);
    answered += `[${digit}]`;
    await until(() => output().includes(`[${digit}]`), `an answer to ${digit}`);
  }
  expect(firstGap(output())).toBeNull();
  expect(output().match(/\[.\]/g)!.join("")).toBe(answered);
});

test("a machine that is hibernated takes no memory, wakes by a key, and goes on where it was", async () => {
  const hypervisor = await hypervisorOf();
  const machine = await hypervisor.machines.create(letters(image.path, "a"));
  const output = outputOf(hypervisor, "a");
  await until(() => output().length > 5, "letters");
  await machine.hibernate();
  expect(machine.view()).toMatchObject({ status: "hibernated", worker: null });
  expect(hypervisor.host.memoryUsedByteLength).toBe(0);
  expect(machine.load.savedByteLength).toBeGreaterThan(0);
  const written = output();
  type(machine, "x");
  await until(() => output().includes("[x]"), "an answer");
  expect(machine.view().status).toBe("running");
  expect(output().startsWith(written)).toBe(true);
  expect(firstGap(output())).toBeNull();
});

test("forks go on from the same letter, each by itself, with files of their own", async () => {
  const hypervisor = await hypervisorOf({ workers: 2 });
  const parent = await hypervisor.machines.create(letters(image.path, "parent"));
  const output = outputOf(hypervisor, "parent");
  await until(() => output().length > 30, "letters");
  const forks = await parent.fork({ count: 4 });
  expect(forks.map(({ name }) => name)).toEqual(["parent-1", "parent-2", "parent-3", "parent-4"]);
  expect(new Set(forks.map((fork) => fork.view().worker))).toEqual(new Set([0, 1]));
  const outputs = forks.map(({ name }) => outputOf(hypervisor, name));
  await until(() => outputs.every((each) => each().length > 5), "letters of all");
  for (const each of outputs) {
    expect(firstGap(each())).toBeNull();
    // It did not begin anew.
    expect(each().slice(0, 3)).not.toBe("abc");
  }
  type(forks[1]!, "y");
  await until(() => outputs[1]!().includes("[y]"), "an answer of one");
  expect(outputs[0]!() + outputs[2]!() + output()).not.toContain("[y]");
  await expect(parent.fork({ names: ["parent-2"] })).rejects.toMatchObject({ code: "machine/exists" });
});

test("snapshots are a tree in the machine's file: taken, restored, forked from and deleted", async () => {
  const hypervisor = await hypervisorOf();
  const machine = await hypervisor.machines.create(letters(image.path, "a"));
  const output = outputOf(hypervisor, "a");
  await until(() => output().length > 5, "letters");
  expect(await machine.snapshots.create("one")).toMatchObject({ name: "one", parent: null, present: true });
  type(machine, "m");
  await until(() => output().includes("M"), "the pages written");
  expect(await machine.snapshots.create("two")).toMatchObject({ parent: "one", present: true });
  await expect(machine.snapshots.create("two")).rejects.toMatchObject({ code: "snapshot/name" });
  await machine.snapshots.restore("one");
  const list = await machine.snapshots.list();
  expect(list.map(({ name, present }) => [name, present])).toEqual([
    ["one", true],
    ["two", false],
  ]);
  const before = output().length;
  await until(() => output().length > before + 3, "letters after the restore");
  const [fork] = await machine.fork({ snapshot: "two", names: ["of-two"] });
  await until(() => fork!.usage.instructions >= 0 && fork!.view().status === "running", "the fork");
  await machine.stop();
  await machine.snapshots.delete("two");
  expect((await machine.snapshots.list()).map(({ name }) => name)).toEqual(["one"]);
  await machine.snapshots.restore("one");
  expect(machine.view().status).toBe("hibernated");
  await machine.start();
  expect(machine.view().status).toBe("running");
  await expect(machine.snapshots.restore("three")).rejects.toMatchObject({ code: "snapshot/unknown" });
});

test("a guest that switches itself off is off; one that fails is started again, and waits longer each time", async () => {
  const hypervisor = await hypervisorOf();
  const off = await hypervisor.machines.create(letters(image.path, "off"));
  const failing = await hypervisor.machines.create(letters(image.path, "failing"));
  const never = await hypervisor.machines.create(letters(image.path, "never", { restart: "never" }));
  const output = outputOf(hypervisor, "failing");
  for (const [machine, key] of [
    [off, "p"],
    [failing, "f"],
    [never, "f"],
  ] as const) {
    type(machine, key);
  }
  await until(() => off.view().status === "off", "the end of the first");
  await until(() => never.view().status === "failed", "the failure of the last");
  expect(never.view().failure).toBe("the guest reported failure 1");
  await until(() => failing.view().status === "failed", "the failure");
  await until(() => failing.view().status === "running", "the restart");
  const before = output().length;
  await until(() => output().length > before + 2, "letters of the new run");
  const failures = hypervisor.events(0, 100).filter(({ kind }) => kind === "machine-failure");
  expect(failures.map(({ machine }) => machine).sort()).toEqual(["failing", "never"]);
});

test("a machine that cannot be as it is asked for fails once, and is not started again and again", async () => {
  const hypervisor = await hypervisorOf();
  const append = "x".repeat(1024);
  const machine = await hypervisor.machines.create(letters(image.path, "long", { append, start: false }));
  await expect(machine.start()).rejects.toMatchObject({ code: "image/command-line" });
  // Twice as long as the first restart waits.
  await sleep(1000);
  const failures = hypervisor.events(0, 100).filter(({ kind }) => kind === "machine-failure");
  expect(failures.map(({ machine }) => machine)).toEqual(["long"]);
  expect(machine.view().status).toBe("failed");
});

test("a hypervisor that is closed saves what runs, and goes on with it at the next start", async () => {
  const directory = await mkdtemp(join(tmpdir(), "vivarium-hypervisor-"));
  try {
    const first = await createHypervisor({ directory });
    await first.machines.create(letters(image.path, "ran", { cpu: { shares: 300 }, description: "one that runs" }));
    await first.machines.create(letters(image.path, "was-off", { start: false }));
    const output = outputOf(first, "ran");
    await until(() => output().length > 5, "letters");
    await expect(createHypervisor({ directory })).rejects.toMatchObject({ code: "file/in-use" });
    await first.close();
    const left = output();
    const { usage } = first.machines.get("ran");
    expect((await readdir(join(directory, "machines"))).sort()).toEqual(["ran.viv"]);

    const second = await hypervisorOf({ directory });
    const again = outputOf(second, "ran");
    expect(second.machines.list().map(({ name }) => name)).toEqual(["ran", "was-off"]);
    expect(second.machines.get("was-off").view().status).toBe("off");
    const ran = second.machines.get("ran");
    expect(ran.view()).toMatchObject({
      status: "running",
      spec: { cpu: { shares: 300 }, description: "one that runs" },
    });
    expect(ran.usage.instructions).toBeGreaterThanOrEqual(usage.instructions);
    await until(() => again().length > 5, "letters");
    expect(firstGap(left.slice(-5) + again())).toBeNull();
    expect(second.events(0, 1000).some(({ kind }) => kind === "machine-created")).toBe(true);
  } finally {
    await Promise.all(open.splice(0).map((hypervisor) => hypervisor.close()));
    await rm(directory, { recursive: true, force: true });
  }
});

test("a hypervisor need not wait for what goes on, and one that is closed before leaves it to the next", async () => {
  const directory = await mkdtemp(join(tmpdir(), "viv-hypervisor-"));
  try {
    const first = await createHypervisor({ directory });
    await first.machines.create(letters(image.path, "a"));
    await first.close();
    const second = await createHypervisor({ directory, awaitsMachines: false });
    expect(second.machines.get("a").view().status).toBe("hibernated");
    await until(() => second.machines.get("a").view().status === "running", "the machine");
    await second.close();
    const third = await createHypervisor({ directory, awaitsMachines: false });
    expect(third.managed.get("a").record().wasRunning).toBe(true);
    await third.close();
    const fourth = await createHypervisor({ directory });
    open.push(fourth);
    expect(fourth.machines.get("a").view().status).toBe("running");
  } finally {
    await Promise.all(open.splice(0).map((hypervisor) => hypervisor.close()));
    await rm(directory, { recursive: true, force: true });
  }
});

test("a machine travels as a stream, and goes on at the other end", async () => {
  const hypervisor = await hypervisorOf();
  await hypervisor.machines.create(letters(image.path, "a"));
  const output = outputOf(hypervisor, "a");
  await until(() => output().length > 5, "letters");
  const pieces: Uint8Array[] = [];
  for await (const piece of hypervisor.exportMachine("a", "secret")) pieces.push(piece);
  async function* stream() {
    yield* pieces;
  }
  await expect(hypervisor.importMachine("b", stream(), "wrong", LOCAL)).rejects.toMatchObject({
    code: "stream/passphrase",
  });
  expect(hypervisor.machines.list().map(({ name }) => name)).toEqual(["a"]);
  await hypervisor.importMachine("b", stream(), "secret", LOCAL);
  const imported = hypervisor.machines.get("b");
  expect(imported.view()).toMatchObject({ status: "hibernated", spec: { memoryMiB: 32, harts: 1, networks: [] } });
  const again = outputOf(hypervisor, "b");
  await imported.start();
  await until(() => again().length > 5, "letters of the imported machine");
  expect(again().slice(0, 3)).not.toBe("abc");
});

test("what a machine has used is in its file, and goes where the file goes", async () => {
  const hypervisor = await hypervisorOf();
  const machine = await hypervisor.machines.create(letters(image.path, "a"));
  await until(() => machine.usage.instructions > 0, "a reading");
  await machine.hibernate();
  const { usage } = machine;
  expect(usage.processorSeconds).toBeGreaterThan(0);
  // Also when it is put back to a point of before.
  await machine.snapshots.create("here");
  await machine.start();
  await until(() => machine.usage.instructions > usage.instructions, "more instructions");
  await machine.hibernate();
  const later = machine.usage;
  await machine.snapshots.restore("here");
  expect(machine.usage).toEqual(later);
  await hypervisor.importMachine("b", hypervisor.exportMachine("a", null), null, LOCAL);
  expect(hypervisor.machines.get("b").usage).toEqual(later);
});

test("a machine's file is imported as it is, piece by piece, and what only looks like one is refused", async () => {
  const directory = await mkdtemp(join(tmpdir(), "viv-hypervisor-"));
  try {
    const first = await createHypervisor({ directory });
    await first.machines.create(letters(image.path, "a"));
    const output = outputOf(first, "a");
    await until(() => output().length > 5, "letters");
    await first.close();
    const bytes = await readFile(join(directory, "machines", "a.viv"));
    async function* stream(contents: Uint8Array) {
      for (let offset = 0; offset < contents.length; offset += 9999) yield contents.subarray(offset, offset + 9999);
    }
    const hypervisor = await hypervisorOf();
    await hypervisor.importMachine("b", stream(bytes), null, LOCAL);
    const again = outputOf(hypervisor, "b");
    await hypervisor.machines.get("b").start();
    await until(() => again().length > 5, "letters of the imported machine");
    expect(again().slice(0, 3)).not.toBe("abc");

    for (const wrong of [bytes.subarray(0, 5000), bytes.subarray(0, 20)]) {
      await expect(hypervisor.importMachine("c", stream(wrong), null, LOCAL)).rejects.toMatchObject({
        code: expect.stringMatching(/^file\//),
        message: expect.not.stringContaining(tmpdir()),
      });
    }
    expect(hypervisor.machines.list().map(({ name }) => name)).toEqual(["b"]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test("what is asked of no machine, or twice, or cannot fit, is refused, and leaves nothing", async () => {
  const hypervisor = await hypervisorOf({ memoryMiB: 256 });
  await hypervisor.machines.create(letters(image.path, "a", { start: false }));
  const create = (request: Parameters<typeof letters>[2], name = "b") =>
    hypervisor.machines.create(letters(image.path, name, request));
  await expect(create({}, "a")).rejects.toMatchObject({ code: "machine/exists" });
  await expect(create({}, "../a")).rejects.toMatchObject({ code: "machine/name" });
  await expect(create({ memoryMiB: 250 })).rejects.toMatchObject({ code: "admission/memory" });
  // What an image says that its guest needs.
  await expect(create({ memoryMiB: 16 })).rejects.toMatchObject({
    code: "image/memory",
    message: "image letters needs 32MiB of memory or more; got 16MiB",
  });
  expect(hypervisor.machines.list().map(({ name }) => name)).toEqual(["a"]);
  await expect(create({ cpu: { reservation: 2 } })).rejects.toMatchObject({ code: "admission/processors" });
  await expect(create({ pool: "none" })).rejects.toMatchObject({ code: "pool/unknown" });
  await expect(create({ image: "no-such-image" })).rejects.toMatchObject({ code: "image/unknown" });
  const folder = { directory: "/etc", tag: "etc", readOnly: true };
  await expect(create({ folders: [folder] })).rejects.toMatchObject({ code: "folder/forbidden" });
  const { perform } = hypervisor;
  const ask = perform.bind(hypervisor);
  await expect(ask("machine.get", { machine: "none" }, LOCAL)).rejects.toMatchObject({ code: "machine/unknown" });
  await expect(ask("machine.pause", { machine: "a" }, LOCAL)).rejects.toMatchObject({ code: "machine/status" });
  await expect(ask("machine.exec", { machine: "a", command: "true" }, LOCAL)).rejects.toMatchObject({
    code: "machine/status",
  });
  expect(await ask("machine.list", {}, LOCAL)).toMatchObject([{ spec: { name: "a" }, status: "off" }]);
});

test("pools: made, changed, refused while something is in them, and with the usage of what is in them", async () => {
  const hypervisor = await hypervisorOf();
  const ask = hypervisor.perform.bind(hypervisor);
  await ask("pool.create", { name: "lab", cpu: { shares: 300 } }, LOCAL);
  await ask("pool.create", { name: "inner", parent: "lab" }, LOCAL);
  const machine = await hypervisor.machines.create(letters(image.path, "a", { pool: "inner" }));
  await until(() => machine.usage.instructions > 0, "a reading");
  const [root, , lab] = await ask("pool.list", {}, LOCAL);
  expect(root!.usage.instructions).toBeGreaterThan(0);
  expect(lab!.spec.name === "lab" || lab!.spec.name === "inner").toBe(true);
  await expect(ask("pool.delete", { pool: "lab" }, LOCAL)).rejects.toMatchObject({ code: "pool/in-use" });
  await expect(ask("pool.delete", { pool: "inner" }, LOCAL)).rejects.toMatchObject({ code: "pool/in-use" });
  await expect(ask("pool.set", { pool: "root", cpu: { shares: 1 } }, LOCAL)).rejects.toMatchObject({
    code: "pool/root",
  });
  expect((await ask("pool.set", { pool: "lab", cpu: { limit: 0.5 } }, LOCAL)).spec.cpu.limit).toBe(0.5);
  await ask("machine.set", { machine: "a", pool: "root", cpu: { shares: 7 } }, LOCAL);
  expect(machine.spec).toMatchObject({ pool: "root", cpu: { shares: 7, limit: null } });
  await ask("pool.delete", { pool: "inner" }, LOCAL);
});
