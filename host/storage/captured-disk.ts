import { assert } from "../util/errors.js";
import { type BlockBackend, SECTOR_BYTE_LENGTH } from "./block-backend.js";
import { CHUNK_BYTE_LENGTH, Chunk, type ChunkMap, chunkByteLength, chunkCount } from "./chunk.js";

/** A disk whose contents can be captured with the machine and put back. */
export interface CapturableBackend extends BlockBackend {
  /** The contents as they are: later writes do not show in them. While no operation is in flight. */
  capture(): ChunkMap;
  /** Takes the contents over. While no operation is in flight. */
  restore(contents: ChunkMap): void;
  /** What of the contents is in memory and in no file. */
  readonly heldByteLength: number;
}

export function isCapturable(backend: BlockBackend): backend is CapturableBackend {
  return "capture" in backend && "restore" in backend;
}

/** A disk image that is only read, and does not change while a machine uses it. */
export interface BaseImage extends BlockBackend {
  /** As `read`, but at once: for saving what the guest has not touched. @throws any error */
  readNow(offset: number, into: Uint8Array): void;
}

/** What stands at a place: a chunk that is shared, bytes that only this disk has, null for zeros, the base's bytes. */
type Place = Chunk | Uint8Array | null | typeof IN_BASE;
const IN_BASE = Symbol("as in the base");

/**
 * A disk that belongs to its machine: what the guest writes stays in memory and in what is captured, and a base image
 * below it is read only.
 */
export class CapturedDisk implements CapturableBackend {
  readonly byteLength: number;
  readonly readOnly: boolean;
  readonly #base: BaseImage | null;
  #places: Place[];
  #isClosed = false;

  private constructor(byteLength: number, readOnly: boolean, base: BaseImage | null, places: Place[]) {
    this.byteLength = byteLength;
    this.readOnly = readOnly;
    this.#base = base;
    this.#places = places;
  }

  /** @param base is never written; `close` closes it. What was captured needs it as well, until it is saved */
  static over(base: BaseImage, readOnly: boolean): CapturedDisk {
    const places = new Array<Place>(chunkCount(base.byteLength)).fill(IN_BASE);
    return new CapturedDisk(base.byteLength, readOnly, base, places);
  }

  /** A disk with the contents that were captured. */
  static of(contents: ChunkMap, readOnly: boolean): CapturedDisk {
    return new CapturedDisk(contents.byteLength, readOnly, null, [...contents.chunks]);
  }

  /** Bytes that are in memory and in no file: written since, or captured but not saved. Costs a look at all places. */
  get heldByteLength(): number {
    let count = 0;
    for (const place of this.#places) {
      if (place instanceof Uint8Array || (place instanceof Chunk && place.isInMemory)) count++;
    }
    return count * CHUNK_BYTE_LENGTH;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#check(offset, into.length);
    for (const piece of pieces(offset, into.length)) {
      const target = into.subarray(piece.at, piece.at + piece.byteLength);
      const place = this.#places[piece.index]!;
      if (place === null) target.fill(0);
      else if (place === IN_BASE) await this.#base!.read(offset + piece.at, target);
      else target.set(bytesOf(place).subarray(piece.start, piece.start + piece.byteLength));
    }
  }

  tryRead(offset: number, into: Uint8Array): boolean {
    this.#check(offset, into.length);
    for (const piece of pieces(offset, into.length)) {
      const target = into.subarray(piece.at, piece.at + piece.byteLength);
      const place = this.#places[piece.index]!;
      if (place === null) target.fill(0);
      else if (place === IN_BASE) this.#base!.readNow(offset + piece.at, target);
      else target.set(bytesOf(place).subarray(piece.start, piece.start + piece.byteLength));
    }
    return true;
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.#checkWrite(offset, from.length);
    for (const piece of pieces(offset, from.length)) {
      const own = await this.#ownChunk(piece.index);
      own.set(from.subarray(piece.at, piece.at + piece.byteLength), piece.start);
    }
  }

  async writeZeroes(offset: number, byteLength: number, _unmap: boolean): Promise<void> {
    this.#checkWrite(offset, byteLength);
    for (const piece of pieces(offset, byteLength)) {
      if (piece.byteLength === chunkByteLength(this.byteLength, piece.index)) this.#places[piece.index] = null;
      else (await this.#ownChunk(piece.index)).fill(0, piece.start, piece.start + piece.byteLength);
    }
  }

  /** Discarded sectors read as zeros: nothing of them needs to be kept. */
  async discard(offset: number, byteLength: number): Promise<void> {
    await this.writeZeroes(offset, byteLength, true);
  }

  /** What was written is as stable as the machine: it is saved with it. */
  async flush(): Promise<void> {
    this.#assertOpen();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#base?.close();
  }

  capture(): ChunkMap {
    const chunks = this.#places.map((place, index) => {
      const chunk = place === IN_BASE ? this.#baseChunk(index) : place instanceof Uint8Array ? Chunk.of(place) : place;
      this.#places[index] = chunk;
      return chunk;
    });
    return { byteLength: this.byteLength, chunks };
  }

  restore(contents: ChunkMap): void {
    assert(contents.byteLength === this.byteLength, `disk: ${contents.byteLength} bytes for ${this.byteLength}`);
    this.#places = [...contents.chunks];
  }

  #baseChunk(index: number): Chunk {
    const base = this.#base!;
    const byteLength = chunkByteLength(this.byteLength, index);
    return Chunk.stored(byteLength, () => {
      const bytes = new Uint8Array(byteLength);
      base.readNow(index * CHUNK_BYTE_LENGTH, bytes);
      return bytes;
    });
  }

  /** The bytes at a place, made this disk's own. */
  async #ownChunk(index: number): Promise<Uint8Array> {
    const place = this.#places[index]!;
    if (place instanceof Uint8Array) return place;
    const byteLength = chunkByteLength(this.byteLength, index);
    if (place === IN_BASE) {
      const bytes = new Uint8Array(byteLength);
      await this.#base!.read(index * CHUNK_BYTE_LENGTH, bytes);
      // Another request may have come first meanwhile.
      if (this.#places[index] !== IN_BASE) return this.#ownChunk(index);
      return this.#keep(index, bytes);
    }
    const bytes = place === null ? new Uint8Array(byteLength) : Uint8Array.from(place.read());
    return this.#keep(index, bytes);
  }

  #keep(index: number, bytes: Uint8Array): Uint8Array {
    this.#places[index] = bytes;
    return bytes;
  }

  #checkWrite(offset: number, byteLength: number): void {
    if (this.readOnly) throw new Error("this disk is read-only");
    this.#check(offset, byteLength);
  }

  #check(offset: number, byteLength: number): void {
    this.#assertOpen();
    const isWhole = offset % SECTOR_BYTE_LENGTH === 0 && byteLength % SECTOR_BYTE_LENGTH === 0;
    if (!isWhole || offset < 0 || byteLength < 0 || offset + byteLength > this.byteLength) {
      throw new Error(`bytes ${offset} to ${offset + byteLength} are not whole sectors of this disk`);
    }
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new Error("this disk is closed");
  }
}

/** The part of a range that lies in one chunk. */
interface Piece {
  /** Of the chunk. */
  readonly index: number;
  /** Offset within the chunk. */
  readonly start: number;
  /** Offset within the range. */
  readonly at: number;
  readonly byteLength: number;
}

function* pieces(offset: number, byteLength: number): Generator<Piece> {
  for (let at = 0; at < byteLength; ) {
    const index = Math.floor((offset + at) / CHUNK_BYTE_LENGTH);
    const start = (offset + at) % CHUNK_BYTE_LENGTH;
    const length = Math.min(CHUNK_BYTE_LENGTH - start, byteLength - at);
    yield { index, start, at, byteLength: length };
    at += length;
  }
}

function bytesOf(place: Chunk | Uint8Array): Uint8Array {
  return place instanceof Uint8Array ? place : place.read();
}
