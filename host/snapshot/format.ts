/**
 * The format of a machine file: docs/machine-file.md explains it. A change is a new version with the statements that
 * bring a file of the version before up to it; files of every version ever released open.
 */
import { VivariumError } from "../util/errors.js";
import type { Database } from "./database.js";

/** "VIVM": SQLite's application_id, at offset 68 of the file. */
export const APPLICATION_ID = 0x5649564d;
/** SQLite's user_version, at offset 60. */
export const FORMAT_VERSION = 2;

/** Large, so that a compressed chunk lies within a page with others rather than on pages of its own. */
const PAGE_BYTE_LENGTH = 32768;

/** The tables of version 1, statement by statement as they stand in `sqlite_schema`. */
const TABLES_1 = [
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

/** What version 2 has besides: histories that can be run again. */
const TABLES_2 = [
  `CREATE TABLE history (
  id INTEGER PRIMARY KEY,
  started_ms INTEGER NOT NULL,
  instructions TEXT,
  state_hash TEXT,
  halt TEXT
) STRICT`,
  `CREATE TABLE piece (
  history INTEGER NOT NULL REFERENCES history (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  instructions TEXT NOT NULL,
  byte_length INTEGER NOT NULL,
  hash BLOB NOT NULL,
  packed BLOB NOT NULL,
  PRIMARY KEY (history, number)
) STRICT`,
  `CREATE TABLE point (
  history INTEGER NOT NULL REFERENCES history (id) ON DELETE CASCADE,
  piece INTEGER NOT NULL,
  snapshot INTEGER NOT NULL REFERENCES snapshot (id) ON DELETE CASCADE,
  context BLOB NOT NULL,
  PRIMARY KEY (history, piece, snapshot)
) STRICT, WITHOUT ROWID`,
];

/** By version, from 1. */
const TABLES = [TABLES_1, [...TABLES_1, ...TABLES_2]] as const;

/** Makes an empty database a machine file. */
export function createFormat(database: Database): void {
  database.exec(`PRAGMA page_size = ${PAGE_BYTE_LENGTH}; PRAGMA auto_vacuum = INCREMENTAL`);
  database.exec("BEGIN IMMEDIATE");
  for (const table of TABLES[FORMAT_VERSION - 1]!) database.exec(table);
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT_VERSION}; COMMIT`);
}

/** Brings a checked file of an older version up to the present one, in one transaction. */
export function upgradeFormat(database: Database): void {
  if (pragma(database, "user_version") >= FORMAT_VERSION) return;
  database.exec("BEGIN IMMEDIATE");
  for (const table of TABLES_2) database.exec(table);
  database.exec(`PRAGMA user_version = ${FORMAT_VERSION}; COMMIT`);
}

/**
 * Makes sure that a database is a machine file and nothing else: a file from a stranger could bring triggers and views
 * that do what the stranger wants.
 *
 * @returns the file's version
 * @throws VivariumError `file/not-a-machine`, `file/too-new`, `file/damaged`
 */
export function checkFormat(database: Database): number {
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
  const expected = [...(TABLES[version - 1] ?? [])].sort();
  if (
    expected.length === 0 ||
    found.length !== expected.length ||
    found.some(({ sql }, index) => sql !== expected[index])
  ) {
    throw new VivariumError("file/damaged", "the tables of this file are not those of a machine");
  }
  return version;
}

function pragma(database: Database, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get();
  return Number(row?.[name] ?? 0);
}
