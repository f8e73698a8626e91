/** A machine file as records of a stream, and back. */
import type { Identity } from "../machine/machine.js";
import { CHUNK_BYTE_LENGTH } from "../storage/chunk.js";
import { concatBytes, dataView, fromUtf8, littleEndian32, utf8 } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";
import { damagedStream } from "./damaged.js";
import type { Database, FileServices, Row } from "./database.js";
import { FORMAT_VERSION } from "./format.js";
import { checkName } from "./snapshot-name.js";
import type { StreamRecord } from "./stream-format.js";

/** JSON: formatVersion, present. The first record. */
const RECORD_MACHINE = 1;
/** A chunk: its number u32, byte length u32, SHA-256, then the chunk compressed. Before the snapshots that have it. */
const RECORD_CHUNK = 2;
/** JSON: a row of `snapshot`. Parents come before their children. */
const RECORD_SNAPSHOT = 3;
/** JSON: a row of `part`. */
const RECORD_PART = 4;
/** A row of `contents`: its snapshot u32, length of its name u32, the name, its byte length as f64, the list. */
const RECORD_CONTENTS = 5;
/** What a snapshot's guest wrote last to its console: the snapshot u32, the bytes. */
const RECORD_CONSOLE = 6;

const CHUNK_HEADER_BYTE_LENGTH = 40;
const TEXT_LENGTH_MAX = 32 << 20;

/** What of a machine file goes into its stream, by number. */
export interface Exported {
  readonly snapshots: ReadonlySet<number>;
  readonly chunks: ReadonlySet<number>;
}

/** The records of a machine file. Nothing may change it meanwhile. */
export function* exportRecords(database: Database, { snapshots, chunks }: Exported): Generator<StreamRecord> {
  const { present } = database.prepare("SELECT present FROM machine").get() ?? {};
  if (present === null || present === undefined) {
    throw new VivariumError("file/empty", "there is no machine in this file yet");
  }
  yield json(RECORD_MACHINE, { formatVersion: FORMAT_VERSION, present: Number(present) });
  const chunk = database.prepare("SELECT id, byte_length, hash, packed FROM chunk WHERE id = ?");
  for (const { id } of database.prepare("SELECT id FROM chunk ORDER BY id").all()) {
    if (!chunks.has(Number(id))) continue;
    const row = chunk.get(id!)!;
    const header = concatBytes([
      littleEndian32(Number(row.id)),
      littleEndian32(Number(row.byte_length)),
      row.hash as Uint8Array,
    ]);
    yield { type: RECORD_CHUNK, body: concatBytes([header, row.packed as Uint8Array]) };
  }
  for (const { console, ...row } of database.prepare("SELECT * FROM snapshot ORDER BY id").all()) {
    if (!snapshots.has(Number(row.id))) continue;
    yield json(RECORD_SNAPSHOT, row);
    yield { type: RECORD_CONSOLE, body: concatBytes([littleEndian32(Number(row.id)), console as Uint8Array]) };
  }
  for (const row of database.prepare("SELECT * FROM part").all()) {
    if (snapshots.has(Number(row.snapshot))) yield json(RECORD_PART, row);
  }
  for (const row of database.prepare("SELECT * FROM contents").all()) {
    if (!snapshots.has(Number(row.snapshot))) continue;
    const name = utf8(String(row.name));
    const byteLength = new Uint8Array(8);
    dataView(byteLength).setFloat64(0, Number(row.byte_length), true);
    const header = [littleEndian32(Number(row.snapshot)), littleEndian32(name.length), name, byteLength];
    yield { type: RECORD_CONTENTS, body: concatBytes([...header, row.chunks as Uint8Array]) };
  }
}

/**
 * Fills a machine file that has no machine yet, in one transaction.
 *
 * @param identity "renewed" when the machine goes on beside its original
 * @throws VivariumError `stream/damaged`, `file/too-new`, and those of `Database`; the file is then as it was
 */
export async function importRecords(
  records: AsyncIterable<StreamRecord>,
  database: Database,
  services: FileServices,
  identity: Identity,
): Promise<void> {
  database.exec("BEGIN IMMEDIATE");
  try {
    const importer = new Importer(database, services);
    for await (const record of records) importer.take(record);
    importer.finish(identity);
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

class Importer {
  readonly #database: Database;
  readonly #services: FileServices;
  #present: number | null = null;

  constructor(database: Database, services: FileServices) {
    this.#database = database;
    this.#services = services;
  }

  take({ type, body }: StreamRecord): void {
    if ((type === RECORD_MACHINE) !== (this.#present === null)) throw damagedStream("its records are out of order");
    switch (type) {
      case RECORD_MACHINE:
        this.#present = presentOf(parse(body));
        return;
      case RECORD_CHUNK:
        this.#chunk(body);
        return;
      case RECORD_SNAPSHOT:
        this.#snapshot(parse(body));
        return;
      case RECORD_CONSOLE:
        this.#insert("UPDATE snapshot SET console = ? WHERE id = ?", rest(body, 4), number(body, 0));
        return;
      case RECORD_PART: {
        const { snapshot, name, state } = parse(body);
        this.#insert("INSERT INTO part VALUES (?, ?, ?)", integer(snapshot), text(name), text(state));
        return;
      }
      case RECORD_CONTENTS:
        this.#contents(body);
        return;
      default:
        throw damagedStream(`it has a record of the unknown type ${type}`);
    }
  }

  finish(identity: Identity): void {
    if (this.#present === null) throw damagedStream("there is no machine in it");
    this.#insert("UPDATE machine SET present = ?, identity = ?", this.#present, identity);
    const missing = this.#database.prepare("SELECT 1 AS found FROM snapshot WHERE id = ?").get(this.#present);
    if (missing === null) throw damagedStream("the point where the machine goes on is missing");
  }

  /** What it says of itself is checked here, so that a damaged stream shows now rather than when the guest needs it. */
  #chunk(body: Uint8Array): void {
    if (body.length < CHUNK_HEADER_BYTE_LENGTH) throw damagedStream("a chunk is cut short");
    const id = number(body, 0);
    const byteLength = number(body, 4);
    if (byteLength > CHUNK_BYTE_LENGTH) throw damagedStream(`chunk ${id} is too long`);
    const hash = body.slice(8, CHUNK_HEADER_BYTE_LENGTH);
    const packed = rest(body, CHUNK_HEADER_BYTE_LENGTH);
    let found: Uint8Array;
    try {
      found = this.#services.digest(this.#services.inflate(packed, byteLength));
    } catch {
      throw damagedStream(`chunk ${id} cannot be decompressed`);
    }
    if (found.some((byte, index) => byte !== hash[index])) throw damagedStream(`chunk ${id} is not what was written`);
    this.#insert("INSERT INTO chunk (id, hash, byte_length, packed) VALUES (?, ?, ?, ?)", id, hash, byteLength, packed);
  }

  #snapshot(row: Readonly<Record<string, unknown>>): void {
    const name = row.name === null ? null : text(row.name);
    if (name !== null) checkName(name);
    this.#insert(
      `INSERT INTO snapshot (id, parent, name, kind, taken_ms, instructions, board, console)
       VALUES (?, ?, ?, ?, ?, ?, ?, x'')`,
      integer(row.id),
      row.parent === null ? null : integer(row.parent),
      name,
      text(row.kind),
      integer(row.taken_ms),
      text(row.instructions),
      text(row.board),
    );
  }

  #contents(body: Uint8Array): void {
    if (body.length < 8) throw damagedStream("a list of chunks is cut short");
    const nameLength = number(body, 4);
    const start = 8 + nameLength;
    if (nameLength > 32 || body.length < start + 8) throw damagedStream("a list of chunks is cut short");
    const name = String.fromCharCode(...body.subarray(8, start));
    const byteLength = dataView(body).getFloat64(start, true);
    this.#insert(
      "INSERT INTO contents VALUES (?, ?, ?, ?)",
      number(body, 0),
      name,
      integer(byteLength),
      rest(body, start + 8),
    );
  }

  #insert(sql: string, ...values: (string | number | null | Uint8Array)[]): void {
    try {
      this.#database.prepare(sql).run(...values);
    } catch (error) {
      // What the tables refuse, such as a name twice, was never written by an export.
      if (error instanceof VivariumError && error.code === "file/damaged")
        throw damagedStream("its records contradict each other");
      throw error;
    }
  }
}

function presentOf({ formatVersion, present }: Readonly<Record<string, unknown>>): number {
  if (integer(formatVersion) > FORMAT_VERSION) {
    const message = `this stream is of format version ${formatVersion}, made by a newer viv; this one knows up to ${FORMAT_VERSION}`;
    throw new VivariumError("file/too-new", message, { version: integer(formatVersion), known: FORMAT_VERSION });
  }
  return integer(present);
}

function json(type: number, value: Row | Readonly<Record<string, unknown>>): StreamRecord {
  return { type, body: utf8(JSON.stringify(value)) };
}

function parse(body: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(fromUtf8(body));
    if (typeof value === "object" && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch {
    // Told below.
  }
  throw damagedStream("a record is no JSON");
}

function integer(value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw damagedStream("a number in it is none");
}

function text(value: unknown): string {
  if (typeof value === "string" && value.length <= TEXT_LENGTH_MAX) return value;
  throw damagedStream("a text in it is none");
}

function number(body: Uint8Array, offset: number): number {
  if (body.length < offset + 4) throw damagedStream("a record is cut short");
  return dataView(body).getUint32(offset, true);
}

function rest(body: Uint8Array, offset: number): Uint8Array {
  return body.slice(offset);
}
