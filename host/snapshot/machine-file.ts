import { boardSchema } from "../machine/board-state.js";
import type { Entry } from "../machine/history/record-entry.js";
import type { RecordSink } from "../machine/history/recorder.js";
import type { Drive, Identity } from "../machine/machine.js";
import type { MachineState } from "../machine/machine-state.js";
import { VivariumError } from "../util/errors.js";
import { decode } from "../util/schema.js";
import { ChunkStore } from "./chunk-store.js";
import { damagedFile } from "./damaged.js";
import type { Database, FileServices } from "./database.js";
import { checkFormat, createFormat, FORMAT_VERSION, upgradeFormat } from "./format.js";
import { type History, HistoryStore, type Point } from "./history-store.js";
import { checkOutsideDisks, lookAtDisks } from "./outside-disks.js";
import { checkName } from "./snapshot-name.js";
import { type NewSnapshot, type Snapshot, type SnapshotKind, SnapshotStore } from "./snapshot-store.js";
import type { StreamRecord } from "./stream-format.js";
import { exportRecords, importRecords } from "./transfer.js";
import type { UsageState } from "./usage-state.js";

export type { Snapshot, SnapshotKind } from "./snapshot-store.js";

export interface SaveOptions {
  /** Names the point; it stays until it is deleted. Without a name it is where the machine was left. */
  readonly name?: string;
  /** A schedule names it. */
  readonly automatic?: boolean;
  /** What the guest wrote last to its serial console, for who opens the file. At most CONSOLE_BYTE_LENGTH_MAX are kept. */
  readonly console?: Uint8Array;
}

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
  readonly #snapshots: SnapshotStore;
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
    this.#snapshots = new SnapshotStore(database, services, this.#chunks);
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
    return this.#snapshots.list();
  }

  /** Histories that can be run again, oldest first. */
  get histories(): readonly History[] {
    return this.#histories?.list() ?? [];
  }

  /** The points of a history from which it can be run, in their order. @throws VivariumError `file/damaged` */
  pointsOf({ id }: History): readonly (Point & { readonly snapshot: Snapshot })[] {
    const points = this.#histories?.points(id) ?? [];
    const snapshots = new Map(this.#snapshots.listAll().map((snapshot) => [snapshot.id, snapshot]));
    return points.flatMap((point) => {
      const snapshot = snapshots.get(point.snapshotId);
      return snapshot === undefined ? [] : [{ ...point, snapshot }];
    });
  }

  /** What is recorded of a history from a point on, read as it is asked for. */
  entriesOf({ id }: History, from: Point): Generator<Entry> {
    if (this.#histories === null) throw damagedFile("it has no histories");
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
      this.#snapshots.delete(store.retire());
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
          this.#snapshots.delete(histories.trim(history));
        });
      },
      keep: (state) =>
        this.#change(async () => {
          if (state.moment === undefined) return;
          const parent = state.moment.piece === 0 ? origin : null;
          await this.#insert(state, { kind: "automatic", name: null, parent, console: new Uint8Array() });
          this.#snapshots.delete(histories.thin(history));
        }),
      end: (end) => this.#change(async () => histories.end(history, end)),
    };
  }

  /** Deletes histories and what only they used. */
  deleteHistories(histories: readonly History[]): Promise<void> {
    return this.#change(async () => {
      for (const { id } of histories) this.#snapshots.delete(this.#histories?.delete(id) ?? []);
    });
  }

  /** Where the machine goes on from; null for a file without a machine yet. @throws VivariumError `file/damaged` */
  get present(): Snapshot | null {
    const row = this.#database.prepare("SELECT present FROM machine").get();
    if (row === null) throw damagedFile("it does not say what it is");
    return row.present === null ? null : this.#snapshots.byId(Number(row.present));
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
    const { present } = this;
    return present === null ? null : this.#snapshots.usageAt(present);
  }

  /** Writes down what the machine has used, if there is one. Saves carry it along. */
  keepUsage(usage: UsageState): Promise<void> {
    return this.#change(async () => {
      const { present } = this;
      if (present !== null) this.#snapshots.keepUsage(present, usage);
    });
  }

  /** Gives the point where the machine was left a name, so that it stays. @throws VivariumError `snapshot/name` */
  name(name: string): Promise<Snapshot> {
    return this.#change(async () => {
      const present = this.#presentOrThrow();
      this.#refuseName(name);
      if (present.name !== null) {
        // Named twice: the second name is a point of its own that shares everything with the first.
        const copy = this.#snapshots.copy(present, name);
        this.#setPresent(copy);
        return this.#snapshots.byId(copy.id);
      }
      this.#snapshots.name(present, name);
      return this.#snapshots.byId(present.id);
    });
  }

  /**
   * Makes `snapshot` the point the machine goes on from. Where the machine was left is lost unless it has a name.
   * What goes on is another machine than the one that went on from there before.
   */
  restore(snapshot: Snapshot): Promise<void> {
    return this.#change(async () => {
      const { present } = this;
      this.#setPresent(snapshot);
      this.#database.exec("UPDATE machine SET identity = 'renewed'");
      if (present !== null && present.kind === "present" && present.id !== snapshot.id)
        this.#snapshots.delete([present]);
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
      this.#snapshots.delete(snapshots);
    });
  }

  /** Gives the room of what was deleted back to the file system. */
  shrink(): Promise<void> {
    return this.#change(async () => this.#database.prepare("PRAGMA incremental_vacuum").run());
  }

  /** The state at a snapshot. Its RAM and disks are read as they are needed, so the file must stay open. */
  load(snapshot: Snapshot): MachineState {
    this.#assertOpen();
    return this.#snapshots.load(snapshot);
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
    return this.#snapshots.consoleOf(snapshot);
  }

  /** Chunks of RAM and disks at a snapshot, by number, each once. */
  chunksOf(snapshot: Pick<Snapshot, "id">): ReadonlySet<number> {
    return this.#snapshots.chunksOf(snapshot);
  }

  /** A hash over all of a snapshot, whichever file it is in. */
  hashOf(snapshot: Snapshot): string {
    return this.#snapshots.hashOf(snapshot);
  }

  /** Compressed length of every chunk in the file, by number. */
  packedLengths(): ReadonlyMap<number, number> {
    return this.#chunks.packedLengths();
  }

  /** When the file was made, and by what. */
  get origin(): { readonly createdMs: number; readonly writtenBy: string } {
    const row = this.#database.prepare("SELECT created_ms, written_by FROM machine").get();
    if (row === null) throw damagedFile("it does not say what it is");
    return { createdMs: Number(row.created_ms), writtenBy: String(row.written_by) };
  }

  /** Waits for what is being written, then closes. A machine that still reads from the file cannot go on. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    await this.#last;
    try {
      // What a machine still read when its snapshot was deleted.
      if (this.#chunks.hasSpared) await this.#change(async () => this.#chunks.sweepAll(this.#snapshots.usedChunks()));
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
    const added = await this.#insert(state, {
      kind,
      name: name ?? null,
      parent,
      console: console ?? new Uint8Array(),
    });
    if (before !== null) this.#snapshots.carryUsage(before, added);
    this.#setPresent(added);
    this.#database.exec("UPDATE machine SET identity = 'kept'");
    if (before !== null && before.kind === "present") this.#snapshots.delete([before]);
    return this.#snapshots.byId(added.id);
  }

  /** Within a transaction. */
  async #insert(state: MachineState, snapshot: NewSnapshot): Promise<Pick<Snapshot, "id">> {
    const { id, written } = await this.#snapshots.insert(state, snapshot);
    if (state.moment !== undefined) this.#histories?.addPoint(id, state.moment);
    this.#afterCommit = () => this.#chunks.settle(written);
    return { id };
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

  #setPresent({ id }: Pick<Snapshot, "id">): void {
    this.#database.prepare("UPDATE machine SET present = ?").run(id);
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
