import sqlite3InitModule, { type Sqlite3Static } from "@sqlite.org/sqlite-wasm";
import { VivariumError } from "../../util/errors.js";
import { explainWasmFailure } from "./wasm-support.js";

/** SQLite, and what the browser has said to it. */
export interface LoadedSqlite {
  readonly sqlite: Sqlite3Static;
  /** The browser's last refusal, of which SQLite itself says no more than "I/O error"; once. */
  takeRefusal(): unknown;
}

/** What SQLite's module takes from the global scope: https://sqlite.org/wasm/doc/trunk/api-index.md. */
interface ApiConfig {
  error(...parts: readonly unknown[]): void;
  warn(...parts: readonly unknown[]): void;
}

/**
 * Loads SQLite's official Wasm build.
 *
 * @throws VivariumError `sqlite/failed`, `wasm/forbidden`, `wasm/unsupported`
 */
export async function loadSqlite(): Promise<LoadedSqlite> {
  let refusal: unknown;
  const config: ApiConfig = {
    error: (...parts) => {
      refusal = parts.find((part) => part instanceof Error) ?? refusal;
    },
    // That there is no OPFS of another kind than the one used here, for want of cross-origin isolation.
    warn: () => {},
  };
  Object.assign(globalThis, { sqlite3ApiConfig: config });
  try {
    const sqlite = await sqlite3InitModule();
    const takeRefusal = (): unknown => {
      const taken = refusal;
      refusal = undefined;
      return taken;
    };
    return { sqlite, takeRefusal };
  } catch (error) {
    const cause = await explainWasmFailure(error);
    if (cause instanceof VivariumError) throw cause;
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new VivariumError("sqlite/failed", `SQLite cannot be started: ${problem}`);
  }
}
