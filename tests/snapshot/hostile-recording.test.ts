/** Recordings that are damaged, or made by somebody who means harm: one clear error, and no hang. */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Entry, writeEntry } from "../../host/machine/history/record-entry.js";
import { RecordWriter } from "../../host/machine/history/record-value.js";
import { nodeFileServices } from "../../host/platform/node/machine-file/file-services.js";
import {
  createMachineFile,
  type OpenMachineFile,
  openMachineFile,
} from "../../host/platform/node/machine-file/open-machine-file.js";
import { openDatabase } from "../../host/platform/node/machine-file/sqlite.js";
import type { Database } from "../../host/snapshot/database.js";
import { VivariumError } from "../../host/util/errors.js";
import { recordRun, replayRun } from "./recorded-machine.js";

let directory: string;
let original: string;
let entries: Entry[];
let count = 0;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "viv-hostile-recording-"));
  original = join(directory, "original.viv");
  const { file, close } = await createMachineFile(original, "test");
  const { halt } = await recordRun(file, {
    async meanwhile(machine) {
      for (let index = 0; index < 3; index++) {
        await pause(5);
        machine.serialInput.write(Buffer.from("typed"));
      }
      machine.serialInput.write(Buffer.from("q"));
    },
  });
  expect(halt).toEqual({ kind: "poweroff" });
  const [history] = file.histories;
  entries = [...file.entriesOf(history!, file.pointsOf(history!)[0]!)];
  await close();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Opens a copy of the file after somebody has changed it. */
async function changed(change: (database: Database) => void | Promise<void>): Promise<OpenMachineFile> {
  const path = join(directory, `changed-${count++}.viv`);
  copyFileSync(original, path);
  const database = await openDatabase(path, { readOnly: false });
  await change(database);
  database.close();
  return openMachineFile(path);
}

/** With a record that whoever wrote it has vouched for. */
async function withRecord(bytes: Uint8Array): Promise<OpenMachineFile> {
  const packed = await nodeFileServices.deflate(bytes);
  return changed((database) => {
    database.exec("DELETE FROM piece");
    database
      .prepare(
        "INSERT INTO piece (history, number, instructions, byte_length, hash, packed) VALUES (1, 0, '1', ?, ?, ?)",
      )
      .run(bytes.length, nodeFileServices.digest(bytes), packed);
  });
}

function bytesOf(list: readonly Entry[]): Uint8Array {
  const writer = new RecordWriter();
  for (const entry of list) writeEntry(writer, entry);
  return writer.take();
}

/** How its replay ends: by the code of the error, or the reason. */
async function outcome({ file, close }: OpenMachineFile): Promise<string> {
  try {
    return (await replayRun(file)).end.reason;
  } catch (error) {
    if (!(error instanceof VivariumError)) throw error;
    return error.code;
  } finally {
    await close();
  }
}

const REFUSALS = ["file/damaged", "replay/diverged"];

describe("a recording", () => {
  test("that was written again as it is has the same end", async () => {
    expect(await outcome(await withRecord(bytesOf(entries)))).toBe("end");
  });

  test("that is cut off between two entries is replayed up to there", async () => {
    const half = entries.slice(0, Math.floor(entries.length / 2));
    expect(await outcome(await withRecord(bytesOf(half)))).toBe("cut");
    expect(await outcome(await withRecord(new Uint8Array()))).toBe("cut");
  });

  test("with a slice longer than any that is made is damaged", async () => {
    const [first, ...rest] = entries.map((entry) =>
      entry.kind === "slice" ? { ...entry, budget: 2 ** 32 - 1 } : entry,
    );
    expect(await outcome(await withRecord(bytesOf([first!, ...rest])))).toBe("file/damaged");
  });

  test("that is cut off amid an entry is damaged", async () => {
    const bytes = bytesOf(entries);
    expect(await outcome(await withRecord(bytes.subarray(0, bytes.length - 3)))).toBe("file/damaged");
  });

  test("whose bytes were changed at random is refused or found different, or ends as it would", {
    timeout: 120_000,
  }, async () => {
    const bytes = bytesOf(entries);
    for (let round = 0; round < 40; round++) {
      const spoilt = Uint8Array.from(bytes);
      for (let index = 0; index <= round % 4; index++) {
        spoilt[Math.floor(Math.random() * spoilt.length)] = Math.floor(Math.random() * 256);
      }
      expect([...REFUSALS, "end", "cut"]).toContain(await outcome(await withRecord(spoilt)));
    }
  });

  test.each<[string, (list: Entry[]) => Entry[]]>([
    ["an input that was left out", (list) => list.filter(({ kind }) => kind !== "input")],
    [
      "an input that comes twice",
      (list) => list.flatMap((entry): Entry[] => (entry.kind === "input" ? [entry, entry] : [entry])),
    ],
    [
      "inputs for a device that is not there",
      (list) => [{ kind: "input", input: { kind: "cable", device: 3, isIn: true }, answers: [] }, ...list],
    ],
    [
      "inputs for a port that is not there",
      (list) => [{ kind: "input", input: { kind: "port-close", port: "no" }, answers: [] }, ...list],
    ],
    [
      "an answer that was never asked for",
      (list) => [{ kind: "input", input: { kind: "done", number: 1, value: null }, answers: [] }, ...list],
    ],
    [
      "a slice that went further",
      (list) =>
        list.map((entry) =>
          entry.kind === "slice" ? { ...entry, retired: entry.retired + 1, budget: entry.budget + 1 } : entry,
        ),
    ],
    [
      "time that jumps",
      (list) => list.map((entry) => (entry.kind === "slice" ? { ...entry, ticks: entry.ticks + 1n } : entry)),
    ],
    [
      "another end",
      (list) => list.map((entry) => (entry.kind === "end" ? { ...entry, halt: { kind: "reboot" } } : entry)),
    ],
    [
      "another last state",
      (list) => list.map((entry) => (entry.kind === "end" ? { ...entry, hash: "00".repeat(16) } : entry)),
    ],
    [
      "a last instruction of its own",
      (list) => list.map((entry) => (entry.kind === "end" ? { ...entry, retired: 1n } : entry)),
    ],
    [
      "answers that are missing",
      (list) => list.map((entry) => (entry.kind === "slice" ? { ...entry, answers: [] } : entry)),
    ],
    [
      "answers of the wrong kind",
      (list) =>
        list.map((entry) =>
          entry.kind === "slice"
            ? { ...entry, answers: entry.answers.map(({ question }) => ({ question, value: "x" })) }
            : entry,
        ),
    ],
  ])("with %s is found different", { timeout: 60_000 }, async (_, change) => {
    expect(await outcome(await withRecord(bytesOf(change([...entries]))))).toBe("replay/diverged");
  });

  test("of a piece that was not written so, or is longer than it says, is damaged", async () => {
    for (const sql of [
      "UPDATE piece SET hash = zeroblob(32)",
      "UPDATE piece SET byte_length = byte_length + 1",
      "UPDATE piece SET byte_length = 1000000000000",
      "UPDATE piece SET packed = x'00'",
      "UPDATE piece SET number = 1",
      "UPDATE point SET context = x'ff'",
    ]) {
      expect(await outcome(await changed((database) => database.exec(sql)))).toBe("file/damaged");
    }
  });

  test("whose numbers in its table are no numbers is taken for one that was cut off", async () => {
    const opened = await changed((database) =>
      database.exec("UPDATE history SET instructions = 'many'; UPDATE piece SET instructions = '-1'"),
    );
    expect(opened.file.histories[0]).toMatchObject({ instructions: 0n, stateHash: null, halt: null });
    expect(await outcome(opened)).toBe("end");
  });

  test("without a state to begin with cannot be run", async () => {
    expect(await outcome(await changed((database) => database.exec("DELETE FROM point")))).toBe("replay/nothing");
  });
});
