import { closeSync, openSync, readSync, unlinkSync } from "node:fs";
import { resolve } from "node:path";
import sqlite3InitModule, { type Sqlite3Static } from "@sqlite.org/sqlite-wasm";
import type { Database } from "../../../snapshot/database.js";
import { openSqlite, type SqliteApi } from "../../../snapshot/sqlite-database.js";
import { installNodeVfs, NODE_VFS } from "./node-vfs.js";
import type { SqliteBinding } from "./sqlite-binding.js";

const CACHE_KIB = 2048;
const JOURNAL_MAGIC_BYTE_LENGTH = 8;

let loaded: Promise<Sqlite3Static> | null = null;

/** SQLite on Node's file system, loaded once a process: it is code, and holds nothing of the files opened with it. */
async function loadSqlite(): Promise<Sqlite3Static> {
  const sqlite3 = await sqlite3InitModule();
  // Each failure is told to whoever asked; nobody has asked for lines on standard error.
  const { config } = sqlite3 as unknown as { config: Record<"debug" | "log" | "warn" | "error", () => void> };
  for (const channel of ["debug", "log", "warn", "error"] as const) config[channel] = () => {};
  installNodeVfs(sqlite3 as unknown as SqliteBinding);
  return sqlite3;
}

/**
 * The database in a file. Whoever opens it for writing holds its `FileLock`.
 *
 * @throws VivariumError as `Database` says
 */
export async function openDatabase(path: string, options: { readonly readOnly: boolean }): Promise<Database> {
  loaded ??= loadSqlite();
  const filename = resolve(path);
  const database = openSqlite((await loaded) as unknown as SqliteApi, { filename, vfs: NODE_VFS, ...options });
  try {
    // Exclusive: the file is ours, so what was read of it stays true. A commit is on the disk before it counts.
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    // Small, so that a save is written as it goes, beside the running guest, and not all at once at its end.
    database.exec(`PRAGMA cache_size = -${CACHE_KIB}`);
  } catch (error) {
    database.close();
    throw error;
  }
  return {
    ...database,
    close() {
      database.close();
      if (!options.readOnly) removeSpentJournal(`${filename}-journal`);
    },
  };
}

/**
 * In exclusive mode SQLite leaves its journal behind, emptied or with its header overwritten by zeros. One that still
 * has its header is needed: the file is put in order by it when it is opened next.
 */
function removeSpentJournal(path: string): void {
  try {
    const descriptor = openSync(path, "r");
    const header = Buffer.alloc(JOURNAL_MAGIC_BYTE_LENGTH);
    try {
      readSync(descriptor, header, 0, header.length, 0);
    } finally {
      closeSync(descriptor);
    }
    if (header.every((byte) => byte === 0)) unlinkSync(path);
  } catch {
    // There is none, or it cannot be removed; it does no harm.
  }
}
