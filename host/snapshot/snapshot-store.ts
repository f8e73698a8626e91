import { boardSchema } from "../machine/board-state.js";
import type { MachineState } from "../machine/machine-state.js";
import type { ChunkMap } from "../storage/chunk.js";
import { concatBytes, toHex, utf8 } from "../util/bytes.js";
import { decode, encode, type SavedState } from "../util/schema.js";
import { type ChunkStore, type ChunkWrite, noWrite } from "./chunk-store.js";
import { damagedFile } from "./damaged.js";
import type { Database, FileServices, Row, Statement } from "./database.js";
import { decodeOutsideDisks, encodeOutsideDisks, OUTSIDE_DISKS } from "./outside-disks.js";
import { readState, writeState } from "./state-text.js";
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

type SnapshotId = Pick<Snapshot, "id">;

/** What a new snapshot is called, and what the guest wrote last to its console. */
export interface NewSnapshot extends Pick<Snapshot, "kind" | "name" | "parent"> {
  readonly console: Uint8Array;
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

/** The snapshots in a machine file. What changes the file is to be called within a transaction. */
export class SnapshotStore {
  readonly #database: Database;
  readonly #services: FileServices;
  readonly #chunks: ChunkStore;
  readonly #list: Statement;
  readonly #texts: Statement;

  constructor(database: Database, services: FileServices, chunks: ChunkStore) {
    this.#database = database;
    this.#services = services;
    this.#chunks = chunks;
    this.#list = database.prepare(
      `SELECT id, parent, name, kind, taken_ms, instructions,
         id = (SELECT present FROM machine) AS is_present
       FROM snapshot WHERE ? OR NOT (${IS_HIDDEN}) ORDER BY id LIMIT ${SNAPSHOT_COUNT_MAX}`,
    );
    this.#texts = database.prepare(
      `SELECT name, state FROM part WHERE snapshot = ? AND length(state) <= ? AND name <> '${USAGE}' LIMIT 1000`,
    );
  }

  /** Oldest first. Those that only histories have are left out. */
  list(): readonly Snapshot[] {
    return this.#list.all(0).map(snapshotOf);
  }

  /** Those that only histories have as well. */
  listAll(): readonly Snapshot[] {
    return this.#list.all(1).map(snapshotOf);
  }

  /** @throws VivariumError `file/damaged` when it is not there */
  byId(id: number): Snapshot {
    const found = this.listAll().find((snapshot) => snapshot.id === id);
    if (found === undefined) throw damagedFile(`snapshot ${id} is missing`);
    return found;
  }

  /** The state at a snapshot. Its RAM and disks are read as they are needed. @throws VivariumError `file/damaged` */
  load(snapshot: Snapshot): MachineState {
    const row = this.#database
      .prepare("SELECT board FROM snapshot WHERE id = ? AND length(board) <= ?")
      .get(snapshot.id, TEXT_LENGTH_MAX);
    if (row === null) throw damagedFile(`snapshot ${snapshot.id} cannot be read`);
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

  /** What the guest had written last to its console. */
  consoleOf({ id }: SnapshotId): Uint8Array {
    const row = this.#database
      .prepare("SELECT substr(console, 1, ?) AS console FROM snapshot WHERE id = ?")
      .get(CONSOLE_BYTE_LENGTH_MAX, id);
    return row?.console instanceof Uint8Array ? row.console : new Uint8Array();
  }

  /** Chunks of RAM and disks, by number, each once. */
  chunksOf({ id }: SnapshotId): ReadonlySet<number> {
    const ids = new Set<number>();
    for (const { chunks, byte_length } of this.#contentRows(id)) {
      for (const chunk of this.#chunks.ids(chunks as Uint8Array, Number(byte_length))) if (chunk !== 0) ids.add(chunk);
    }
    return ids;
  }

  /** Chunks of all snapshots. */
  usedChunks(): ReadonlySet<number> {
    return new Set(this.listAll().flatMap((snapshot) => [...this.chunksOf(snapshot)]));
  }

  /** A hash over all of a snapshot, whichever file it is in. */
  hashOf({ id }: SnapshotId): string {
    const digest = (bytes: Uint8Array) => this.#services.digest(bytes);
    const parts = [...this.#texts.all(id, TEXT_LENGTH_MAX)].map(({ name, state }) => `${name} ${state}`).sort();
    const contents = this.#contentRows(id).map((row) =>
      concatBytes([
        utf8(`${row.name} ${row.byte_length} `),
        this.#chunks.hashes(row.chunks as Uint8Array, Number(row.byte_length)),
      ]),
    );
    return toHex(digest(concatBytes([...parts.map(utf8), ...contents].map(digest))));
  }

  /** What the machine had used when `keepUsage` was called last for the snapshot, or null. @throws VivariumError `bad-state` */
  usageAt({ id }: SnapshotId): UsageState | null {
    const row = this.#database
      .prepare(`SELECT state FROM part WHERE snapshot = ? AND name = '${USAGE}' AND length(state) <= ?`)
      .get(id, TEXT_LENGTH_MAX);
    return row === null ? null : decode(usageSchema, readState(String(row.state), USAGE));
  }

  keepUsage({ id }: SnapshotId, usage: UsageState): void {
    this.#database
      .prepare(`INSERT OR REPLACE INTO part (snapshot, name, state) VALUES (?, '${USAGE}', ?)`)
      .run(id, writeState(encode(usageSchema, usage)));
  }

  carryUsage(from: SnapshotId, to: SnapshotId): void {
    this.#database
      .prepare(`INSERT INTO part SELECT ?, name, state FROM part WHERE snapshot = ? AND name = '${USAGE}'`)
      .run(to.id, from.id);
  }

  /** @returns its number, and what is to be settled with the chunks when it is committed */
  async insert(
    state: MachineState,
    { kind, name, parent, console }: NewSnapshot,
  ): Promise<SnapshotId & { readonly written: ChunkWrite }> {
    const written = noWrite();
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
    return { id, written };
  }

  /** Names a snapshot that has a name once more: a point of its own that shares everything with it. */
  copy(snapshot: SnapshotId, name: string): SnapshotId {
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
    return { id };
  }

  name({ id }: SnapshotId, name: string): void {
    this.#database.prepare("UPDATE snapshot SET name = ?, kind = 'named' WHERE id = ?").run(name, id);
  }

  /** Deletes snapshots and what only they used. */
  delete(snapshots: readonly SnapshotId[]): void {
    if (snapshots.length === 0) return;
    const candidates = new Set(snapshots.flatMap((snapshot) => [...this.chunksOf(snapshot)]));
    // Where a history began is known as long as that snapshot is there.
    const reparent = this.#database.prepare(
      `UPDATE snapshot SET parent = CASE WHEN ${IS_HIDDEN} THEN NULL ELSE ? END WHERE parent = ?`,
    );
    const remove = this.#database.prepare("DELETE FROM snapshot WHERE id = ?");
    for (const { id } of snapshots) {
      reparent.run(this.byId(id).parent, id);
      remove.run(id);
    }
    this.#chunks.sweep(candidates, this.usedChunks());
  }

  #parts(snapshot: number): Map<string, SavedState> {
    const rows = this.#texts.all(snapshot, TEXT_LENGTH_MAX);
    return new Map(rows.map(({ name, state }) => [String(name), readState(String(state), String(name))]));
  }

  #contents(snapshot: number, name: string): ChunkMap {
    const row = this.#contentRows(snapshot).find((each) => each.name === name);
    if (row === undefined) throw damagedFile(`${name} of snapshot ${snapshot} is missing`);
    return this.#chunks.read(row.chunks as Uint8Array, Number(row.byte_length));
  }

  #contentRows(snapshot: number): readonly Row[] {
    return this.#database
      .prepare("SELECT name, byte_length, chunks FROM contents WHERE snapshot = ? AND length(chunks) <= ? LIMIT 100")
      .all(snapshot, TEXT_LENGTH_MAX);
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
