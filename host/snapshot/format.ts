/**
 * The format of a machine file: docs/machine-file.md explains it. A change is a new version with the statements that
 * bring a file of the version before up to it; files of every version ever released open.
 */
import { VivariumError } from "../util/errors.js";
import type { Database } from "./database.js";

/** "VIVM": SQLite's application_id, at offset 68 of the file. */
export const APPLICATION_ID = 0x5649564d;
/** SQLite's user_version, at offset 60. */
export const FORMAT_VERSION = 1;

/** Large, so that a compressed chunk lies within a page with others rather than on pages of its own. */
const PAGE_BYTE_LENGTH = 32768;

/** The tables of the present version, statement by statement as they stand in `sqlite_schema`. */
const TABLES = [
  `CREATE TABLE machine (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  created_ms INTEGER NOT NULL,
  written_by TEXT NOT NULL,
  present INTEGER REFERENCES snapshot (id),
  identity TEXT NOT NULL CHECK (identity IN ('kept', 'renewed'))
) STRICT`,
  `CREATE TABLE snapshot (
  id INTEGER PRIMARY KEY,
  parent INTEGER REFERENCES snapshot (id),
  name TEXT UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('named', 'automatic', 'present')),
  taken_ms INTEGER NOT NULL,
  instructions TEXT NOT NULL,
  board TEXT NOT NULL,
  console BLOB NOT NULL
) STRICT`,
  `CREATE TABLE part (
  snapshot INTEGER NOT NULL REFERENCES snapshot (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (snapshot, name)
) STRICT, WITHOUT ROWID`,
  `CREATE TABLE contents (
  snapshot INTEGER NOT NULL REFERENCES snapshot (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  byte_length INTEGER NOT NULL,
  chunks BLOB NOT NULL,
  PRIMARY KEY (snapshot, name)
) STRICT, WITHOUT ROWID`,
  `CREATE TABLE chunk (
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,
  byte_length INTEGER NOT NULL,
  packed BLOB NOT NULL
) STRICT`,
];

/** Makes an empty database a machine file. */
export function createFormat(database: Database): void {
  database.exec(`PRAGMA page_size = ${PAGE_BYTE_LENGTH}; PRAGMA auto_vacuum = INCREMENTAL`);
  database.exec("BEGIN IMMEDIATE");
  for (const table of TABLES) database.exec(table);
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT_VERSION}; COMMIT`);
}

/**
 * Makes sure that a database is a machine file and nothing else: a file from a stranger could bring triggers and views
 * that do what the stranger wants.
 *
 * @throws VivariumError `file/not-a-machine`, `file/too-new`, `file/damaged`
 */
export function checkFormat(database: Database): void {
  // Nothing of the schema is trusted before it has been compared.
  database.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0");
  if (pragma(database, "application_id") !== APPLICATION_ID) {
    throw new VivariumError("file/not-a-machine", "this is no machine file");
  }
  const version = pragma(database, "user_version");
  if (version > FORMAT_VERSION) {
    const message = `this file is of format version ${version}, made by a newer viv; this one knows up to ${FORMAT_VERSION}`;
    throw new VivariumError("file/too-new", message, { version, known: FORMAT_VERSION });
  }
  const found = database.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY sql LIMIT 100").all();
  const expected = [...TABLES].sort();
  if (version < 1 || found.length !== expected.length || found.some(({ sql }, index) => sql !== expected[index])) {
    throw new VivariumError("file/damaged", "the tables of this file are not those of a machine");
  }
}

function pragma(database: Database, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get();
  return Number(row?.[name] ?? 0);
}
