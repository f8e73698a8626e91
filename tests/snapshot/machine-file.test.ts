import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { nodeFileServices } from "../../host/platform/node/machine-file/file-services.js";
import {
  createMachineFile,
  inspectMachineFile,
  openMachineFile,
} from "../../host/platform/node/machine-file/open-machine-file.js";
import { openDatabase } from "../../host/platform/node/machine-file/sqlite.js";
import { reportFile } from "../../host/snapshot/file-report.js";
import { MachineFile } from "../../host/snapshot/machine-file.js";
import { automaticName, retire } from "../../host/snapshot/schedule.js";
import { CHUNK_BYTE_LENGTH } from "../../host/storage/chunk.js";
import { CountingMachine } from "./counting-machine.js";
import { numberedState, numberOf } from "./numbered-state.js";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "viv-file-"));
  path = join(directory, "machine.viv");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("machine file", () => {
  test("a machine goes on from its file exactly as from memory", async () => {
    const original = await CountingMachine.create();
    await original.runUntil(20);
    const created = await createMachineFile(path, "test");
    await created.file.save(await original.machine.capture());
    await created.close();
    const opened = await openMachineFile(path);
    const copy = await CountingMachine.resume(opened.file.load(opened.file.present!), original.dots);
    await original.runUntil(60);
    await copy.runUntil(60);
    expect(copy.dots).toBe(original.dots);
    expect(copy.machine.stateHash()).toBe(original.machine.stateHash());
    await opened.close();
  });

  test("a machine runs on while it is saved, and what is saved is the moment of the capture", async () => {
    const original = await CountingMachine.create();
    await original.runUntil(5);
    const state = await original.machine.capture();
    const hash = original.machine.stateHash();
    const { file, close } = await createMachineFile(path, "test");
    const running = original.runUntil(400);
    await file.save(state);
    original.machine.stop();
    await running;
    expect(original.dots).toBeGreaterThan(5);
    expect((await CountingMachine.resume(file.load(file.present!))).machine.stateHash()).toBe(hash);
    await close();
  });

  test("only what changed is written; equal chunks are there once, zeros not at all", async () => {
    const { file, close } = await createMachineFile(path, "test");
    await file.save(numberedState(1000), { name: "first" });
    const first = file.packedLengths().size;
    // 384 chunks that differ; the other 128 of 8 MiB are zeros.
    expect(first).toBe(384);
    await file.save(numberedState(1000), { name: "same" });
    expect(file.packedLengths().size).toBe(first);
    await file.save(numberedState(1001), { name: "second" });
    // A quarter changes with each number, and of the others the ones whose turn it is.
    expect(file.packedLengths().size - first).toBeGreaterThanOrEqual(96);
    expect(file.packedLengths().size - first).toBeLessThan(110);
    await close();
  });

  test("snapshots form a tree; going back and on makes a branch", async () => {
    const { file, close } = await createMachineFile(path, "test");
    const a = await file.save(numberedState(1), { name: "a" });
    const b = await file.save(numberedState(2), { name: "b" });
    await file.restore(a);
    const c = await file.save(numberedState(3), { name: "c" });
    const left = await file.save(numberedState(4));
    expect(file.snapshots.map(({ name, parent, present }) => ({ name, parent, present }))).toEqual([
      { name: "a", parent: null, present: false },
      { name: "b", parent: a.id, present: false },
      { name: "c", parent: a.id, present: false },
      { name: null, parent: c.id, present: true },
    ]);
    expect(numberOf(file.load(file.find("b")))).toBe(2);
    expect(numberOf(file.load(left))).toBe(4);
    await file.delete([c]);
    expect(file.present).toMatchObject({ parent: a.id });
    expect(b.kind).toBe("named");
    await close();
  });

  test("where the machine was left is replaced by the next save, unless it gets a name", async () => {
    const { file, close } = await createMachineFile(path, "test");
    await file.save(numberedState(1));
    await file.save(numberedState(2));
    expect(file.snapshots.length).toBe(1);
    await file.name("before-upgrade");
    await file.name("again");
    await file.save(numberedState(3));
    expect(file.snapshots.map(({ name }) => name)).toEqual(["before-upgrade", "again", null]);
    expect(numberOf(file.load(file.find("before-upgrade")))).toBe(2);
    await close();
  });

  test("deleting a snapshot frees what only it used, and the file becomes smaller", async () => {
    const created = await createMachineFile(path, "test");
    await created.file.save(numberedState(10), { name: "keep" });
    const kept = [...created.file.packedLengths().keys()];
    await created.file.save(numberedState(5000), { name: "other" });
    await created.close();
    const before = statSync(path).size;

    const { file, close } = await openMachineFile(path);
    await file.restore(file.find("keep"));
    await file.delete([file.find("other")]);
    await file.shrink();
    expect([...file.packedLengths().keys()]).toEqual(kept);
    expect(statSync(path).size).toBeLessThan(before * 0.7);
    expect(numberOf(file.load(file.find("keep")))).toBe(10);
    await close();
  });

  test("what a machine still reads from a deleted snapshot stays until the file is closed", async () => {
    const created = await createMachineFile(path, "test");
    await created.file.save(numberedState(1), { name: "first" });
    await created.close();

    const { file, close } = await openMachineFile(path);
    const first = file.find("first");
    const state = file.load(first);
    await file.save(numberedState(777), { name: "second" });
    await file.delete([first]);
    expect(numberOf(state)).toBe(1);
    await close();

    const reopened = await openMachineFile(path);
    expect(new Set(reopened.file.packedLengths().keys())).toEqual(reopened.file.chunksOf(reopened.file.find("second")));
    await reopened.close();
  });

  test("the snapshot that the machine goes on from cannot be deleted", async () => {
    const { file, close } = await createMachineFile(path, "test");
    const only = await file.save(numberedState(1), { name: "only" });
    await expect(file.delete([only])).rejects.toMatchObject({ code: "snapshot/present" });
    await close();
  });

  test.each(["", "a b", "../x", "-x", "x".repeat(65), "a\nb"])("%j is no name", async (name) => {
    const { file, close } = await createMachineFile(path, "test");
    await expect(file.save(numberedState(1), { name })).rejects.toMatchObject({ code: "snapshot/name" });
    await close();
  });

  test("a name is given once; an unknown one is answered with those there are", async () => {
    const { file, close } = await createMachineFile(path, "test");
    await file.save(numberedState(1), { name: "one" });
    await expect(file.save(numberedState(2), { name: "one" })).rejects.toMatchObject({ code: "snapshot/name" });
    expect(() => file.find("two")).toThrow('this file has no snapshot "two"; it has one');
    await close();
  });

  test("of automatic snapshots the newest stay, and named ones always", async () => {
    const { file, close } = await createMachineFile(path, "test");
    await file.save(numberedState(1), { name: "mine" });
    for (let number = 2; number <= 6; number++) {
      await file.save(numberedState(number), { name: `auto-${number}`, automatic: true });
      await retire(file, 2);
    }
    expect(file.snapshots.map(({ name }) => name)).toEqual(["mine", "auto-5", "auto-6"]);
    await close();
  });

  test("names of automatic snapshots tell the time, and differ", () => {
    const time = Date.UTC(2026, 0, 2, 3, 4, 5);
    expect(automaticName("auto", time, [])).toBe("auto-20260102-030405");
    expect(automaticName("auto", time, ["auto-20260102-030405"])).toBe("auto-20260102-030405-2");
  });

  test("the report says what is in it: sizes, and hashes that follow from the contents alone", async () => {
    const { file, close } = await createMachineFile(path, "test");
    await file.save(numberedState(1000), { name: "a" });
    await file.save(numberedState(1001), { name: "b" });
    await file.save(numberedState(1000), { name: "c" });
    const { board, chunkCount, snapshots } = reportFile(file);
    expect(board).toMatchObject({ hartCount: 1, memoryByteLength: 8 << 20, clock: "virtual" });
    const [a, b, c] = snapshots;
    expect(a!.hash).toBe(c!.hash);
    expect(a!.hash).not.toBe(b!.hash);
    expect(a!.contentByteLength).toBe(384 * CHUNK_BYTE_LENGTH);
    expect(a!.ownByteLength).toBe(0);
    expect(b!.ownByteLength).toBeGreaterThan(0);
    expect(chunkCount).toBe(file.packedLengths().size);
    await close();
  });
});

describe("a machine file and the programs that want it", () => {
  test("the second to open it is told who has it; after it is closed it can be opened", async () => {
    const first = await createMachineFile(path, "test");
    await first.file.save(numberedState(1));
    const link = join(directory, "link.viv");
    symlinkSync(path, link);
    for (const name of [path, link]) {
      await expect(openMachineFile(name)).rejects.toMatchObject({ code: "file/in-use", data: { pid: process.pid } });
      await expect(inspectMachineFile(name)).rejects.toMatchObject({ code: "file/in-use" });
    }
    await first.close();
    await (await openMachineFile(link)).close();
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  test("a living process is named; one that has ended counts for nothing, nor one of another time", async () => {
    await (await createMachineFile(path, "test")).close();
    const lock = (holder: object) => writeFileSync(`${path}.lock`, JSON.stringify({ sinceMs: 0, ...holder }));
    lock({ pid: 1, startedTicks: null, host: hostname() });
    await expect(openMachineFile(path)).rejects.toThrow(/process 1 has it open since 1970-01-01T00:00:00/);
    lock({ pid: 1, startedTicks: null, host: "elsewhere" });
    await expect(openMachineFile(path)).rejects.toThrow(/process 1 on elsewhere has it open/);
    lock({ pid: 2 ** 22 + 1, startedTicks: null, host: hostname() });
    await (await openMachineFile(path)).close();
    lock({ pid: process.ppid, startedTicks: "1", host: hostname() });
    await (await openMachineFile(path)).close();
    writeFileSync(`${path}.lock`, "nonsense");
    await (await openMachineFile(path)).close();
  });

  test("a file that is there is not overwritten; a name that leads nowhere is refused", async () => {
    await (await createMachineFile(path, "test")).close();
    await expect(createMachineFile(path, "test")).rejects.toMatchObject({ code: "file/exists" });
    await expect(createMachineFile(join(directory, "no", "x.viv"), "test")).rejects.toMatchObject({
      code: "file/unwritable",
    });
    await expect(openMachineFile(join(directory, "nothing.viv"))).rejects.toMatchObject({ code: "file/unusable" });
    await expect(openMachineFile(directory)).rejects.toMatchObject({ code: "file/unusable" });
  });

  test("no room: a typed error, the old state intact, the machine unharmed, and room later", async () => {
    const machine = await CountingMachine.create();
    await machine.runUntil(3);
    const database = await openDatabase(path, { readOnly: false });
    const file = MachineFile.create(database, nodeFileServices, "test");
    await file.save(numberedState(1));
    const state = await machine.machine.capture();
    const { page_count: pages } = database.prepare("PRAGMA page_count").get()!;
    // SQLite answers as it does when the disk has no room for one page more.
    database.exec(`PRAGMA max_page_count = ${Number(pages) + 1}`);
    await expect(file.save(numberedState(4000))).rejects.toMatchObject({ code: "file/full" });
    await expect(file.save(state, { name: "machine" })).rejects.toMatchObject({ code: "file/full" });
    expect(numberOf(file.load(file.present!))).toBe(1);
    await machine.runUntil(machine.dots + 3);
    database.exec("PRAGMA max_page_count = 1000000");
    await file.save(await machine.machine.capture(), { name: "machine" });
    const copy = await CountingMachine.resume(file.load(file.find("machine")));
    expect(copy.machine.stateHash()).toBe(machine.machine.stateHash());
    await file.close();
  });

  test("a copy of a file is a machine of its own when it says so", async () => {
    const original = await createMachineFile(path, "test");
    await original.file.save(numberedState(1));
    expect(original.file.identity).toBe("kept");
    await original.close();
    const fork = join(directory, "fork.viv");
    copyFileSync(path, fork);
    const opened = await openMachineFile(fork);
    await opened.file.renewIdentity();
    expect(opened.file.identity).toBe("renewed");
    await opened.file.save(numberedState(2));
    expect(opened.file.identity).toBe("kept");
    await opened.close();
  });
});
