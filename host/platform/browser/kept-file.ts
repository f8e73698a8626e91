import type { SAHPoolUtil } from "@sqlite.org/sqlite-wasm";
import type { Database, Statement } from "../../snapshot/database.js";
import { openSqlite, type SqliteApi } from "../../snapshot/sqlite-database.js";
import { VivariumError } from "../../util/errors.js";
import type { FileHolder } from "./file-holder.js";
import type { LoadedSqlite } from "./sqlite.js";

/** Where machine files lie in the origin's private file system, each in a directory of its own. */
export const KEPT_DIRECTORY = "vivarium";
/** The name of the database within its directory. */
const DATABASE = "/machine.viv";
/** The database, its journal, and files for sorting. */
const POOL_CAPACITY = 4;

/**
 * A machine file in the browser's private file system (OPFS), which stays when the tab closes.
 *
 * SQLite's pool of access handles keeps it: that works without cross-origin isolation, unlike its other ways to OPFS.
 * The handles are exclusive: as long as a worker has the file, no other can.
 */
export class KeptFile implements FileHolder {
  readonly #pool: SAHPoolUtil;
  readonly #loaded: LoadedSqlite;

  private constructor(pool: SAHPoolUtil, loaded: LoadedSqlite) {
    this.#pool = pool;
    this.#loaded = loaded;
  }

  /**
   * The file of that name, which need not exist yet.
   *
   * @throws VivariumError `storage/none` where the browser keeps nothing for this page, `file/in-use` when another tab
   *   has the file, `file/full`
   */
  static async open(name: string, loaded: LoadedSqlite): Promise<KeptFile> {
    if (navigator.storage?.getDirectory === undefined) {
      throw noStorage(isSecureContext ? "it has no private file system" : "it does so for https and localhost only");
    }
    try {
      const pool = await loaded.sqlite.installOpfsSAHPoolVfs({
        name: `vivarium-${name}`,
        directory: `${KEPT_DIRECTORY}/${name}`,
        initialCapacity: POOL_CAPACITY,
      });
      // The same worker had it before, and let go of it.
      if (pool.isPaused()) await pool.unpauseVfs();
      return new KeptFile(pool, loaded);
    } catch (error) {
      throw storageError(error);
    }
  }

  get exists(): boolean {
    return this.#pool.getFileNames().includes(DATABASE);
  }

  /** Opens the database, or makes it. @throws VivariumError as `Database` says */
  database(): Database {
    const api = this.#loaded.sqlite as unknown as SqliteApi;
    const database = this.#explained(() => openSqlite(api, { filename: DATABASE, vfs: this.#pool.vfsName }));
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON");
    return this.#explainedDatabase(database);
  }

  /** The whole file. Not while a change of it has begun. */
  async contents(): Promise<Uint8Array> {
    return await this.#pool.exportFile(DATABASE);
  }

  /**
   * Puts a file in the place of what is there. Not while the database is open.
   *
   * @throws VivariumError `file/not-a-machine`, `file/full`
   */
  async replace(contents: Blob): Promise<void> {
    const reader = contents.stream().getReader();
    try {
      await this.#pool.importDb(DATABASE, async () => (await reader.read()).value);
    } catch (error) {
      await reader.cancel();
      if (isQuotaError(error)) throw full();
      throw new VivariumError("file/not-a-machine", "this is no machine file");
    }
    // Chromium cuts off what there is no room for, and tells nobody; how much room there is, it does not tell, either.
    if ((await this.contents()).length < contents.size) throw full();
  }

  #explainedDatabase(database: Database): Database {
    const explained = (statement: Statement): Statement => ({
      run: (...values) => this.#explained(() => statement.run(...values)),
      get: (...values) => this.#explained(() => statement.get(...values)),
      all: (...values) => this.#explained(() => statement.all(...values)),
    });
    return {
      exec: (sql) => this.#explained(() => database.exec(sql)),
      prepare: (sql) => explained(this.#explained(() => database.prepare(sql))),
      close: () => {
        database.close();
        // Lets go of the handles, so that another worker can have the file.
        this.#pool.pauseVfs();
      },
    };
  }

  /** SQLite cannot tell why the browser refused. */
  #explained<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      const refusal = this.#loaded.takeRefusal();
      throw error instanceof VivariumError && (isQuotaError(refusal) || isShortWrite(refusal)) ? full() : error;
    }
  }
}

/** The names of the files that are kept, in no order; none where the browser keeps none. */
export async function keptFiles(): Promise<readonly string[]> {
  const names: string[] = [];
  try {
    const directory = await keptDirectory();
    for await (const name of directory.keys()) names.push(name);
  } catch {
    // No file has been kept yet, or none can be: `KeptFile.open` says why.
  }
  return names;
}

/** Deletes a file that nobody has open. @returns whether it could be */
export async function deleteKeptFile(name: string): Promise<boolean> {
  try {
    await (await keptDirectory()).removeEntry(name, { recursive: true });
    return true;
  } catch {
    return false;
  }
}

async function keptDirectory(): Promise<FileSystemDirectoryHandle> {
  return (await navigator.storage.getDirectory()).getDirectoryHandle(KEPT_DIRECTORY);
}

function storageError(error: unknown): unknown {
  if (!(error instanceof DOMException)) return error;
  switch (error.name) {
    case "NoModificationAllowedError":
      return new VivariumError("file/in-use", "another tab has this machine open");
    case "QuotaExceededError":
      return full();
    default:
      return noStorage(error.message);
  }
}

function isQuotaError(error: unknown): boolean {
  return error instanceof DOMException && error.name === "QuotaExceededError";
}

/** Chromium writes what there is room for, without an error of its own; SQLite then has this one. */
function isShortWrite(error: unknown): boolean {
  return error instanceof Error && error.message === "Unknown write() failure.";
}

function full(): VivariumError {
  const message = "the browser gives this page no more room; delete snapshots, or free space on the disk";
  return new VivariumError("file/full", message);
}

function noStorage(why: string): VivariumError {
  return new VivariumError("storage/none", `this browser keeps no files for this page: ${why}`);
}
