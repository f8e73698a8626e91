/** `Database` over the official Wasm build of SQLite, which a platform loads and gives a place for files. */
import { VivariumError } from "../util/errors.js";
import { damagedFile } from "./damaged.js";
import type { Database, Row, SqlValue, Statement } from "./database.js";

/** What of its `oo1` interface is used: https://sqlite.org/wasm/doc/trunk/api-oo1.md. */
export interface SqliteApi {
  readonly oo1: { readonly DB: new (options: { filename: string; flags: string; vfs?: string }) => SqliteHandle };
  readonly capi: {
    readonly SQLITE_LIMIT_LENGTH: number;
    sqlite3_limit(database: SqliteHandle, limit: number, value: number): number;
  };
}
export interface SqliteHandle {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
  close(): void;
}
interface SqliteStatement {
  readonly columnCount: number;
  bind(values: readonly SqlValue[]): unknown;
  step(): boolean;
  get(row: object): unknown;
  reset(alsoClearBindings?: boolean): unknown;
  finalize(): unknown;
}

export interface SqliteOptions {
  readonly filename: string;
  /** The name of the place for files that the platform has installed; SQLite's own default without. */
  readonly vfs?: string;
  readonly readOnly?: boolean;
}

/** Nothing in a machine file is longer. A file that says otherwise gets an error instead of the memory. */
const VALUE_BYTE_LENGTH_MAX = 64 * 1024 * 1024;

/** Primary result codes: https://sqlite.org/rescode.html. */
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_NOMEM = 7;
const SQLITE_READONLY = 8;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_TOOBIG = 18;
const SQLITE_CONSTRAINT = 19;
const SQLITE_NOTADB = 26;

/** @throws VivariumError as `Database` says */
export function openSqlite(api: SqliteApi, { filename, vfs, readOnly = false }: SqliteOptions): Database {
  const handle = guarded(
    () => new api.oo1.DB({ filename, flags: readOnly ? "r" : "c", ...(vfs === undefined ? {} : { vfs }) }),
  );
  api.capi.sqlite3_limit(handle, api.capi.SQLITE_LIMIT_LENGTH, VALUE_BYTE_LENGTH_MAX);
  const statements = new Map<string, Statement>();
  const prepared: SqliteStatement[] = [];
  return {
    exec: (sql) => guarded(() => void handle.exec(sql)),
    prepare(sql) {
      const known = statements.get(sql);
      if (known !== undefined) return known;
      const raw = guarded(() => handle.prepare(sql));
      prepared.push(raw);
      const statement = statementOf(raw);
      statements.set(sql, statement);
      return statement;
    },
    close: () =>
      guarded(() => {
        // With a statement left, SQLite would keep the file open.
        for (const statement of prepared) statement.finalize();
        handle.close();
      }),
  };
}

function statementOf(statement: SqliteStatement): Statement {
  function using<T>(values: readonly SqlValue[], read: () => T): T {
    return guarded(() => {
      try {
        if (values.length > 0) statement.bind(values);
        return read();
      } finally {
        statement.reset(true);
      }
    });
  }
  return {
    run: (...values) =>
      using(values, () => {
        while (statement.step()) {}
      }),
    get: (...values) => using(values, () => (statement.step() ? rowOf(statement) : null)),
    all: (...values) =>
      using(values, () => {
        const rows: Row[] = [];
        while (statement.step()) rows.push(rowOf(statement));
        return rows;
      }),
  };
}

function rowOf(statement: SqliteStatement): Row {
  const row = statement.get({}) as Record<string, SqlValue | bigint>;
  for (const [name, value] of Object.entries(row)) {
    if (typeof value === "bigint") throw damagedFile(`${name} is ${value}`);
  }
  return row as Row;
}

function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw typed(error);
  }
}

function typed(error: unknown): unknown {
  const resultCode = (error as { readonly resultCode?: unknown }).resultCode;
  if (error instanceof VivariumError || typeof resultCode !== "number") return error;
  const detail = (error as Error).message.replace(/^SQLITE_\w+: (?:sqlite3 result code \d+: )?/, "");
  switch (resultCode & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
      return damagedFile(detail);
    case SQLITE_NOTADB:
      return new VivariumError("file/not-a-machine", "this is no machine file");
    case SQLITE_FULL:
      return new VivariumError("file/full", "there is no room left where the file is");
    case SQLITE_NOMEM:
      return new VivariumError("memory/unavailable", "there is not enough memory for the file's database");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return new VivariumError("file/in-use", "another program has the file open");
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      return new VivariumError("file/unwritable", `the file cannot be opened or written: ${detail}`);
    default:
      return new VivariumError("file/io", `the file cannot be read or written: ${detail}`);
  }
}
