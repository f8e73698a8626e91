import type { SAHPoolUtil } from "@sqlite.org/sqlite-wasm";
import { VivariumError } from "../../util/errors.js";
import type { LoadedSqlite } from "./sqlite.js";
import { explain, SqliteDatabase } from "./sqlite-database.js";

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
export class KeptFile {
  readonly #pool: SAHPoolUtil;
  readonly #loaded: LoadedSqlite;

  private constructor(pool: SAHPoolUtil, loaded: LoadedSqlite) {
    this.#pool = pool;
    this.#loaded = loaded;
  }

  /**
   * @throws VivariumError `storage/none` where the browser keeps nothing for this page, `file/in-use` when another tab
   *   has the file
   */
  static async open(name: string, loaded: LoadedSqlite): Promise<KeptFile> {
    if (navigator.storage?.getDirectory === undefined) throw noStorage("it has no private file system for pages");
    try {
      const pool = await loaded.sqlite.installOpfsSAHPoolVfs({
        name: `vivarium-${name}`,
        directory: `${KEPT_DIRECTORY}/${name}`,
        initialCapacity: POOL_CAPACITY,
      });
      return new KeptFile(pool, loaded);
    } catch (error) {
      throw explainStorage(error);
    }
  }

  get exists(): boolean {
    return this.#pool.getFileNames().includes(DATABASE);
  }

  database(): SqliteDatabase {
    try {
      return new SqliteDatabase(new this.#pool.OpfsSAHPoolDb(DATABASE), this.#loaded);
    } catch (error) {
      throw explain(error, this.#loaded.takeRefusal());
    }
  }

  /** The whole file. While `database` has begun a change, it is not one that could be opened. */
  async export(): Promise<Uint8Array> {
    return await this.#pool.exportFile(DATABASE);
  }

  /** @throws VivariumError `file/not-a-machine`, `file/full` */
  async import(contents: ReadableStream<Uint8Array>): Promise<void> {
    const reader = contents.getReader();
    try {
      await this.#pool.importDb(DATABASE, async () => (await reader.read()).value);
    } catch (error) {
      await reader.cancel();
      if (isQuota(error)) throw new VivariumError("file/full", "the browser gives this page no room for this file");
      throw new VivariumError("file/not-a-machine", "this is no machine file");
    }
  }
}

function explainStorage(error: unknown): unknown {
  if (!(error instanceof DOMException)) return error;
  switch (error.name) {
    case "NoModificationAllowedError":
      return new VivariumError("file/in-use", "another tab has this machine open");
    case "QuotaExceededError":
      return new VivariumError("file/full", "the browser gives this page no room for a file");
    case "SecurityError":
    case "NotAllowedError":
    case "UnknownError":
      return noStorage(error.message);
    default:
      return error;
  }
}

function isQuota(error: unknown): boolean {
  return error instanceof DOMException && error.name === "QuotaExceededError";
}

function noStorage(why: string): VivariumError {
  return new VivariumError("storage/none", `this browser keeps no files for this page: ${why}`);
}
