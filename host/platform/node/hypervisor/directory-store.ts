import { realpathSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { HypervisorStore } from "../../../hypervisor/platform.js";
import type { Database } from "../../../snapshot/database.js";
import { VivariumError } from "../../../util/errors.js";
import { FileLock } from "../machine-file/file-lock.js";
import { openDatabase } from "../machine-file/sqlite.js";

const DATABASE = "hypervisor.db";
const MACHINES = "machines";
const DIRECTORY_MODE = 0o700;

/** A hypervisor's directory: its database, and `machines/` with a file for each machine. */
export class DirectoryStore implements HypervisorStore {
  readonly database: Database;
  readonly #directory: string;
  readonly #lock: FileLock;
  readonly #isTemporary: boolean;

  private constructor(directory: string, database: Database, lock: FileLock, isTemporary: boolean) {
    this.#directory = directory;
    this.database = database;
    this.#lock = lock;
    this.#isTemporary = isTemporary;
  }

  /**
   * @param path made when it is not there; null for one that is gone with the hypervisor
   * @throws VivariumError `store/unusable`, and `file/in-use` when another hypervisor has it
   */
  static async open(path: string | null): Promise<DirectoryStore> {
    const directory = path === null ? await mkdtemp(join(tmpdir(), "vivarium-")) : resolve(path);
    try {
      await mkdir(join(directory, MACHINES), { recursive: true, mode: DIRECTORY_MODE });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new VivariumError("store/unusable", `${path}: cannot be made (${code}); expected a directory`);
    }
    const file = join(directory, DATABASE);
    const lock = await FileLock.acquire(file);
    try {
      const database = await openDatabase(file, { readOnly: false });
      // Nobody opens it after this program has ended, however that ends.
      if (path === null) database.exec("PRAGMA synchronous = OFF");
      return new DirectoryStore(realpathSync(directory), database, lock, path === null);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  machineFile(machine: string): string {
    return join(this.#directory, MACHINES, `${machine}.viv`);
  }

  abandonFile(machine: string): void {
    FileLock.abandon(this.machineFile(machine));
  }

  async close(): Promise<void> {
    this.database.close();
    this.#lock.release();
    if (this.#isTemporary) await rm(this.#directory, { recursive: true, force: true });
  }
}
