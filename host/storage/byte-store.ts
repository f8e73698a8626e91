/**
 * Bytes that a disk image is kept in: a file, memory, a resource on a web server. Disk formats are written over it, so
 * that each of them is there wherever a byte store is.
 *
 * Failures reject with an Error; what was asked for is then undefined but nothing else.
 */
export interface ByteStore {
  /** Its length now; a write beyond the end makes it longer. */
  readonly byteLength: number;
  readonly readOnly: boolean;
  /** Fills `into` from `offset`; rejects when that is not within the store. */
  read(offset: number, into: Uint8Array): Promise<void>;
  /**
   * As `read`, but at once, if there is nothing to wait for but memory or the host's files.
   *
   * @returns false when `read` has to be asked; what is in `into` is then undefined
   * @throws as `read` rejects
   */
  tryRead?(offset: number, into: Uint8Array): boolean;
  /** Writes `from` at `offset`. Bytes skipped beyond the end read as zeros. */
  write(offset: number, from: Uint8Array): Promise<void>;
  /** Resolves when everything written before is on stable storage. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Reads as `store.read` does, with zeros for what is beyond its end. */
export async function readOrZeroes(store: Pick<ByteStore, "byteLength" | "read">, offset: number, into: Uint8Array) {
  const there = Math.min(into.length, Math.max(0, store.byteLength - offset));
  into.fill(0, there);
  if (there > 0) await store.read(offset, into.subarray(0, there));
}

/** As `readOrZeroes`, but at once. @returns false when the store cannot; @throws as its `tryRead` does */
export function tryReadOrZeroes(
  store: Pick<ByteStore, "byteLength" | "tryRead">,
  offset: number,
  into: Uint8Array,
): boolean {
  const there = Math.min(into.length, Math.max(0, store.byteLength - offset));
  into.fill(0, there);
  return there === 0 || store.tryRead?.(offset, into.subarray(0, there)) === true;
}
