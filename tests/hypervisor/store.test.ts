import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { HypervisorEvent } from "../../host/control/hypervisor/schemas.js";
import { specOf } from "../../host/hypervisor/machine-spec.js";
import { NO_USAGE } from "../../host/hypervisor/meter.js";
import { type MachineRecord, Store } from "../../host/hypervisor/store.js";
import { openDatabase } from "../../host/platform/node/machine-file/sqlite.js";
import type { Database } from "../../host/snapshot/database.js";
import { VivariumError } from "../../host/util/errors.js";

const RECORD: MachineRecord = {
  spec: specOf({ name: "kept" }),
  createdAt: 0,
  startedAt: null,
  goesOn: false,
  wasRunning: false,
  failure: null,
  usage: NO_USAGE,
  savedByteLength: 0,
  isKeptApart: false,
  hasSavedItself: false,
};

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

const QUIET = { onUnwritten: () => {}, onFailure: () => {}, onRecovery: () => {} };

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
  const [web] = new Store(database, QUIET).machines();
  expect(web).toMatchObject({ spec: { name: "web" }, createdAt: 5, goesOn: true, savedByteLength: 9 });
  expect(web).toMatchObject({ isKeptApart: false, hasSavedItself: false });
  expect(web!.spec).toEqual(specOf({ name: "web" }));
  const store = new Store(database, QUIET);
  store.machineChanged({ name: "web", record: () => ({ ...web!, isKeptApart: true, hasSavedItself: true }) });
  store.flush();
  expect(new Store(database, QUIET).machines()).toEqual([{ ...web!, isKeptApart: true, hasSavedItself: true }]);
});

test("store: a newer version's database is refused and stays as it is", () => {
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 99`);
  expect(() => new Store(database, QUIET)).toThrow("the hypervisor's database is of version 99; this one knows 3");
  expect(database.prepare("PRAGMA user_version").get()?.user_version).toBe(99);
});

test("store: what there is no room for is told once, stays, and is written when there is room again", () => {
  let isFull = false;
  const told: string[] = [];
  const full: Database = {
    ...database,
    exec: (sql) => database.exec(sql),
    prepare: (sql) => {
      // As SQLite does where a disk is full, it has rolled back by itself.
      if (isFull && sql.startsWith("INSERT")) {
        database.exec("ROLLBACK");
        throw new VivariumError("file/full", "there is no room");
      }
      return database.prepare(sql);
    },
  };
  const listener = {
    onUnwritten: () => {},
    onFailure: (error: VivariumError) => void told.push(error.code),
    onRecovery: () => void told.push("recovered"),
  };
  const store = new Store(full, listener);
  const event = (id: number): HypervisorEvent => ({ id, time: 1, kind: "host", machine: null, message: "m", data: {} });
  const record: MachineRecord = { ...RECORD, createdAt: 1 };
  store.machineChanged({ name: "kept", record: () => record });
  store.machineChanged({ name: "gone", record: () => ({ ...record, spec: { ...record.spec, name: "gone" } }) });
  store.flush();
  isFull = true;
  store.machineChanged({ name: "kept", record: () => ({ ...record, createdAt: 2 }) });
  store.deleteMachine("gone");
  for (const id of [1, 2, 3]) {
    store.addEvent(event(id));
    store.flush();
  }
  expect(told).toEqual(["file/full"]);
  expect(store.events(1, 100).map(({ id }) => id)).toEqual([2, 3]);
  expect(store.machines()).toHaveLength(2);
  isFull = false;
  store.flush();
  expect(told).toEqual(["file/full", "recovered"]);
  const again = new Store(database, QUIET);
  expect(again.machines().map(({ spec, createdAt }) => [spec.name, createdAt])).toEqual([["kept", 2]]);
  expect(again.events(0, 100).map(({ id }) => id)).toEqual([1, 2, 3]);
});
