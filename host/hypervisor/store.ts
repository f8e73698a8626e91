import type { HypervisorEvent, MachineSpec, PoolSpec, Usage } from "../control/hypervisor/schemas.js";
import type { Database, Row } from "../snapshot/database.js";
import { VivariumError } from "../util/errors.js";
import type { EventKeeper } from "./event-log.js";
import { specOf } from "./machine-spec.js";

/** "VIVH": SQLite's application_id of a hypervisor's database. */
const APPLICATION_ID = 0x56495648;
const VERSION = 3;
const EVENTS_MAX = 10_000;
/** Deleting one event at a time would cost more. */
const EVENTS_SLACK = 500;

const TABLES = [
  `CREATE TABLE machine (
  name TEXT PRIMARY KEY,
  spec TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  started_ms INTEGER,
  goes_on INTEGER NOT NULL,
  was_running INTEGER NOT NULL,
  failure TEXT,
  usage TEXT NOT NULL,
  saved_byte_length INTEGER NOT NULL,
  kept_apart INTEGER NOT NULL,
  saved_itself INTEGER NOT NULL
) STRICT, WITHOUT ROWID`,
  "CREATE TABLE pool (name TEXT PRIMARY KEY, spec TEXT NOT NULL) STRICT, WITHOUT ROWID",
  `CREATE TABLE event (
  id INTEGER PRIMARY KEY,
  time_ms INTEGER NOT NULL,
  kind TEXT NOT NULL,
  machine TEXT,
  message TEXT NOT NULL,
  data TEXT NOT NULL
) STRICT`,
];

/** By version, what makes a database of it one of the next version. */
const UPGRADES: Readonly<Record<number, string>> = {
  1: "ALTER TABLE machine ADD COLUMN kept_apart INTEGER NOT NULL DEFAULT 0",
  2: "ALTER TABLE machine ADD COLUMN saved_itself INTEGER NOT NULL DEFAULT 0",
};

/** What is known of a machine when the hypervisor does not run. */
export interface MachineRecord {
  readonly spec: MachineSpec;
  readonly createdAt: number;
  readonly startedAt: number | null;
  /** Whether it goes on from its file when it is switched on next, and does not begin anew. */
  readonly goesOn: boolean;
  /** Whether the hypervisor saved it while it ran, when it was closed. */
  readonly wasRunning: boolean;
  readonly failure: string | null;
  readonly usage: Usage;
  readonly savedByteLength: number;
  /** Whether it is to have a worker for itself: one has ended in its turn. */
  readonly isKeptApart: boolean;
  /** Whether nobody asked for the point that it goes on from: it was taken because it was time. */
  readonly hasSavedItself: boolean;
}

/** What the store tells. */
export interface StoreListener {
  /** There is something that `flush` will write: many changes in one transaction. */
  onUnwritten(): void;
  /** Nothing can be written now, such as for want of room; told once, until it can be again. */
  onFailure(error: VivariumError): void;
  onRecovery(): void;
}

/** Events that are kept in memory while they cannot be written. */
const UNWRITTEN_MAX = 2000;

/** What a hypervisor keeps: its machines, pools and events. Machines themselves are in files of their own. */
export class Store implements EventKeeper {
  readonly #database: Database;
  readonly #listener: StoreListener;
  readonly #changed = new Map<string, { readonly name: string; record(): MachineRecord }>();
  readonly #deleted = new Set<string>();
  #unwritten: HypervisorEvent[] = [];
  #isFailing = false;
  #lastEventId: number;

  /** @throws VivariumError `store/unusable` for a database of something else, or of a newer version */
  constructor(database: Database, listener: StoreListener) {
    this.#database = database;
    this.#listener = listener;
    prepare(database);
    const row = database.prepare("SELECT max(id) AS last FROM event").get();
    this.#lastEventId = Number(row?.last ?? 0);
  }

  machines(): readonly MachineRecord[] {
    return this.#database.prepare("SELECT * FROM machine ORDER BY created_ms, name").all().map(recordOf);
  }

  /** A machine is not what it was: it is written with what else is to be. */
  machineChanged(machine: { readonly name: string; record(): MachineRecord }): void {
    this.#changed.set(machine.name, machine);
    this.#listener.onUnwritten();
  }

  deleteMachine(name: string): void {
    this.#changed.delete(name);
    this.#deleted.add(name);
    this.flush();
  }

  pools(): readonly PoolSpec[] {
    const rows = this.#database.prepare("SELECT spec FROM pool ORDER BY name").all();
    return rows.map(({ spec }) => JSON.parse(String(spec)) as PoolSpec);
  }

  writePool(spec: PoolSpec): void {
    this.#database.prepare("INSERT OR REPLACE INTO pool VALUES (?, ?)").run(spec.name, JSON.stringify(spec));
  }

  deletePool(name: string): void {
    this.#database.prepare("DELETE FROM pool WHERE name = ?").run(name);
  }

  get lastEventId(): number {
    return this.#lastEventId;
  }

  addEvent(event: HypervisorEvent): void {
    this.#unwritten.push(event);
    this.#lastEventId = event.id;
    this.#listener.onUnwritten();
  }

  /** Events after a number, oldest first. @param last at most so many, the newest */
  events(after: number, last: number): readonly HypervisorEvent[] {
    this.flush();
    const rows = this.#database.prepare("SELECT * FROM event WHERE id > ? ORDER BY id DESC LIMIT ?").all(after, last);
    const unwritten = this.#unwritten.filter(({ id }) => id > after);
    return [...rows.map(eventOf).reverse(), ...unwritten].slice(-last);
  }

  /** Writes down what was only told so far. What cannot be written stays for the next time. */
  flush(): void {
    const [events, machines, deleted] = [this.#unwritten, [...this.#changed.values()], [...this.#deleted]];
    if (events.length + machines.length + deleted.length === 0) return;
    this.#unwritten = [];
    this.#changed.clear();
    this.#deleted.clear();
    try {
      this.#inTransaction(() => this.#write(events, machines, deleted));
      if (!this.#isFailing) return;
      this.#isFailing = false;
      this.#listener.onRecovery();
    } catch (error) {
      if (!(error instanceof VivariumError)) throw error;
      this.#unwritten = [...events, ...this.#unwritten].slice(-UNWRITTEN_MAX);
      for (const name of deleted) this.#deleted.add(name);
      for (const machine of machines) this.#changed.set(machine.name, machine);
      if (this.#isFailing) return;
      this.#isFailing = true;
      this.#listener.onFailure(error);
    }
  }

  #write(
    events: readonly HypervisorEvent[],
    machines: readonly { record(): MachineRecord }[],
    deleted: readonly string[],
  ): void {
    const remove = this.#database.prepare("DELETE FROM machine WHERE name = ?");
    for (const name of deleted) remove.run(name);
    for (const machine of machines) this.#writeMachine(machine.record());
    const insert = this.#database.prepare("INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?, ?)");
    for (const { id, time, kind, machine, message, data } of events) {
      insert.run(id, time, kind, machine, message, JSON.stringify(data));
    }
    this.#database.prepare("DELETE FROM event WHERE id <= ?").run(this.#oldestKept());
  }

  #writeMachine({ spec, ...record }: MachineRecord): void {
    this.#database
      .prepare("INSERT OR REPLACE INTO machine VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .run(
        spec.name,
        JSON.stringify(spec),
        record.createdAt,
        record.startedAt,
        Number(record.goesOn),
        Number(record.wasRunning),
        record.failure,
        JSON.stringify(record.usage),
        record.savedByteLength,
        Number(record.isKeptApart),
        Number(record.hasSavedItself),
      );
  }

  #oldestKept(): number {
    const oldest = Number(this.#database.prepare("SELECT min(id) AS oldest FROM event").get()?.oldest ?? 0);
    return this.#lastEventId - oldest > EVENTS_MAX + EVENTS_SLACK ? this.#lastEventId - EVENTS_MAX : 0;
  }

  #inTransaction(work: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      work();
      this.#database.exec("COMMIT");
    } catch (error) {
      rollBack(this.#database);
      throw error;
    }
  }
}

/** SQLite has done so by itself after some errors, a full disk among them, and then finds nothing to roll back. */
function rollBack(database: Database): void {
  try {
    database.exec("ROLLBACK");
  } catch (error) {
    if (!(error instanceof VivariumError)) throw error;
  }
}

function prepare(database: Database): void {
  const [application, version] = [pragma(database, "application_id"), pragma(database, "user_version")];
  if (application === 0 && version === 0) {
    database.exec("BEGIN IMMEDIATE");
    for (const table of TABLES) database.exec(table);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${VERSION}; COMMIT`);
    return;
  }
  if (application === APPLICATION_ID && version >= 1 && version <= VERSION) {
    for (let from = version; from < VERSION; from++) {
      database.exec(`BEGIN IMMEDIATE; ${UPGRADES[from]}; PRAGMA user_version = ${from + 1}; COMMIT`);
    }
    return;
  }
  const what = application === APPLICATION_ID ? `of version ${version}; this one knows ${VERSION}` : "something else's";
  throw new VivariumError("store/unusable", `the hypervisor's database is ${what}`);
}

function pragma(database: Database, name: string): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);
}

function recordOf(row: Row): MachineRecord {
  return {
    spec: specOf(JSON.parse(String(row.spec)) as MachineSpec),
    createdAt: Number(row.created_ms),
    startedAt: row.started_ms === null ? null : Number(row.started_ms),
    goesOn: row.goes_on === 1,
    wasRunning: row.was_running === 1,
    failure: row.failure === null ? null : String(row.failure),
    usage: JSON.parse(String(row.usage)) as Usage,
    savedByteLength: Number(row.saved_byte_length),
    isKeptApart: row.kept_apart === 1,
    hasSavedItself: row.saved_itself === 1,
  };
}

function eventOf(row: Row): HypervisorEvent {
  return {
    id: Number(row.id),
    time: Number(row.time_ms),
    kind: row.kind as HypervisorEvent["kind"],
    machine: row.machine === null ? null : String(row.machine),
    message: String(row.message),
    data: JSON.parse(String(row.data)) as HypervisorEvent["data"],
  };
}
