import sqlite3InitModule, { type Sqlite3Static } from "@sqlite.org/sqlite-wasm";
import { VivariumError } from "../../util/errors.js";

export type Sqlite = Sqlite3Static;

/** What the module leaves in the global scope for its own start. */
interface InitState {
  wasmFilename: string;
}

interface ApiConfig {
  error(...parts: readonly unknown[]): void;
  warn(...parts: readonly unknown[]): void;
}

type Globals = typeof globalThis & { sqlite3InitModuleState?: InitState; sqlite3ApiConfig?: ApiConfig };

/** SQLite, and what it has reported of its dealings with the browser. */
export interface LoadedSqlite {
  readonly sqlite: Sqlite;
  /** The browser's last refusal, for which SQLite itself knows no more than "I/O error". */
  takeRefusal(): unknown;
}

/**
 * Loads SQLite's official Wasm build. Once in a worker's life.
 *
 * @param wasmUrl of sqlite3.wasm; the module would look for that beside the script, where bundlers rename it
 * @throws VivariumError `sqlite/failed`
 */
export async function loadSqlite(wasmUrl: URL): Promise<LoadedSqlite> {
  const globals: Globals = globalThis;
  let refusal: unknown;
  if (globals.sqlite3InitModuleState !== undefined) globals.sqlite3InitModuleState.wasmFilename = wasmUrl.href;
  // It would say on the console that without cross-origin isolation there is no OPFS of the kind that is not used here.
  globals.sqlite3ApiConfig = {
    error: (...parts) => {
      refusal = parts.find((part) => part instanceof Error) ?? refusal;
    },
    warn: () => {},
  };
  try {
    const sqlite = await sqlite3InitModule();
    const takeRefusal = (): unknown => {
      const taken = refusal;
      refusal = undefined;
      return taken;
    };
    return { sqlite, takeRefusal };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new VivariumError("sqlite/failed", `${wasmUrl.pathname}: SQLite cannot be started: ${problem}`);
  }
}
