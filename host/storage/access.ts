import { type BlockBackend, SECTOR_BYTE_LENGTH } from "./block-backend.js";

/** What of a disk decides whether an operation is allowed. */
type Disk = Pick<BlockBackend, "byteLength" | "readOnly">;

/**
 * The rules that every operation on a disk keeps: it is open, the range is whole sectors of the disk, and a read-only
 * disk is not changed.
 */
export class AccessRules {
  readonly #disk: Disk;
  #isClosed = false;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** @throws Error unless the range may be read */
  checkRead(offset: number, byteLength: number): void {
    this.checkOpen();
    const isWhole = offset % SECTOR_BYTE_LENGTH === 0 && byteLength % SECTOR_BYTE_LENGTH === 0;
    if (!isWhole || offset < 0 || byteLength < 0 || offset + byteLength > this.#disk.byteLength) {
      throw new Error(`bytes ${offset} to ${offset + byteLength} are not whole sectors of this disk`);
    }
  }

  /** @throws Error unless the range may be changed */
  checkWrite(offset: number, byteLength: number): void {
    if (this.#disk.readOnly) throw new Error("this disk is read-only");
    this.checkRead(offset, byteLength);
  }

  /** @throws Error when the disk has been closed */
  checkOpen(): void {
    if (this.#isClosed) throw new Error("this disk is closed");
  }

  /** @returns whether the disk was open until now */
  close(): boolean {
    const wasOpen = !this.#isClosed;
    this.#isClosed = true;
    return wasOpen;
  }
}
