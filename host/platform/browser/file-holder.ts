import type { Database } from "../../snapshot/database.js";

/** A place that a machine file can be in. */
export interface FileHolder {
  /** Whether there is a file. */
  readonly exists: boolean;
  /** Opens the database, or makes it. @throws VivariumError as `Database` says */
  database(): Database;
  /** The whole file. Not while a change of it has begun. */
  contents(): Promise<Uint8Array>;
  /**
   * Puts a file in the place of what is there. Not while the database is open.
   *
   * @throws VivariumError `file/not-a-machine`, `file/full`
   */
  replace(contents: Blob): Promise<void>;
}
