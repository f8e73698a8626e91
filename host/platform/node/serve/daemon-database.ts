import type { Database } from "../../../snapshot/database.js";
import { VivariumError } from "../../../util/errors.js";

/** Of the layout below, kept in SQLite's `user_version`. */
const VERSION = 1;

const LAYOUT = `
  CREATE TABLE token (
    id TEXT PRIMARY KEY,
    label TEXT NOT NULL,
    role TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    is_local INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    principal TEXT NOT NULL,
    action TEXT NOT NULL,
    machine TEXT,
    outcome TEXT NOT NULL,
    message TEXT NOT NULL
  ) STRICT;
  CREATE TABLE upload (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    token_id TEXT NOT NULL,
    byte_length INTEGER,
    created_at INTEGER NOT NULL
  ) STRICT;
`;

/**
 * Lays out the daemon's own database: who may ask, who asked, what is being uploaded.
 *
 * @throws VivariumError `data/version` for one that a later program wrote
 */
export function prepareDaemonDatabase(database: Database): void {
  const version = Number(database.prepare("PRAGMA user_version").get()?.user_version ?? 0);
  if (version === VERSION) return;
  if (version > VERSION) {
    const message = `daemon.db has version ${version}; this program knows versions up to ${VERSION}`;
    throw new VivariumError("data/version", message, { version });
  }
  database.exec(`BEGIN; ${LAYOUT} PRAGMA user_version = ${VERSION}; COMMIT`);
}
