import { Mutex } from "../util/mutex.js";
import { AccessRules } from "./access.js";
import type { BlockBackend } from "./block-backend.js";
import { type ByteStore, readOrZeroes, tryReadOrZeroes } from "./byte-store.js";

/** What is copied at a time: the block of most file systems, so that their writes need no copy. */
const BLOCK_BYTE_LENGTH = 4096;

/**
 * A writable disk before one that stays as it is: what is written goes to a store, in whole blocks at the offsets they
 * have on the disk. The overlay ends with `close`, and what was written with it.
 */
export class OverlayDisk implements BlockBackend {
  readonly readOnly = false;
  readonly #base: BlockBackend;
  readonly #top: ByteStore;
  readonly #access: AccessRules;
  /** One bit a block: whether it is in `#top`. */
  readonly #written: Uint8Array;
  /** Blocks are written for the first time one after another: whoever completes one from the base overtakes nobody. */
  readonly #first = new Mutex();

  /**
   * @param base read from, never written; closed with the overlay
   * @param top empty; closed with the overlay
   */
  constructor(base: BlockBackend, top: ByteStore) {
    this.#base = base;
    this.#top = top;
    this.#access = new AccessRules(this);
    this.#written = new Uint8Array(Math.ceil(Math.ceil(base.byteLength / BLOCK_BYTE_LENGTH) / 8));
  }

  get byteLength(): number {
    return this.#base.byteLength;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#access.checkRead(offset, into.length);
    const reads: Promise<void>[] = [];
    for (const { start, part, isWritten } of this.#runs(offset, into)) {
      reads.push(isWritten ? readOrZeroes(this.#top, start, part) : this.#base.read(start, part));
    }
    await allSettled(reads);
  }

  tryRead(offset: number, into: Uint8Array): boolean {
    this.#access.checkRead(offset, into.length);
    for (const { start, part, isWritten } of this.#runs(offset, into)) {
      const isRead = isWritten ? tryReadOrZeroes(this.#top, start, part) : this.#base.tryRead?.(start, part);
      if (isRead !== true) return false;
    }
    return true;
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.#access.checkWrite(offset, from.length);
    if (from.length === 0) return;
    const end = offset + from.length;
    // The disk's last block may be a short one, which is whole, too.
    const firstWhole = Math.min(end, Math.ceil(offset / BLOCK_BYTE_LENGTH) * BLOCK_BYTE_LENGTH);
    const endWhole = end === this.byteLength ? end : end - (end % BLOCK_BYTE_LENGTH);
    if (offset < firstWhole) await this.#writePartial(offset, from.subarray(0, firstWhole - offset));
    if (firstWhole < endWhole)
      await this.#writeWhole(firstWhole, from.subarray(firstWhole - offset, endWhole - offset));
    const tail = Math.max(firstWhole, endWhole);
    if (tail < end) await this.#writePartial(tail, from.subarray(tail - offset));
  }

  async writeZeroes(offset: number, byteLength: number, _unmap: boolean): Promise<void> {
    this.#access.checkWrite(offset, byteLength);
    const zeroes = new Uint8Array(Math.min(byteLength, 1 << 18));
    for (let done = 0; done < byteLength; done += zeroes.length) {
      await this.write(offset + done, zeroes.subarray(0, Math.min(zeroes.length, byteLength - done)));
    }
  }

  async discard(offset: number, byteLength: number): Promise<void> {
    this.#access.checkWrite(offset, byteLength);
  }

  /** Nothing is to survive the overlay, so there is nothing to wait for. */
  async flush(): Promise<void> {
    this.#access.checkOpen();
  }

  async close(): Promise<void> {
    if (!this.#access.close()) return;
    await Promise.all([this.#base.close(), this.#top.close()]);
  }

  /** @param from whole blocks */
  async #writeWhole(offset: number, from: Uint8Array): Promise<void> {
    const end = offset + from.length;
    for (let block = blockOf(offset); block * BLOCK_BYTE_LENGTH < end; block++) {
      if (!this.#isWritten(block)) return this.#first.run(() => this.#writeFirst(offset, from));
    }
    await this.#top.write(offset, from);
  }

  /** @param from lies within one block */
  async #writePartial(offset: number, from: Uint8Array): Promise<void> {
    const block = blockOf(offset);
    if (this.#isWritten(block)) return this.#top.write(offset, from);
    return this.#first.run(async () => {
      if (this.#isWritten(block)) return this.#top.write(offset, from);
      const start = block * BLOCK_BYTE_LENGTH;
      const whole = new Uint8Array(Math.min(BLOCK_BYTE_LENGTH, this.byteLength - start));
      await this.#base.read(start, whole);
      whole.set(from, offset - start);
      return this.#writeFirst(start, whole);
    });
  }

  async #writeFirst(offset: number, from: Uint8Array): Promise<void> {
    await this.#top.write(offset, from);
    for (let block = blockOf(offset); block * BLOCK_BYTE_LENGTH < offset + from.length; block++) {
      this.#written[block >> 3]! |= 1 << (block & 7);
    }
  }

  /** A range cut where blocks that are in `#top` meet those that are not. */
  *#runs(offset: number, into: Uint8Array): Generator<OverlayRun> {
    for (let done = 0; done < into.length; ) {
      const isWritten = this.#isWritten(blockOf(offset + done));
      let end = done;
      while (end < into.length && this.#isWritten(blockOf(offset + end)) === isWritten) {
        end = Math.min(into.length, (blockOf(offset + end) + 1) * BLOCK_BYTE_LENGTH - offset);
      }
      yield { start: offset + done, part: into.subarray(done, end), isWritten };
      done = end;
    }
  }

  #isWritten(block: number): boolean {
    return (this.#written[block >> 3]! & (1 << (block & 7))) !== 0;
  }
}

/** A part of a range, from `start` on the disk on, that is all in one place. */
interface OverlayRun {
  readonly start: number;
  readonly part: Uint8Array;
  readonly isWritten: boolean;
}

function blockOf(offset: number): number {
  return Math.floor(offset / BLOCK_BYTE_LENGTH);
}

/** Waits for all, so that nothing is written into the caller's buffer after it has been told of a failure. */
export async function allSettled(operations: readonly Promise<void>[]): Promise<void> {
  if (operations.length === 1) return operations[0];
  const results = await Promise.allSettled(operations);
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
