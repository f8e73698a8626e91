/** Disks that are not in a machine's file: it goes on with those that it had, or not at all. */
import { appendFile, copyFile, mkdtemp, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readDrive } from "../../host/control/drive-options.js";
import { type DriveOptions, Machine } from "../../host/index.js";
import { boardSchema } from "../../host/machine/board-state.js";
import { openMachineFile } from "../../host/platform/node/machine-file/open-machine-file.js";
import { fitOutside } from "../../host/platform/node/outside-drives.js";
import { decode } from "../../host/util/schema.js";
import { VivConsole } from "../e2e/viv-console.js";
import { CHANGE_SECTOR, READ_SECTOR } from "../machine/sector-reader.js";
import { bare } from "../machine/test-machine.js";
import { viv } from "../platform/viv-process.js";

let directory: string;
let disk: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "vivarium-outside-"));
  disk = join(directory, "data.img");
  file = join(directory, "machine.viv");
  await writeFile(disk, Buffer.alloc(3 << 20, "what the disk holds. "));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** What leaves a machine that has no terminal. */
const LEFT = 128 + 15;

/** Prints the first byte of its disk, and switches itself off. */
const { program } = bare(READ_SECTOR) as { readonly program: Uint8Array };

/** Saves a machine that stands at its first instruction. */
function save(...drives: (string | Uint8Array | DriveOptions)[]): Promise<void> {
  return saveOf(program, ...drives);
}

async function saveOf(program: Uint8Array, ...drives: (string | Uint8Array | DriveOptions)[]): Promise<void> {
  await using machine = await Machine.create({ program, memoryMiB: 1, drives, start: false });
  await machine.save(file);
}

/** What a machine writes to its console until it ends. */
async function run(machine: Machine): Promise<string> {
  const reader = machine.console.readable.getReader();
  const first = reader.read();
  await machine.start();
  return new TextDecoder().decode((await first).value);
}

async function overwrite(at: number): Promise<void> {
  const handle = await open(disk, "r+");
  await handle.write("!", at);
  await handle.close();
}

test("a machine goes on with its disk where that was, and wherever it was moved to", async () => {
  await save(disk);
  for (const name of ["data.img", "moved.img"]) {
    await rename(disk, join(directory, name)).then(() => {
      disk = join(directory, name);
    });
    await using machine = await Machine.open(file, { drives: [disk], start: false });
    await machine.save();
  }
  await using machine = await Machine.open(file, { drives: [disk], snapshot: "power-on", start: false });
  expect(await run(machine)).toBe("w");
});

test("a machine is not opened without its disk, and the error says which one that was", async () => {
  await save(new Uint8Array(512), disk);
  const wanted = `a writable disk of 3145728 bytes, which was called ${JSON.stringify(disk)}`;
  const message = `disk1: ${wanted}, is not in the file; expected to be given it`;
  await expect(Machine.open(file)).rejects.toMatchObject({ code: "machine/drives", message, data: { name: disk } });
  await expect(Machine.open(file, { drives: [join(directory, "none")] })).rejects.toMatchObject({
    code: "drive/unusable",
    message: expect.stringMatching(/^disk1: .*none/),
  });
  await expect(Machine.open(file, { drives: [disk, disk] })).rejects.toMatchObject({
    code: "machine/drives",
    message: "2 drives; this machine has 1 disks outside of its file",
  });
  const advice = ": --drive says where it is";
  expect(await viv(["open", file])).toMatchObject({ status: 2, stderr: `viv: ${file}: ${message}${advice}\n` });
});

test("a drive that does not fit the machine that viv opens is refused before it is opened", async () => {
  const other = join(directory, "other.img");
  await copyFile(disk, other);
  await save(disk, { source: other, readOnly: true });
  const opened = await openMachineFile(file);
  const board = decode(boardSchema, opened.file.load(opened.file.present!).board);
  await opened.close();
  const fit = (texts: readonly string[], isDiscarded = false) => fitOutside(board, texts.map(readDrive), isDiscarded);
  expect(fit(["a", "b"])).toMatchObject([
    { slot: 0, request: { file: "a", readOnly: false } },
    { slot: 1, request: { file: "b", readOnly: true } },
  ]);
  expect(() => fit(["a", "b", "c"])).toThrow("--drive: 3 drives; this machine has 2 drives outside of its file");
  expect(() => fit(["a,readonly"])).toThrow("--drive a: the machine writes to this disk; expected it without readonly");
  expect(() => fit(["a"], true)).toThrow("--drive a: with --discard");
  expect(fit(["a,snapshot", "b"], true)).toHaveLength(2);
});

test("a machine that viv opens goes on with its disk, and where it is left the file goes with what it has written", {
  timeout: 60_000,
}, async () => {
  const { program } = bare(CHANGE_SECTOR) as { readonly program: Uint8Array };
  await saveOf(program, disk);
  const tried = new VivConsole(["open", file, "--discard", "--drive", `${disk},snapshot`]);
  await tried.expect("w");
  tried.type("x");
  await tried.expect(".");
  tried.signal("SIGTERM");
  expect(await tried.ended()).toMatchObject({ status: LEFT, stderr: "" });

  const first = new VivConsole(["open", file, "--drive", disk]);
  await first.expect("w");
  expect(await viv(["snapshot", file, "before"])).toMatchObject({ status: 0 });
  first.type("x");
  await first.expect(".");
  expect(await viv(["snapshot", file, "after"])).toMatchObject({ status: 0 });
  const back = await viv(["restore", file, "before"]);
  expect(back).toMatchObject({ status: 2, stderr: expect.stringContaining("disk0: it has changed") });
  first.signal("SIGTERM");
  expect((await first.ended()).status).toBe(LEFT);

  await rename(disk, join(directory, "moved.img"));
  const second = new VivConsole(["open", file, "--drive", join(directory, "moved.img")]);
  await second.expect("w.");
  second.type("y");
  await second.expect("y");
  second.signal("SIGTERM");
  expect(await second.ended()).toMatchObject({ status: LEFT, stderr: "" });
  await writeFile(disk, Buffer.alloc(3 << 20, "what the disk holds. "));
  const { status, stderr } = await viv(["open", file, "--drive", disk]);
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: expect.stringMatching(/disk0: it has changed .*moved\.img"\n$/),
  });
  expect((await readFile(join(directory, "moved.img"), "latin1")).slice(0, 4)).toBe("!hat");
});

test.each([0, 1 << 20, (3 << 20) - 1])("a disk that has changed at byte %d is refused, and left alone", async (at) => {
  await save({ source: disk, readOnly: true });
  await overwrite(at);
  const changed = join(directory, "changed.img");
  await copyFile(disk, changed);
  await expect(Machine.open(file, { drives: [disk] })).rejects.toMatchObject({
    code: "machine/drives",
    message: expect.stringMatching(
      /^disk0: it has changed since the machine was saved; expected the disk .*data\.img"$/,
    ),
  });
  await appendFile(changed, Buffer.alloc(512));
  await expect(Machine.open(file, { drives: [changed] })).rejects.toMatchObject({
    code: "machine/drives",
    message: expect.stringMatching(/^disk0: expected a read-only disk of 3145728 bytes, .* got one of 3146240 bytes$/),
  });
  // A machine that is switched on has not seen it yet.
  await using machine = await Machine.open(file, { drives: [disk], snapshot: "power-on", start: false });
  expect(await run(machine)).toBe(at === 0 ? "!" : "w");
});

test("a machine that has its disks in its file needs none of them, and neither do its forks", async () => {
  await save({ source: disk, overlay: true }, new Uint8Array(512));
  await rm(disk);
  await using machine = await Machine.open(file, { snapshot: "power-on", start: false });
  const [fork] = await machine.fork();
  expect(await run(fork!)).toBe("w");
  await fork!.close();
  expect(await run(machine)).toBe("w");
});

test("where a replay stops, nobody knows what a disk outside of the file held", async () => {
  {
    await using machine = await Machine.create({ program, memoryMiB: 1, drives: [disk], record: file, start: false });
    const halted = machine.halted();
    await machine.start();
    await halted;
  }
  await expect(Machine.open(file, { drives: [disk], replay: {} })).rejects.toMatchObject({
    code: "machine/drives",
    message: "disk0: what it held where the machine stands is not known, so it cannot go on from here",
  });
});
