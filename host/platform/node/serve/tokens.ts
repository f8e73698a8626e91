import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Role, TokenView } from "../../../control/hypervisor/schemas.js";
import type { Database, Row, Statement } from "../../../snapshot/database.js";
import { VivariumError } from "../../../util/errors.js";
import type { Principal } from "./principal.js";

const SECRET_BYTE_LENGTH = 32;
const ID_BYTE_LENGTH = 6;
/** Tells a secret of ours from others' where secrets are searched for. */
const PREFIX = "viv_";
const SECRET = /^viv_[A-Za-z0-9_-]{43}$/;
const TOKENS_MAX = 1000;
/** How exactly `lastUsedAt` is kept: not every request writes to the disk. */
const LAST_USED_STEP_MS = 60_000;
/** The longest that a timer of Node's waits. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export interface NewToken {
  readonly label: string;
  readonly role: Role;
  readonly expiresInSeconds?: number;
}

/**
 * Who may ask. A secret is 256 random bits, shown once; what is stored is its SHA-256. That is enough, where a password
 * would need a slow hash with salt: nobody finds 256 random bits by trying, and no two tokens have the same.
 */
export class Tokens {
  readonly #find: Statement;
  readonly #list: Statement;
  readonly #insert: Statement;
  readonly #delete: Statement;
  readonly #deleteLocal: Statement;
  readonly #touch: Statement;
  readonly #now: () => number;
  /** What goes on in the name of each token, and how it is ended. */
  readonly #watchers = new Map<string, Set<() => void>>();

  constructor(database: Database, now: () => number) {
    this.#now = now;
    this.#find = database.prepare("SELECT * FROM token WHERE hash = ?");
    this.#list = database.prepare("SELECT * FROM token ORDER BY created_at, id");
    this.#insert = database.prepare("INSERT INTO token VALUES (?, ?, ?, ?, ?, ?, NULL, ?)");
    this.#delete = database.prepare("DELETE FROM token WHERE id = ?");
    this.#deleteLocal = database.prepare("DELETE FROM token WHERE is_local = 1");
    this.#touch = database.prepare("UPDATE token SET last_used_at = ? WHERE id = ?");
  }

  /** Whether nobody but programs of this user can ask. */
  get isEmpty(): boolean {
    return this.list().length === 0;
  }

  /** Those that are good, without that of the discovery file. */
  list(): TokenView[] {
    return this.#rows()
      .filter((row) => row.is_local === 0)
      .map(viewOf);
  }

  /** @throws VivariumError `token/unknown` */
  view(id: string): TokenView {
    const row = this.#rows().find((candidate) => candidate.id === id);
    if (row !== undefined) return viewOf(row);
    throw unknownToken(id);
  }

  /** @throws VivariumError `token/too-many` */
  create({ label, role, expiresInSeconds }: NewToken): { readonly token: TokenView; readonly secret: string } {
    if (this.#rows().length >= TOKENS_MAX) {
      throw new VivariumError("token/too-many", `there are ${TOKENS_MAX} tokens; expected some to be revoked first`);
    }
    const expiresAt = expiresInSeconds === undefined ? null : this.#now() + expiresInSeconds * 1000;
    return this.#add(label, role, expiresAt, false);
  }

  /** The token of the discovery file, in place of the last: one that leaked when the daemon was dead is worth nothing. */
  renewLocal(): string {
    this.#deleteLocal.run();
    return this.#add("local", "admin", null, true).secret;
  }

  /** Ends a token and all that goes on in its name. @throws VivariumError `token/unknown` */
  revoke(id: string): void {
    if (!this.#rows().some((row) => row.id === id)) throw unknownToken(id);
    this.#delete.run(id);
    this.#end(id);
  }

  /** Who has this secret; null for nobody, or when the token has expired. */
  verify(secret: string): Principal | null {
    if (!SECRET.test(secret)) return null;
    const hash = hashOf(secret);
    const row = this.#find.get(hash);
    // The index finds by comparing bytes until they differ. What that tells is about a hash of the guess, which nobody
    // can steer; the comparison that decides takes the same time for all.
    if (row === null || !timingSafeEqual(Buffer.from(hash, "hex"), Buffer.from(String(row.hash), "hex"))) return null;
    const now = this.#now();
    if (typeof row.expires_at === "number" && row.expires_at <= now) return null;
    const id = String(row.id);
    if (now - Number(row.last_used_at ?? 0) >= LAST_USED_STEP_MS) this.#noteUse(id, now);
    return { tokenId: id, label: String(row.label), role: row.role as Role };
  }

  /** Calls back once when the token is revoked or expires, unless the result is called first. */
  onEnd(id: string, callback: () => void): () => void {
    const expiresAt = this.#rows().find((row) => row.id === id)?.expires_at;
    const watchers = this.#watchers.get(id) ?? new Set();
    this.#watchers.set(id, watchers);
    let timer: NodeJS.Timeout | null = null;
    const forget = () => {
      if (timer !== null) clearTimeout(timer);
      watchers.delete(end);
      if (watchers.size === 0) this.#watchers.delete(id);
    };
    const end = () => {
      forget();
      callback();
    };
    watchers.add(end);
    if (typeof expiresAt === "number") {
      timer = setTimeout(end, Math.min(Math.max(expiresAt - this.#now(), 0), TIMER_MS_MAX));
      timer.unref();
    }
    return forget;
  }

  /** Nobody is kept out because the daemon's disk is full. */
  #noteUse(id: string, now: number): void {
    try {
      this.#touch.run(now, id);
    } catch (error) {
      if (!(error instanceof VivariumError)) throw error;
    }
  }

  #rows(): readonly Row[] {
    return this.#list.all();
  }

  #end(id: string): void {
    for (const end of [...(this.#watchers.get(id) ?? [])]) end();
  }

  #add(label: string, role: Role, expiresAt: number | null, isLocal: boolean) {
    const id = randomBytes(ID_BYTE_LENGTH).toString("hex");
    const secret = `${PREFIX}${randomBytes(SECRET_BYTE_LENGTH).toString("base64url")}`;
    const createdAt = this.#now();
    this.#insert.run(id, label, role, hashOf(secret), createdAt, expiresAt, isLocal ? 1 : 0);
    return { token: { id, label, role, createdAt, expiresAt, lastUsedAt: null }, secret };
  }
}

function unknownToken(id: string): VivariumError {
  return new VivariumError("token/unknown", `there is no token ${JSON.stringify(id)}`, { token: id });
}

function hashOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

function viewOf(row: Row): TokenView {
  return {
    id: String(row.id),
    label: String(row.label),
    role: row.role as Role,
    createdAt: Number(row.created_at),
    expiresAt: row.expires_at as number | null,
    lastUsedAt: row.last_used_at as number | null,
  };
}
