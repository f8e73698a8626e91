import { boardSchema } from "../machine/board-state.js";
import type { Entry } from "../machine/history/record-entry.js";
import type { RecordSink } from "../machine/history/recorder.js";
import type { Drive, Identity } from "../machine/machine.js";
import type { MachineState } from "../machine/machine-state.js";
import type { ChunkMap } from "../storage/chunk.js";
import { concatBytes, toHex, utf8 } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";
import { decode, encode, type SavedState } from "../util/schema.js";
import { ChunkStore, type ChunkWrite } from "./chunk-store.js";
import type { Database, FileServices, Row, Statement } from "./database.js";
import { checkFormat, createFormat, FORMAT_VERSION, upgradeFormat } from "./format.js";
import { type History, HistoryStore, type Point } from "./history-store.js";
import {
  checkOutsideDisks,
  decodeOutsideDisks,
  encodeOutsideDisks,
  lookAtDisks,
  OUTSIDE_DISKS,
} from "./outside-disks.js";
import { checkName } from "./snapshot-name.js";
import { readState, writeState } from "./state-text.js";
import type { StreamRecord } from "./stream-format.js";
import { exportRecords, importRecords } from "./transfer.js";
import { type UsageState, usageSchema } from "./usage-state.js";

/** How a point of a machine's history came to be in its file. */
export type SnapshotKind =
  /** Somebody named it. */
  | "named"
  /** A schedule took it, and retires it. */
  | "automatic"
  /** Where the machine was left; the next save takes its place. */
  | "present";

/** A point of a machine's history. */
export interface Snapshot {
  readonly id: number;
  /** The one it was reached from, or null. */
  readonly parent: number | null;
  /** Null for where the machine was left, if nobody named it. */
  readonly name: string | null;
  readonly kind: SnapshotKind;
  /** Milliseconds since 1970. */
  readonly takenMs: number;
  /** Instructions retired since power-on. */
  readonly instructions: bigint;
  /** Whether the machine goes on from here. */
  readonly present: boolean;
}

export interface SaveOptions {
  /** Names the point; it stays until it is deleted. Without a name it is where the machine was left. */
  readonly name?: string;
  /** A schedule names it. */
  readonly automatic?: boolean;
  /** What the guest wrote last to its serial console, for who opens the file. At most CONSOLE_BYTE_LENGTH_MAX are kept. */
  readonly console?: Uint8Array;
}

export const CONSOLE_BYTE_LENGTH_MAX = 64 * 1024;
/** Texts of a snapshot in a file are no longer than this. */
const TEXT_LENGTH_MAX = 32 * 1024 * 1024;
const SNAPSHOT_COUNT_MAX = 100_000;
const RAM = "ram";
/** A part of a snapshot that is no component's: `usageSchema`. */
const USAGE = "usage";
/** Of a snapshot that only a history has. */
const IS_HIDDEN = "name IS NULL AND kind = 'automatic'";
/** The format version that brought histories. */
const HISTORIES_SINCE = 2;

/**
 * A machine in one file: its snapshots, and which of them it goes on from.
 *
 * One program at a time has a file open for writing. Saving happens beside the running machine, and what a save wrote
 * counts only when all of it is there.
 */
export class MachineFile {
  readonly #database: Database;
  readonly #services: FileServices;
  readonly #chunks: ChunkStore;
  readonly #list: Statement;
  readonly #texts: Statement;
  /** Changes of the file one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #afterCommit: () => void = () => {};
  #isClosed = false;
  #formatVersion: number;
  /** Null in a file of a version that has none. */
  #histories: HistoryStore | null;

  private constructor(database: Database, services: FileServices, formatVersion: number) {
    this.#database = database;
    this.#services = services;
    this.#formatVersion = formatVersion;
    this.#histories = formatVersion < HISTORIES_SINCE ? null : new HistoryStore(database, services);
    this.#chunks = new ChunkStore(database, services);
    this.#list = database.prepare(
      `SELECT id, parent, name, kind, taken_ms, instructions,
         id = (SELECT present FROM machine) AS is_present
       FROM snapshot WHERE ? OR NOT (${IS_HIDDEN}) ORDER BY id LIMIT ${SNAPSHOT_COUNT_MAX}`,
    );
    this.#texts = database.prepare(
      `SELECT name, state FROM part WHERE snapshot = ? AND length(state) <= ? AND name <> '${USAGE}' LIMIT 1000`,
    );
  }

  /** Makes an empty database a machine file without a machine yet. @param writtenBy program and version */
  static create(database: Database, services: FileServices, writtenBy: string): MachineFile {
    createFormat(database);
    database
      .prepare("INSERT INTO machine (id, created_ms, written_by, present, identity) VALUES (1, ?, ?, NULL, 'kept')")
      .run(services.nowMs(), writtenBy);
    return new MachineFile(database, services, FORMAT_VERSION);
  }

  /** @throws VivariumError `file/not-a-machine`, `file/too-new`, `file/damaged` */
  static open(database: Database, services: FileServices): MachineFile {
    return new MachineFile(database, services, checkFormat(database));
  }

  /**
   * Makes an empty database a machine file out of a stream's records.
   *
   * @param identity "renewed" when the machine goes on beside its original
   * @throws VivariumError `stream/damaged` and those of `readStream`; the database is then of no use
   */
  static async import(
    records: AsyncIterable<StreamRecord>,
    database: Database,
    services: FileServices,
    options: { readonly writtenBy: string; readonly identity: Identity },
  ): Promise<MachineFile> {
    const file = MachineFile.create(database, services, options.writtenBy);
    await importRecords(records, database, services, options.identity);
    return file;
  }

  /** All of the file but its histories, for `writeStream`. Nothing may change it until the last record was taken. */
  records(): Generator<StreamRecord> {
    const { snapshots } = this;
    return exportRecords(this.#database, {
      snapshots: new Set(snapshots.map(({ id }) => id)),
      chunks: new Set(snapshots.flatMap((snapshot) => [...this.chunksOf(snapshot)])),
    });
  }

  /** A file of an older version becomes one of the present when a history is recorded in it. */
  get formatVersion(): number {
    return this.#formatVersion;
  }

  /** Of the file as it is, what was deleted and not given back yet included. */
  get byteLength(): number {
    const pragma = (name: string) => Number(this.#database.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);
    return pragma("page_count") * pragma("page_size");
  }

  /** Oldest first. Those that only histories have are left out. */
  get snapshots(): readonly Snapshot[] {
    return this.#list.all(0).map(snapshotOf);
  }

  /** Histories that can be run again, oldest first. */
  get histories(): readonly History[] {
    return this.#histories?.list() ?? [];
  }

  /** The points of a history from which it can be run, in their order. @throws VivariumError `file/damaged` */
  pointsOf({ id }: History): readonly (Point & { readonly snapshot: Snapshot })[] {
    const points = this.#histories?.points(id) ?? [];
    const snapshots = new Map(this.#everySnapshot.map((snapshot) => [snapshot.id, snapshot]));
    return points.flatMap((point) => {
      const snapshot = snapshots.get(point.snapshotId);
      return snapshot === undefined ? [] : [{ ...point, snapshot }];
    });
  }

  /** What is recorded of a history from a point on, read as it is asked for. */
  entriesOf({ id }: History, from: Point): Generator<Entry> {
    if (this.#histories === null) throw damaged("it has no histories");
    return this.#histories.entries(id, from.piece);
  }

  /**
   * Begins a history of the machine that runs from this file. Older ones make room for it.
   *
   * @returns where `Machine.record` puts it; what it does to the file, it does in the background
   */
  async record(): Promise<RecordSink> {
    const { histories, history } = await this.#change(async () => {
      const store = this.#histories ?? new HistoryStore(this.#database, this.#services);
      this.#delete(store.retire());
      return { histories: store, history: store.begin() };
    }, upgradeFormat);
    this.#histories = histories;
    this.#formatVersion = FORMAT_VERSION;
    const origin = this.present?.id ?? null;
    return {
      history,
      write: async (piece, retired) => {
        const packed = await histories.pack(piece);
        await this.#change(async () => {
          histories.add(history, packed, retired);
          this.#delete(histories.trim(history));
        });
      },
      keep: (state) =>
        this.#change(async () => {
          if (state.moment === undefined) return;
          const parent = state.moment.piece === 0 ? origin : null;
          await this.#insertState(state, { kind: "automatic", name: null, parent, console: new Uint8Array() });
          this.#delete(histories.thin(history));
        }),
      end: (end) => this.#change(async () => histories.end(history, end)),
    };
  }

  /** Deletes histories and what only they used. */
  deleteHistories(histories: readonly History[]): Promise<void> {
    return this.#change(async () => {
      for (const { id } of histories) this.#delete(this.#histories?.delete(id) ?? []);
    });
  }

  /** Where the machine goes on from; null for a file without a machine yet. @throws VivariumError `file/damaged` */
  get present(): Snapshot | null {
    const row = this.#database.prepare("SELECT present FROM machine").get();
    if (row === null) throw damaged("it does not say what it is");
    return row.present === null ? null : this.#byId(Number(row.present));
  }

  /**
   * @param name of a snapshot, or its number as `#7`
   * @throws VivariumError `snapshot/unknown`, naming those there are
   */
  find(name: string): Snapshot {
    const { snapshots } = this;
    const found = snapshots.find((snapshot) => snapshot.name === name || `#${snapshot.id}` === name);
    if (found !== undefined) return found;
    const names = snapshots.flatMap((snapshot) => snapshot.name ?? []);
    const known = names.length === 0 ? "it has none" : `it has ${names.join(", ")}`;
    throw new VivariumError("snapshot/unknown", `this file has no snapshot ${JSON.stringify(name)}; ${known}`, {
      name,
    });
  }

  /**
   * Whether the machine that goes on from here is the one that was saved, or another beside it.
   *
   * A copy that was made to go on beside its original says "renewed" until it is saved for the first time.
   */
  get identity(): Identity {
    const row = this.#database.prepare("SELECT identity FROM machine").get();
    return row?.identity === "renewed" ? "renewed" : "kept";
  }

  /** Makes the file that of another machine than the one it was copied from. */
  renewIdentity(): Promise<void> {
    return this.#change(async () => this.#database.exec("UPDATE machine SET identity = 'renewed'"));
  }

  /**
   * Writes a state, which becomes where the machine goes on from. The machine may run meanwhile.
   *
   * @throws VivariumError `snapshot/name` for a name that is taken or cannot be one, `file/full` and others of
   *   `Database`; the file then holds what it held before
   */
  save(state: MachineState, options: SaveOptions = {}): Promise<Snapshot> {
    return this.#change(() => this.#save(state, options));
  }

  /** What the machine had used when `keepUsage` was called last; null if it never was. @throws VivariumError `bad-state` */
  get usage(): UsageState | null {
    const row = this.#database
      .prepare(
        `SELECT state FROM part WHERE snapshot = (SELECT present FROM machine) AND name = '${USAGE}'
         AND length(state) <= ?`,
      )
      .get(TEXT_LENGTH_MAX);
    return row === null ? null : decode(usageSchema, readState(String(row.state), USAGE));
  }

  /** Writes down what the machine has used, if there is one. Saves carry it along. */
  keepUsage(usage: UsageState): Promise<void> {
    return this.#change(async () => {
      const { present } = this;
      if (present === null) return;
      this.#database
        .prepare(`INSERT OR REPLACE INTO part (snapshot, name, state) VALUES (?, '${USAGE}', ?)`)
        .run(present.id, writeState(encode(usageSchema, usage)));
    });
  }

  /** Gives the point where the machine was left a name, so that it stays. @throws VivariumError `snapshot/name` */
  name(name: string): Promise<Snapshot> {
    return this.#change(async () => {
      const present = this.#presentOrThrow();
      this.#refuseName(name);
      if (present.name !== null) {
        // Named twice: the second name is a point of its own that shares everything with the first.
        const copy = this.#copySnapshot(present, name);
        this.#setPresent(copy);
        return this.#byId(copy);
      }
      this.#database.prepare("UPDATE snapshot SET name = ?, kind = 'named' WHERE id = ?").run(name, present.id);
      return this.#byId(present.id);
    });
  }

  /**
   * Makes `snapshot` the point the machine goes on from. Where the machine was left is lost unless it has a name.
   * What goes on is another machine than the one that went on from there before.
   */
  restore(snapshot: Snapshot): Promise<void> {
    return this.#change(async () => {
      const { present } = this;
      this.#setPresent(snapshot.id);
      this.#database.exec("UPDATE machine SET identity = 'renewed'");
      if (present !== null && present.kind === "present" && present.id !== snapshot.id) this.#delete([present]);
    });
  }

  /** Deletes snapshots and what only they used. The one the machine goes on from cannot be deleted. */
  delete(snapshots: readonly Snapshot[]): Promise<void> {
    return this.#change(async () => {
      const { present } = this;
      if (present !== null && snapshots.some(({ id }) => id === present.id)) {
        const message = `the machine goes on from ${JSON.stringify(present.name)}; restore another before deleting it`;
        throw new VivariumError("snapshot/present", message, { name: present.name ?? "" });
      }
      this.#delete(snapshots);
    });
  }

  /** Gives the room of what was deleted back to the file system. */
  shrink(): Promise<void> {
    return this.#change(async () => this.#database.prepare("PRAGMA incremental_vacuum").run());
  }

  /** The state at a snapshot. Its RAM and disks are read as they are needed, so the file must stay open. */
  load(snapshot: Snapshot): MachineState {
    this.#assertOpen();
    const row = this.#database
      .prepare("SELECT board FROM snapshot WHERE id = ? AND length(board) <= ?")
      .get(snapshot.id, TEXT_LENGTH_MAX);
    if (row === null) throw damaged(`snapshot ${snapshot.id} cannot be read`);
    const board = readState(String(row.board), "board");
    const { drives } = decode(boardSchema, board);
    const parts = this.#parts(snapshot.id);
    const outside = parts.get(OUTSIDE_DISKS);
    parts.delete(OUTSIDE_DISKS);
    return {
      board,
      parts,
      ...(outside === undefined ? {} : { outside: decodeOutsideDisks(outside) }),
      ram: this.#contents(snapshot.id, RAM),
      drives: drives.map(({ captured }, index) => (captured ? this.#contents(snapshot.id, driveName(index)) : null)),
      instructions: snapshot.instructions,
    };
  }

  /**
   * What the disks are called that the file does not have, and hold now: for `MachineState.outside`.
   *
   * @param names by slot, like the drives
   * @throws VivariumError `drive/unusable` for one that cannot be read
   */
  lookAtOutside(names: readonly (string | null)[], drives: readonly (Drive | undefined)[]) {
    return lookAtDisks(names, drives, this.#services);
  }

  /**
   * Makes sure that the disks that the file does not have are those that the machine had.
   *
   * @param drives by slot; nothing for those in the file
   * @throws VivariumError `machine/drives` for one that is missing, or does not hold what it held
   */
  checkOutside(state: MachineState, drives: readonly (Drive | undefined)[]): Promise<void> {
    return checkOutsideDisks(decode(boardSchema, state.board), state, drives, this.#services);
  }

  /** What the guest had written last to its console at a snapshot. */
  consoleOf(snapshot: Snapshot): Uint8Array {
    const row = this.#database
      .prepare("SELECT substr(console, 1, ?) AS console FROM snapshot WHERE id = ?")
      .get(CONSOLE_BYTE_LENGTH_MAX, snapshot.id);
    return row?.console instanceof Uint8Array ? row.console : new Uint8Array();
  }

  /** Chunks of RAM and disks at a snapshot, by number, each once. */
  chunksOf(snapshot: Pick<Snapshot, "id">): ReadonlySet<number> {
    const ids = new Set<number>();
    for (const { chunks, byte_length } of this.#contentRows(snapshot.id)) {
      for (const id of this.#chunks.ids(chunks as Uint8Array, Number(byte_length))) if (id !== 0) ids.add(id);
    }
    return ids;
  }

  /** A hash over all of a snapshot, whichever file it is in. */
  hashOf(snapshot: Snapshot): string {
    const digest = (bytes: Uint8Array) => this.#services.digest(bytes);
    const parts = [...this.#texts.all(snapshot.id, TEXT_LENGTH_MAX)]
      .map(({ name, state }) => `${name} ${state}`)
      .sort();
    const contents = this.#contentRows(snapshot.id).map((row) =>
      concatBytes([
        utf8(`${row.name} ${row.byte_length} `),
        this.#chunks.hashes(row.chunks as Uint8Array, Number(row.byte_length)),
      ]),
    );
    return toHex(digest(concatBytes([...parts.map(utf8), ...contents].map(digest))));
  }

  /** Compressed length of every chunk in the file, by number. */
  packedLengths(): ReadonlyMap<number, number> {
    return this.#chunks.packedLengths();
  }

  /** When the file was made, and by what. */
  get origin(): { readonly createdMs: number; readonly writtenBy: string } {
    const row = this.#database.prepare("SELECT created_ms, written_by FROM machine").get();
    if (row === null) throw damaged("it does not say what it is");
    return { createdMs: Number(row.created_ms), writtenBy: String(row.written_by) };
  }

  /** Waits for what is being written, then closes. A machine that still reads from the file cannot go on. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    await this.#last;
    try {
      // What a machine still read when its snapshot was deleted.
      if (this.#chunks.hasSpared) await this.#change(async () => this.#chunks.sweepAll(this.#usedChunks()));
    } finally {
      this.#isClosed = true;
      this.#database.close();
    }
  }

  async #save(state: MachineState, { name, automatic = false, console }: SaveOptions): Promise<Snapshot> {
    if (name !== undefined) this.#refuseName(name);
    const before = this.present;
    // The point that the new one takes the place of is no ancestor of it.
    const parent = before !== null && before.kind === "present" ? before.parent : (before?.id ?? null);
    const kind: SnapshotKind = automatic ? "automatic" : name === undefined ? "present" : "named";
    const id = await this.#insertState(state, {
      kind,
      name: name ?? null,
      parent,
      console: console ?? new Uint8Array(),
    });
    if (before !== null) {
      this.#database
        .prepare(`INSERT INTO part SELECT ?, name, state FROM part WHERE snapshot = ? AND name = '${USAGE}'`)
        .run(id, before.id);
    }
    this.#setPresent(id);
    this.#database.exec("UPDATE machine SET identity = 'kept'");
    if (before !== null && before.kind === "present") this.#delete([before]);
    return this.#byId(id);
  }

  /** Within a transaction. @returns the snapshot's number */
  async #insertState(
    state: MachineState,
    { kind, name, parent, console }: Pick<Snapshot, "kind" | "name" | "parent"> & { readonly console: Uint8Array },
  ): Promise<number> {
    const written: ChunkWrite = { ids: new Map(), added: 0, addedByteLength: 0 };
    const lists: [string, ChunkMap, Uint8Array][] = [[RAM, state.ram, await this.#chunks.write(state.ram, written)]];
    for (const [index, contents] of state.drives.entries()) {
      if (contents !== null) lists.push([driveName(index), contents, await this.#chunks.write(contents, written)]);
    }
    const inserted = this.#database
      .prepare(
        `INSERT INTO snapshot (parent, name, kind, taken_ms, instructions, board, console)
         VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id`,
      )
      .get(
        parent,
        name,
        kind,
        this.#services.nowMs(),
        state.instructions.toString(),
        writeState(state.board),
        console.slice(-CONSOLE_BYTE_LENGTH_MAX),
      );
    const id = Number(inserted!.id);
    const insertPart = this.#database.prepare("INSERT INTO part (snapshot, name, state) VALUES (?, ?, ?)");
    for (const [part, saved] of state.parts) insertPart.run(id, part, writeState(saved));
    const { outside } = state;
    if (outside?.some((disk) => disk !== null) === true) {
      insertPart.run(id, OUTSIDE_DISKS, writeState(encodeOutsideDisks(outside)));
    }
    const insertContents = this.#database.prepare(
      "INSERT INTO contents (snapshot, name, byte_length, chunks) VALUES (?, ?, ?, ?)",
    );
    for (const [part, { byteLength }, list] of lists) insertContents.run(id, part, byteLength, list);
    if (state.moment !== undefined) this.#histories?.addPoint(id, state.moment);
    this.#afterCommit = () => this.#chunks.settle(written);
    return id;
  }

  /** Does `work` after all changes before it, in a transaction: all of it or, when it throws, nothing. */
  #change<T>(work: () => Promise<T>, before: (database: Database) => void = () => {}): Promise<T> {
    const done = this.#last.then(async () => {
      this.#assertOpen();
      before(this.#database);
      this.#afterCommit = () => {};
      this.#database.exec("BEGIN IMMEDIATE");
      try {
        const result = await work();
        this.#database.exec("COMMIT");
        this.#afterCommit();
        return result;
      } catch (error) {
        this.#rollBack();
        throw error;
      }
    });
    this.#last = done.catch(() => {});
    return done;
  }

  #rollBack(): void {
    try {
      this.#database.exec("ROLLBACK");
    } catch {
      // After some errors SQLite has rolled back by itself, and says that there is nothing to.
    }
  }

  #delete(snapshots: readonly Pick<Snapshot, "id">[]): void {
    if (snapshots.length === 0) return;
    const candidates = new Set(snapshots.flatMap((snapshot) => [...this.chunksOf(snapshot)]));
    // Where a history began is known as long as that snapshot is there.
    const reparent = this.#database.prepare(
      `UPDATE snapshot SET parent = CASE WHEN ${IS_HIDDEN} THEN NULL ELSE ? END WHERE parent = ?`,
    );
    const remove = this.#database.prepare("DELETE FROM snapshot WHERE id = ?");
    for (const { id } of snapshots) {
      reparent.run(this.#byId(id).parent, id);
      remove.run(id);
    }
    this.#chunks.sweep(candidates, this.#usedChunks());
  }

  #usedChunks(): ReadonlySet<number> {
    return new Set(this.#everySnapshot.flatMap((snapshot) => [...this.chunksOf(snapshot)]));
  }

  get #everySnapshot(): readonly Snapshot[] {
    return this.#list.all(1).map(snapshotOf);
  }

  #setPresent(id: number): void {
    this.#database.prepare("UPDATE machine SET present = ?").run(id);
  }

  #copySnapshot(snapshot: Snapshot, name: string): number {
    const row = this.#database
      .prepare(
        `INSERT INTO snapshot (parent, name, kind, taken_ms, instructions, board, console)
         SELECT id, ?, 'named', taken_ms, instructions, board, console FROM snapshot WHERE id = ? RETURNING id`,
      )
      .get(name, snapshot.id);
    const id = Number(row!.id);
    this.#database
      .prepare("INSERT INTO part (snapshot, name, state) SELECT ?, name, state FROM part WHERE snapshot = ?")
      .run(id, snapshot.id);
    this.#database
      .prepare(
        `INSERT INTO contents (snapshot, name, byte_length, chunks)
         SELECT ?, name, byte_length, chunks FROM contents WHERE snapshot = ?`,
      )
      .run(id, snapshot.id);
    return id;
  }

  #parts(snapshot: number): Map<string, SavedState> {
    const rows = this.#texts.all(snapshot, TEXT_LENGTH_MAX);
    return new Map(rows.map(({ name, state }) => [String(name), readState(String(state), String(name))]));
  }

  #contents(snapshot: number, name: string): ChunkMap {
    const row = this.#contentRows(snapshot).find((each) => each.name === name);
    if (row === undefined) throw damaged(`${name} of snapshot ${snapshot} is missing`);
    return this.#chunks.read(row.chunks as Uint8Array, Number(row.byte_length));
  }

  #contentRows(snapshot: number): readonly Row[] {
    return this.#database
      .prepare("SELECT name, byte_length, chunks FROM contents WHERE snapshot = ? AND length(chunks) <= ? LIMIT 100")
      .all(snapshot, TEXT_LENGTH_MAX);
  }

  #byId(id: number): Snapshot {
    const found = this.#everySnapshot.find((snapshot) => snapshot.id === id);
    if (found === undefined) throw damaged(`snapshot ${id} is missing`);
    return found;
  }

  #presentOrThrow(): Snapshot {
    const { present } = this;
    if (present === null) throw new VivariumError("file/empty", "there is no machine in this file yet");
    return present;
  }

  #refuseName(name: string): void {
    checkName(name);
    if (!this.snapshots.some((snapshot) => snapshot.name === name)) return;
    throw new VivariumError("snapshot/name", `there is a snapshot ${JSON.stringify(name)} already`, { name });
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new VivariumError("file/closed", "the machine's file is closed");
  }
}

function driveName(index: number): string {
  return `drive${index}`;
}

function snapshotOf(row: Row): Snapshot {
  return {
    id: Number(row.id),
    parent: row.parent === null ? null : Number(row.parent),
    name: row.name === null ? null : String(row.name),
    kind: row.kind as SnapshotKind,
    takenMs: Number(row.taken_ms),
    instructions: readInstructions(row.instructions),
    present: row.is_present === 1,
  };
}

function readInstructions(text: unknown): bigint {
  return typeof text === "string" && /^\d{1,20}$/.test(text) ? BigInt(text) : 0n;
}

function damaged(problem: string): VivariumError {
  return new VivariumError("file/damaged", `the file is damaged: ${problem}`);
}
