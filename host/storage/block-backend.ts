/** Bytes in a sector, the unit of virtio-blk (virtio 1.2 section 5.2). */
export const SECTOR_BYTE_LENGTH = 512;

/**
 * A disk's contents. Offsets and lengths are in bytes and multiples of 512; a range outside the disk is the
 * caller's error and rejects. Failures reject with an Error; what was asked for is then undefined but nothing else.
 */
export interface BlockBackend {
  readonly byteLength: number;
  readonly readOnly: boolean;
  /** Fills `into` from `offset`. */
  read(offset: number, into: Uint8Array): Promise<void>;
  /**
   * As `read`, but at once, if the disk has nothing to wait for but memory or the host's files.
   *
   * @returns false when `read` has to be asked; what is in `into` is then undefined
   * @throws as `read` rejects
   */
  tryRead?(offset: number, into: Uint8Array): boolean;
  /** Writes `from` at `offset`; visible to every read that starts after it resolves. */
  write(offset: number, from: Uint8Array): Promise<void>;
  /** The range reads as zeros afterwards; `unmap` allows giving the storage back. */
  writeZeroes(offset: number, byteLength: number, unmap: boolean): Promise<void>;
  /** The range's contents are no longer needed; a backend that cannot free storage does nothing. */
  discard(offset: number, byteLength: number): Promise<void>;
  /** Resolves when everything written before is on stable storage. */
  flush(): Promise<void>;
  close(): Promise<void>;
}
