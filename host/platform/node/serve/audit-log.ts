import type { AuditEntry } from "../../../control/hypervisor/schemas.js";
import type { Database, SqlValue, Statement } from "../../../snapshot/database.js";
import { VivariumError } from "../../../util/errors.js";

const ENTRIES_MAX = 100_000;
/** Old entries are deleted when so many are over. */
const TRIM_STEP = 1000;
const MESSAGE_LENGTH_MAX = 500;
const NAME_LENGTH_MAX = 200;
const LAST_DEFAULT = 100;
/** Entries that wait in memory while the database has no room for them; the oldest go. */
const WAITING_MAX = 2000;

/** Who did what, oldest first; the newest ENTRIES_MAX. */
export class AuditLog {
  readonly #insert: Statement;
  readonly #after: Statement;
  readonly #newest: Statement;
  readonly #trim: Statement;
  readonly #now: () => number;
  #sinceTrim = 0;
  #waiting: SqlValue[][] = [];

  constructor(database: Database, now: () => number) {
    this.#now = now;
    this.#insert = database.prepare(
      "INSERT INTO audit (time, principal, action, machine, outcome, message) VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#after = database.prepare("SELECT * FROM audit WHERE id > ? ORDER BY id LIMIT ?");
    this.#newest = database.prepare(
      "SELECT * FROM (SELECT * FROM audit WHERE id > ? ORDER BY id DESC LIMIT ?) ORDER BY id",
    );
    this.#trim = database.prepare("DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?");
    this.#trim.run(ENTRIES_MAX);
  }

  /** What cannot be written now is written with the next entry, or when somebody looks. */
  add({ principal, action, machine, outcome, message }: Omit<AuditEntry, "id" | "time">): void {
    this.#waiting.push([
      this.#now(),
      principal.slice(0, NAME_LENGTH_MAX),
      action,
      machine?.slice(0, NAME_LENGTH_MAX) ?? null,
      outcome,
      message.slice(0, MESSAGE_LENGTH_MAX),
    ]);
    if (this.#waiting.length > WAITING_MAX) this.#waiting.shift();
    this.#write();
  }

  #write(): void {
    try {
      for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
        this.#insert.run(...next);
        this.#waiting.shift();
        this.#sinceTrim++;
      }
      if (this.#sinceTrim < TRIM_STEP) return;
      this.#sinceTrim = 0;
      this.#trim.run(ENTRIES_MAX);
    } catch (error) {
      if (!(error instanceof VivariumError)) throw error;
    }
  }

  /** The newest `last` after an id, or with `after` alone the first that follow it. */
  list({ after, last }: { readonly after?: number | undefined; readonly last?: number | undefined }): AuditEntry[] {
    this.#write();
    const statement = after !== undefined && last === undefined ? this.#after : this.#newest;
    return statement.all(after ?? 0, last ?? LAST_DEFAULT).map((row) => ({
      id: Number(row.id),
      time: Number(row.time),
      principal: String(row.principal),
      action: String(row.action),
      machine: row.machine === null ? null : String(row.machine),
      outcome: row.outcome as AuditEntry["outcome"],
      message: String(row.message),
    }));
  }
}
