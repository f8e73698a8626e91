import type { ByteStore } from "./byte-store.js";

/**
 * What a browser's worker has of a file in the origin private file system: `FileSystemSyncAccessHandle`, as far as a
 * disk needs it. File System Standard, section 2.6.
 */
export interface SyncAccessHandle {
  getSize(): number;
  /** @returns how many bytes there were */
  read(into: Uint8Array, options: { readonly at: number }): number;
  /** @returns how many bytes there was room for */
  write(from: Uint8Array, options: { readonly at: number }): number;
  truncate(byteLength: number): void;
  flush(): void;
  close(): void;
}

/** The bytes of a file in a browser's origin private file system. The handle is exclusive: nobody else changes them. */
export class SyncAccessStore implements ByteStore {
  readonly readOnly: boolean;
  readonly #handle: SyncAccessHandle;
  #byteLength: number;
  #isClosed = false;

  /** @param handle closed with the store */
  constructor(handle: SyncAccessHandle, { readOnly = false }: { readonly readOnly?: boolean } = {}) {
    this.#handle = handle;
    this.readOnly = readOnly;
    this.#byteLength = handle.getSize();
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.tryRead(offset, into);
  }

  tryRead(offset: number, into: Uint8Array): boolean {
    this.#assertOpen();
    if (!(offset >= 0) || offset + into.length > this.#byteLength) throw new Error("a read beyond the end");
    const byteLength = this.#handle.read(into, { at: offset });
    if (byteLength !== into.length) throw new Error(`the file has become shorter than ${this.#byteLength} bytes`);
    return true;
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.#assertOpen();
    if (this.readOnly) throw new Error("the file is read-only");
    // A write beyond the end leaves what is between to the browser; truncating fills it with zeros.
    if (offset > this.#byteLength) this.#handle.truncate(offset);
    const byteLength = this.#handle.write(from, { at: offset });
    this.#byteLength = Math.max(this.#byteLength, offset + byteLength);
    if (byteLength !== from.length) throw new Error("the browser has no room for more");
  }

  async flush(): Promise<void> {
    this.#assertOpen();
    if (!this.readOnly) this.#handle.flush();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#handle.close();
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new Error("the file is closed");
  }
}
