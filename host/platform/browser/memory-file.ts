import type { Sqlite3Static } from "@sqlite.org/sqlite-wasm";
import type { Database } from "../../snapshot/database.js";
import { openSqlite, type SqliteApi } from "../../snapshot/sqlite-database.js";
import { VivariumError } from "../../util/errors.js";
import type { FileHolder } from "./file-holder.js";

const DATABASE = "/machine.viv";

/** A machine file in the worker's memory, where a browser keeps none: it can be downloaded, and ends with the worker. */
export class MemoryFile implements FileHolder {
  readonly #sqlite: Sqlite3Static;
  #exists = false;

  constructor(sqlite: Sqlite3Static) {
    this.#sqlite = sqlite;
  }

  get exists(): boolean {
    return this.#exists;
  }

  database(): Database {
    this.#exists = true;
    const database = openSqlite(this.#sqlite as unknown as SqliteApi, { filename: DATABASE });
    database.exec("PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON");
    return database;
  }

  async contents(): Promise<Uint8Array> {
    const reader = new this.#sqlite.oo1.DB(DATABASE, "r");
    try {
      return this.#sqlite.capi.sqlite3_js_db_export(reader);
    } finally {
      reader.close();
    }
  }

  async replace(contents: Blob): Promise<void> {
    try {
      this.#sqlite.capi.sqlite3_js_posix_create_file(DATABASE, await contents.arrayBuffer());
      this.#exists = true;
    } catch {
      throw new VivariumError("memory/unavailable", "the browser has no memory for this file");
    }
  }
}
