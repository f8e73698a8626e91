/**
 * What a machine file needs of SQLite, and no more, so that any build of it will do.
 *
 * Every method throws a VivariumError: `file/damaged` for a file that SQLite finds malformed, `file/full` when there is
 * no room, `file/in-use` when another program has it, `file/unwritable` when it may not be written, `file/io` else.
 */
export interface Database {
  /** Executes statements without results. */
  exec(sql: string): void;
  /** Compiles a statement, to be used until the database is closed. */
  prepare(sql: string): Statement;
  close(): void;
}

export interface Statement {
  run(...values: readonly SqlValue[]): void;
  /** The first row, or null. */
  get(...values: readonly SqlValue[]): Row | null;
  all(...values: readonly SqlValue[]): readonly Row[];
}

/** Integers are safe integers; a Uint8Array that is given back is the caller's. */
export type SqlValue = null | number | string | Uint8Array;
export type Row = Readonly<Record<string, SqlValue>>;

/** What a machine file needs of the platform besides SQLite. */
export interface FileServices {
  /** SHA-256. */
  digest(bytes: Uint8Array): Uint8Array;
  /** Compresses: raw DEFLATE (RFC 1951). */
  deflate(bytes: Uint8Array): Promise<Uint8Array>;
  /**
   * Decompresses at once, for a guest waits for it.
   *
   * @throws any error when `bytes` is not DEFLATE or does not become exactly `byteLength` bytes
   */
  inflate(bytes: Uint8Array, byteLength: number): Uint8Array;
  randomBytes(into: Uint8Array): void;
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Lets others have their turn. */
  yield(): Promise<void>;
}
