import { VivariumError } from "../util/errors.js";
import { SECTOR_BYTE_LENGTH } from "./block-backend.js";
import type { BaseImage } from "./captured-disk.js";

/** A disk in memory. */
export class MemoryBlockBackend implements BaseImage {
  readonly readOnly: boolean;
  readonly #contents: Uint8Array;
  #isClosed = false;

  /**
   * @param contents becomes the disk: it is neither copied nor should it be used otherwise any more
   * @throws VivariumError `drive-length` if its length is not a multiple of 512
   */
  constructor(contents: Uint8Array, { readOnly = false }: { readonly readOnly?: boolean } = {}) {
    const { byteLength } = contents;
    if (byteLength % SECTOR_BYTE_LENGTH !== 0) {
      const message = `a drive's length must be a multiple of ${SECTOR_BYTE_LENGTH} bytes, got ${byteLength}`;
      throw new VivariumError("drive-length", message, { byteLength });
    }
    this.#contents = contents;
    this.readOnly = readOnly;
  }

  get byteLength(): number {
    return this.#contents.byteLength;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    into.set(this.#range(offset, into.length));
  }

  tryRead(offset: number, into: Uint8Array): boolean {
    this.readNow(offset, into);
    return true;
  }

  readNow(offset: number, into: Uint8Array): void {
    into.set(this.#range(offset, into.length));
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.#writableRange(offset, from.length).set(from);
  }

  async writeZeroes(offset: number, byteLength: number, _unmap: boolean): Promise<void> {
    this.#writableRange(offset, byteLength).fill(0);
  }

  /** Checks the range and keeps the contents: memory is not given back in parts. */
  async discard(offset: number, byteLength: number): Promise<void> {
    this.#writableRange(offset, byteLength);
  }

  async flush(): Promise<void> {
    this.#assertOpen();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #writableRange(offset: number, byteLength: number): Uint8Array {
    if (this.readOnly) throw new Error("this disk is read-only");
    return this.#range(offset, byteLength);
  }

  #range(offset: number, byteLength: number): Uint8Array {
    this.#assertOpen();
    const isWhole = offset % SECTOR_BYTE_LENGTH === 0 && byteLength % SECTOR_BYTE_LENGTH === 0;
    if (!isWhole || offset < 0 || byteLength < 0 || offset + byteLength > this.byteLength) {
      throw new Error(`bytes ${offset} to ${offset + byteLength} are not whole sectors of this disk`);
    }
    return this.#contents.subarray(offset, offset + byteLength);
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new Error("this disk is closed");
  }
}
