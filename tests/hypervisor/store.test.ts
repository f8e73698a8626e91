import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Store } from "../../host/hypervisor/store.js";
import { openDatabase } from "../../host/platform/node/machine-file/sqlite.js";
import type { Database } from "../../host/snapshot/database.js";

/** "VIVH". */
const APPLICATION_ID = 0x56495648;
/** As the first version made it. */
const VERSION_1 = `
CREATE TABLE machine (name TEXT PRIMARY KEY, spec TEXT NOT NULL, created_ms INTEGER NOT NULL, started_ms INTEGER,
  goes_on INTEGER NOT NULL, was_running INTEGER NOT NULL, failure TEXT, usage TEXT NOT NULL,
  saved_byte_length INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE pool (name TEXT PRIMARY KEY, spec TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE event (id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, kind TEXT NOT NULL, machine TEXT,
  message TEXT NOT NULL, data TEXT NOT NULL) STRICT;
INSERT INTO machine VALUES ('web', '{"name":"web"}', 5, NULL, 1, 0, NULL, '{}', 9);
PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 1`;

let directory: string;
let database: Database;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "viv-store-"));
  database = await openDatabase(join(directory, "hypervisor.db"), { readOnly: false });
});
afterEach(async () => {
  database.close();
  await rm(directory, { recursive: true });
});

test("store: what an older version has written is read and goes on", () => {
  database.exec(VERSION_1);
  const [web] = new Store(database, () => {}).machines();
  expect(web).toMatchObject({ spec: { name: "web" }, createdAt: 5, goesOn: true, savedByteLength: 9 });
  expect(web!.isKeptApart).toBe(false);
  const store = new Store(database, () => {});
  store.machineChanged({ name: "web", record: () => ({ ...web!, isKeptApart: true }) });
  store.flush();
  expect(new Store(database, () => {}).machines()).toEqual([{ ...web!, isKeptApart: true }]);
});

test("store: a newer version's database is refused and stays as it is", () => {
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 99`);
  expect(() => new Store(database, () => {})).toThrow("the hypervisor's database is of version 99; this one knows 2");
  expect(database.prepare("PRAGMA user_version").get()?.user_version).toBe(99);
});
