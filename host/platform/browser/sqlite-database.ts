import type { PreparedStatement, Database as SqliteConnection } from "@sqlite.org/sqlite-wasm";
import type { Database, Row, SqlValue, Statement } from "../../snapshot/database.js";
import { VivariumError } from "../../util/errors.js";
import type { LoadedSqlite } from "./sqlite.js";

/** Primary result codes; the extended ones have these in their lowest byte. */
const SQLITE_PERM = 3;
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_READONLY = 8;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;
const PRIMARY_MASK = 0xff;

/** What the package has but does not declare. */
interface Undeclared {
  sqlite3_get_autocommit(connection: number): number;
}

/** A machine file as SQLite's official Wasm build has it open. */
export class SqliteDatabase implements Database {
  readonly #connection: SqliteConnection;
  readonly #loaded: LoadedSqlite;
  #isOpen = true;

  constructor(connection: SqliteConnection, loaded: LoadedSqlite) {
    this.#connection = connection;
    this.#loaded = loaded;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether a change has begun and is not committed: what is in the file is not yet what it will be. */
  get isChanging(): boolean {
    const { capi } = this.#loaded.sqlite;
    return (capi as typeof capi & Undeclared).sqlite3_get_autocommit(this.#connection.pointer!) === 0;
  }

  exec(sql: string): void {
    this.#explained(() => this.#connection.exec(sql));
  }

  prepare(sql: string): Statement {
    const statement = this.#explained(() => this.#connection.prepare(sql));
    return {
      run: (...values) => this.#explained(() => void withValues(statement, values, () => statement.step())),
      get: (...values) => this.#explained(() => withValues(statement, values, () => nextRow(statement))),
      all: (...values) => this.#explained(() => withValues(statement, values, () => allRows(statement))),
    };
  }

  close(): void {
    this.#isOpen = false;
    this.#connection.close();
  }

  #explained<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw explain(error, this.#loaded.takeRefusal());
    }
  }
}

function withValues<T>(statement: PreparedStatement, values: readonly SqlValue[], work: () => T): T {
  try {
    if (values.length > 0) statement.bind([...values]);
    return work();
  } finally {
    statement.reset(true);
  }
}

function nextRow(statement: PreparedStatement): Row | null {
  if (!statement.step()) return null;
  const row = statement.get({});
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, sqlValue(value)]));
}

function allRows(statement: PreparedStatement): readonly Row[] {
  const rows: Row[] = [];
  for (let row = nextRow(statement); row !== null; row = nextRow(statement)) rows.push(row);
  return rows;
}

/** A file can hold integers that no number can; whoever reads one finds it out of range either way. */
function sqlValue(value: unknown): SqlValue {
  if (value === null || typeof value === "number" || typeof value === "string") return value;
  if (value instanceof Uint8Array) return value;
  return Number(value);
}

/** @param refusal what the browser said to SQLite, if it said something */
export function explain(error: unknown, refusal: unknown): unknown {
  const code = (error as { readonly resultCode?: unknown }).resultCode;
  if (typeof code !== "number") return error;
  const { message } = error as Error;
  if (refusal instanceof DOMException && refusal.name === "QuotaExceededError") {
    return new VivariumError(
      "file/full",
      "the browser gives this page no more room: delete snapshots, or free disk space",
    );
  }
  switch (code & PRIMARY_MASK) {
    case SQLITE_CORRUPT:
      return new VivariumError("file/damaged", `the file is damaged: ${message}`);
    case SQLITE_NOTADB:
      return new VivariumError("file/not-a-machine", "this is no machine file");
    case SQLITE_FULL:
      return new VivariumError("file/full", "there is no room for the file to grow");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return new VivariumError("file/in-use", "another tab has the file open");
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      return new VivariumError("file/unwritable", `the file cannot be written: ${message}`);
    default: {
      const why = refusal instanceof Error ? refusal.message : message;
      return new VivariumError("file/io", `the file cannot be read or written: ${why}`);
    }
  }
}
