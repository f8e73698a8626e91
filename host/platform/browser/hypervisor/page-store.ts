import type { HypervisorStore } from "../../../hypervisor/platform.js";
import type { Database } from "../../../snapshot/database.js";
import { VivariumError } from "../../../util/errors.js";
import { deleteKeptFile } from "../kept-file.js";
import { MemoryFile } from "../memory-file.js";
import { loadSqlite } from "../sqlite.js";

const DIRECTORY = "vivarium-hypervisors";
const NAME = /^[a-z0-9][a-z0-9-]{0,15}$/;
const TEMPORARY_NAME_LENGTH = 8;
/** Changes within this time are written together. */
const WRITE_MS = 500;

/**
 * What a hypervisor in a page keeps. A page has no database on a file, so this one is in memory, and is written as a
 * whole to the page's private file system after it has changed. Machine files are the workers'.
 */
export class PageStore implements HypervisorStore {
  readonly database: Database;
  readonly #name: string;
  readonly #memory: MemoryFile;
  readonly #isKept: boolean;
  readonly #release: () => void;
  readonly #machineFiles = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #writing: Promise<void> = Promise.resolve();

  private constructor(name: string, memory: MemoryFile, isKept: boolean, release: () => void) {
    this.#name = name;
    this.#memory = memory;
    this.#isKept = isKept;
    this.#release = release;
    this.database = this.#noticing(memory.database());
  }

  /**
   * @param name a short one; null for a store that ends with the page
   * @throws VivariumError `store/unusable`, and `file/in-use` when another tab has it
   */
  static async open(name: string | null): Promise<PageStore> {
    if (name !== null && !NAME.test(name)) {
      const message = `${JSON.stringify(name)} can name no store; expected 1 to 16 of a to z, 0 to 9 and -`;
      throw new VivariumError("store/unusable", message, { name });
    }
    const memory = new MemoryFile((await loadSqlite()).sqlite);
    if (name === null) {
      return new PageStore(crypto.randomUUID().slice(0, TEMPORARY_NAME_LENGTH), memory, false, () => {});
    }
    const release = await lock(name);
    try {
      const contents = await read(name);
      if (contents !== null) await memory.replace(contents);
      return new PageStore(name, memory, true, release);
    } catch (error) {
      release();
      throw error;
    }
  }

  /** A browser closes what a worker leaves open. */
  abandonFile(): void {}

  machineFile(machine: string): string {
    const name = `${this.#name} ${machine}`;
    this.#machineFiles.add(name);
    return name;
  }

  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#isKept) await this.#write();
    this.database.close();
    if (!this.#isKept) await Promise.all([...this.#machineFiles].map(deleteKeptFile));
    this.#release();
  }

  /** A database that is written after it has changed. */
  #noticing(database: Database): Database {
    return {
      ...database,
      exec: (sql) => {
        database.exec(sql);
        if (sql.includes("COMMIT")) this.#writeSoon();
      },
      prepare: (sql) => {
        if (!/^\s*(INSERT|DELETE|UPDATE)\b/.test(sql)) return database.prepare(sql);
        const statement = database.prepare(sql);
        return {
          ...statement,
          run: (...values) => {
            statement.run(...values);
            this.#writeSoon();
          },
        };
      },
    };
  }

  #writeSoon(): void {
    if (!this.#isKept || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#write().catch(reportError);
    }, WRITE_MS);
  }

  #write(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      const contents = await this.#memory.contents();
      const directory = await (await navigator.storage.getDirectory()).getDirectoryHandle(DIRECTORY, { create: true });
      const file = await directory.getFileHandle(this.#name, { create: true });
      // What was there before stays until all of it is written.
      const writable = await file.createWritable();
      await writable.write(contents as Uint8Array<ArrayBuffer>);
      await writable.close();
    });
    return this.#writing;
  }
}

/** Holds the store against other tabs. @returns a function that ends it @throws VivariumError `file/in-use` */
function lock(name: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const held = (taken: Lock | null): Promise<void> | undefined => {
      if (taken === null) {
        reject(new VivariumError("file/in-use", `another tab has the hypervisor ${name}`));
        return undefined;
      }
      return new Promise((release) => resolve(release));
    };
    navigator.locks.request(`${DIRECTORY}/${name}`, { ifAvailable: true }, held).catch(reject);
  });
}

async function read(name: string): Promise<Blob | null> {
  try {
    const directory = await (await navigator.storage.getDirectory()).getDirectoryHandle(DIRECTORY);
    return await (await directory.getFileHandle(name)).getFile();
  } catch (error) {
    if (error instanceof DOMException && error.name === "NotFoundError") return null;
    throw new VivariumError("store/unusable", `the browser keeps nothing for this page: ${String(error)}`);
  }
}
