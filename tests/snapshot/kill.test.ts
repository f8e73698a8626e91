import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createMachineFile, openMachineFile } from "../../host/platform/node/machine-file/open-machine-file.js";
import { openDatabase } from "../../host/platform/node/machine-file/sqlite.js";
import { numberedState, numberOf } from "./numbered-state.js";

/** `VIV_KILLS=200` for the long run. */
const KILLS = Number(process.env.VIV_KILLS ?? 5);
const MOMENTS = ["begun", "random", "writing", "random"] as const;
const PROGRAM = fileURLToPath(new URL("saving-program.ts", import.meta.url));

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "viv-kill-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/**
 * Lets the program save for a while, then kills it: at a random moment, while it is seen to write, or soon after.
 *
 * @returns the last number it said was saved
 */
async function saveUntilKilled(path: string, moment: "random" | "begun" | "writing"): Promise<number> {
  const child = spawn(process.execPath, ["--import", "tsx", PROGRAM, path], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  await new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => (code === null ? resolve() : reject(new Error(`the program ended with ${code}`))));
    child.stdout.on("data", (bytes: Buffer) => {
      const isFirst = said === "";
      said += bytes.toString();
      if (!isFirst) return;
      if (moment === "random") setTimeout(() => child.kill("SIGKILL"), Math.random() * 200);
      else void killWhenWriting(child, `${path}-journal`, moment === "begun" ? 0 : Math.random() * 8);
    });
  });
  return Number(said.split("\n").at(-2) ?? 0);
}

/** After which a program that was told to stand still does. */
const STANDSTILL_MS = 5;

async function killWhenWriting(child: ChildProcess, journal: string, delayMs: number): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) {
    // From here on pages are overwritten, for some milliseconds.
    if (isHot(journal)) {
      if (delayMs > 0) {
        await sleep(delayMs);
        child.kill("SIGKILL");
        return;
      }
      // Looking takes time: whether the write is still in progress is seen when nothing moves.
      child.kill("SIGSTOP");
      await sleep(STANDSTILL_MS);
      child.kill(isHot(journal) ? "SIGKILL" : "SIGCONT");
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Whether a write was in progress: https://sqlite.org/fileformat2.html#the_rollback_journal. */
function isHot(journal: string): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(journal, "r");
  } catch {
    return false;
  }
  const magic = Buffer.alloc(8);
  readSync(descriptor, magic, 0, magic.length, 0);
  closeSync(descriptor);
  return magic.toString("hex") === "d9d505f920a163d7";
}

describe("a program that is killed while it saves", () => {
  test("what of its transaction had reached the file already is taken back", { timeout: 60_000 }, async () => {
    const path = join(directory, "torn.db");
    const database = await openDatabase(path, { readOnly: false });
    database.exec("CREATE TABLE row (id INTEGER PRIMARY KEY, contents BLOB)");
    database.exec("BEGIN");
    const insert = database.prepare("INSERT INTO row (id, contents) VALUES (?, ?)");
    for (let id = 1; id <= 400; id++) insert.run(id, new Uint8Array(20_000).fill(1));
    database.exec("COMMIT");
    database.close();
    const before = readFileSync(path);

    const torn = fileURLToPath(new URL("torn-program.ts", import.meta.url));
    const { signal } = spawnSync(process.execPath, ["--import", "tsx", torn, path]);
    expect(signal).toBe("SIGKILL");
    expect(isHot(`${path}-journal`), "the write was in progress").toBe(true);
    expect(readFileSync(path).equals(before), "the file has been written").toBe(false);

    const reopened = await openDatabase(path, { readOnly: false });
    const rows = reopened.prepare("SELECT contents FROM row").all();
    expect(rows.filter(({ contents }) => (contents as Uint8Array).every((byte) => byte === 1)).length).toBe(400);
    reopened.close();
    expect(existsSync(`${path}-journal`)).toBe(false);
  });

  test(`leaves its file at the last point that was saved whole, ${KILLS} times in a row`, {
    timeout: 60_000 + KILLS * 10_000,
  }, async () => {
    const path = join(directory, "machine.viv");
    const created = await createMachineFile(path, "test");
    await created.file.save(numberedState(1));
    await created.close();
    let hotJournals = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const said = await saveUntilKilled(path, MOMENTS[kill % MOMENTS.length]!);
      if (isHot(`${path}-journal`)) hotJournals++;
      const opened = await openMachineFile(path);
      const number = numberOf(opened.file.load(opened.file.present!));
      expect(number).toBeGreaterThanOrEqual(said);
      // It may have been killed between saving and saying so.
      expect(number).toBeLessThanOrEqual(said + 1);
      for (const snapshot of opened.file.snapshots) numberOf(opened.file.load(snapshot));
      await opened.close();
    }
    expect(hotJournals, "kills that met a write in progress").toBeGreaterThan(0);
  });
});
