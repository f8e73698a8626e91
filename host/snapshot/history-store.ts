import type { Context, Moment } from "../machine/history/border.js";
import { type Entry, readEntries } from "../machine/history/record-entry.js";
import { damagedRecord, fieldsOf, isList, RecordReader, RecordWriter } from "../machine/history/record-value.js";
import type { RecordEnd } from "../machine/history/recorder.js";
import type { Database, FileServices, Row } from "./database.js";

/** A history of the machine that can be run again. */
export interface History {
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  /** Instructions up to its end; up to what was written last, for one that was cut off. */
  readonly instructions: bigint;
  /** Of the machine at its end; null for one that was cut off. */
  readonly stateHash: string | null;
  /** Why the machine stopped; null for one that was cut off. */
  readonly halt: string | null;
  readonly pieceCount: number;
  /** Compressed. */
  readonly byteLength: number;
}

/** Where a history can be run from: a piece of the record, and the snapshot whose machine it is about. */
export interface Point {
  readonly piece: number;
  readonly snapshotId: number;
  readonly context: Context;
}

interface PackedPiece {
  readonly byteLength: number;
  readonly hash: Uint8Array;
  readonly packed: Uint8Array;
}

/** Histories in a file; the oldest makes room. */
const HISTORY_COUNT_MAX = 8;
/** What is kept of one, compressed: its beginning makes room, up to its next point. */
const HISTORY_BYTE_LENGTH_MAX = 1 << 30;
/** Points of one; then every second one goes. */
const POINT_COUNT_MAX = 24;
/** A piece is longer only when a single entry is. */
const PIECE_BYTE_LENGTH_MAX = 48 << 20;

/** The recorded histories in a machine file. What changes the file is to be called within a transaction. */
export class HistoryStore {
  readonly #database: Database;
  readonly #services: FileServices;

  constructor(database: Database, services: FileServices) {
    this.#database = database;
    this.#services = services;
  }

  list(): readonly History[] {
    const rows = this.#database
      .prepare(
        `SELECT id, started_ms, instructions, state_hash, halt,
           (SELECT count(*) FROM piece WHERE history = id) AS piece_count,
           (SELECT total(length(packed)) FROM piece WHERE history = id) AS packed_length,
           (SELECT instructions FROM piece WHERE history = id ORDER BY number DESC LIMIT 1) AS last_instructions
         FROM history ORDER BY id LIMIT 1000`,
      )
      .all();
    return rows.map(historyOf);
  }

  points(history: number): readonly Point[] {
    return this.#database
      .prepare("SELECT piece, snapshot, context FROM point WHERE history = ? ORDER BY piece, snapshot LIMIT 1000")
      .all(history)
      .map(({ piece, snapshot, context }) => ({
        piece: Number(piece),
        snapshotId: Number(snapshot),
        context: readContext(context),
      }));
  }

  /** The entries from a piece on. @throws VivariumError `file/damaged` */
  *entries(history: number, first: number): Generator<Entry> {
    const last = this.#database.prepare("SELECT max(number) AS last FROM piece WHERE history = ?").get(history)?.last;
    for (let number = first; number <= Number(last ?? -1); number++) yield* readEntries(this.#piece(history, number));
  }

  /** @returns the new history's number */
  begin(): number {
    const row = this.#database
      .prepare("INSERT INTO history (started_ms) VALUES (?) RETURNING id")
      .get(this.#services.nowMs());
    return Number(row!.id);
  }

  async pack(piece: Uint8Array): Promise<PackedPiece> {
    const hash = this.#services.digest(piece);
    return { byteLength: piece.length, hash, packed: await this.#services.deflate(piece) };
  }

  /** Adds the next piece. */
  add(history: number, { byteLength, hash, packed }: PackedPiece, retired: bigint): void {
    this.#database
      .prepare(
        `INSERT INTO piece (history, number, instructions, byte_length, hash, packed)
         VALUES (?1, (SELECT coalesce(max(number), -1) + 1 FROM piece WHERE history = ?1), ?2, ?3, ?4, ?5)`,
      )
      .run(history, retired.toString(), byteLength, hash, packed);
  }

  addPoint(snapshot: number, { history, piece, context }: Moment): void {
    const exists = this.#database.prepare("SELECT 1 AS found FROM history WHERE id = ?").get(history);
    if (exists === null) return;
    const writer = new RecordWriter();
    writer.value({ nowNs: context.nowNs, cables: context.cables, readOnly: context.readOnly });
    this.#database
      .prepare("INSERT INTO point (history, piece, snapshot, context) VALUES (?, ?, ?, ?)")
      .run(history, piece, snapshot, writer.take());
  }

  end(history: number, { retired, stateHash, halt }: RecordEnd): void {
    this.#database
      .prepare("UPDATE history SET instructions = ?, state_hash = ?, halt = ? WHERE id = ?")
      .run(retired.toString(), stateHash, halt.kind, history);
  }

  /** Deletes a history. @returns the snapshots that only it had */
  delete(history: number): readonly { readonly id: number }[] {
    const own = this.#ownSnapshots(history, Number.MAX_SAFE_INTEGER);
    this.#database.prepare("DELETE FROM point WHERE history = ?").run(history);
    this.#database.prepare("DELETE FROM piece WHERE history = ?").run(history);
    this.#database.prepare("DELETE FROM history WHERE id = ?").run(history);
    return own;
  }

  /** Makes room for one more history. @returns as `delete` */
  retire(): readonly { readonly id: number }[] {
    const ids = this.list().map(({ id }) => id);
    return ids.slice(0, Math.max(0, ids.length + 1 - HISTORY_COUNT_MAX)).flatMap((id) => this.delete(id));
  }

  /** Deletes the beginning of a history that has become too long. @returns as `delete` */
  trim(history: number): readonly { readonly id: number }[] {
    const length = this.#database
      .prepare("SELECT total(length(packed)) AS packed_length FROM piece WHERE history = ?")
      .get(history)?.packed_length;
    if (Number(length) <= HISTORY_BYTE_LENGTH_MAX) return [];
    const pieces = [...new Set(this.points(history).map(({ piece }) => piece))];
    const next = pieces[1];
    if (next === undefined) return [];
    const own = this.#ownSnapshots(history, next);
    this.#database.prepare("DELETE FROM piece WHERE history = ? AND number < ?").run(history, next);
    this.#database.prepare("DELETE FROM point WHERE history = ? AND piece < ?").run(history, next);
    return own;
  }

  /** Deletes every second of too many points. @returns as `delete` */
  thin(history: number): readonly { readonly id: number }[] {
    const own = this.#ownSnapshots(history, Number.MAX_SAFE_INTEGER);
    if (own.length <= POINT_COUNT_MAX) return [];
    const thinned = own.filter((_, index) => index % 2 === 1 && index < own.length - 1);
    for (const { id } of thinned) this.#database.prepare("DELETE FROM point WHERE snapshot = ?").run(id);
    return thinned;
  }

  /** Snapshots that nobody but the history has, of points before a piece. */
  #ownSnapshots(history: number, before: number): readonly { readonly id: number }[] {
    return this.#database
      .prepare(
        `SELECT snapshot.id AS id FROM point JOIN snapshot ON snapshot.id = point.snapshot
         WHERE history = ? AND piece < ? AND name IS NULL AND kind = 'automatic' ORDER BY piece`,
      )
      .all(history, before)
      .map(({ id }) => ({ id: Number(id) }));
  }

  #piece(history: number, number: number): Uint8Array {
    const row = this.#database
      .prepare("SELECT byte_length, hash, packed FROM piece WHERE history = ? AND number = ?")
      .get(history, number);
    if (row === null) throw damagedRecord(`piece ${number} is missing`);
    const { byte_length, hash, packed } = row;
    const byteLength = Number(byte_length);
    if (byteLength < 0 || byteLength > PIECE_BYTE_LENGTH_MAX || !(packed instanceof Uint8Array)) {
      throw damagedRecord(`piece ${number} is one of ${byteLength} bytes`);
    }
    let piece: Uint8Array;
    try {
      piece = this.#services.inflate(packed, byteLength);
    } catch {
      throw damagedRecord(`piece ${number} cannot be decompressed`);
    }
    const found = this.#services.digest(piece);
    if (!(hash instanceof Uint8Array) || hash.length !== found.length || hash.some((byte, at) => byte !== found[at])) {
      throw damagedRecord(`piece ${number} is not what was written`);
    }
    return piece;
  }
}

function historyOf(row: Row): History {
  const ended = count(row.instructions);
  return {
    id: Number(row.id),
    startedMs: Number(row.started_ms),
    instructions: ended ?? count(row.last_instructions) ?? 0n,
    stateHash: ended === null || row.state_hash === null ? null : String(row.state_hash),
    halt: ended === null || row.halt === null ? null : String(row.halt),
    pieceCount: Number(row.piece_count),
    byteLength: Number(row.packed_length),
  };
}

function count(value: unknown): bigint | null {
  return typeof value === "string" && /^\d{1,20}$/.test(value) ? BigInt(value) : null;
}

function readContext(bytes: unknown): Context {
  const fields = bytes instanceof Uint8Array ? fieldsOf(new RecordReader(bytes).value()) : null;
  const { nowNs, cables = null, readOnly = null } = fields ?? {};
  const isFlags = (value: unknown): value is boolean[] =>
    Array.isArray(value) && value.every((item) => typeof item === "boolean");
  if (typeof nowNs !== "bigint" || !isList(cables) || !isFlags(cables) || !isFlags(readOnly)) {
    throw damagedRecord("a point of it does not say where it is");
  }
  return { nowNs, cables, readOnly };
}
