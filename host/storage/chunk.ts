import { assert } from "../util/errors.js";

/**
 * Bytes in a chunk, the unit in which RAM and disks are captured, shared and stored: four pages. Measured against 4 and
 * 64 KiB: smaller ones cost more for each byte in files and pauses, larger ones copy more of what did not change.
 */
export const CHUNK_BYTE_LENGTH = 16384;

/** A place in memory, in bytes from the start of the buffer. */
export interface ChunkPlace {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  readonly offset: number;
}

/**
 * A piece of RAM or of a disk that never changes any more. Machines and snapshots that have it in common share it.
 *
 * Its bytes are in memory, or where `load` gets them from.
 */
export class Chunk {
  readonly byteLength: number;
  #bytes: Uint8Array | null;
  #load: (() => Uint8Array) | null;
  /** Where threads have it in common. Plain numbers: a fork makes thousands of chunks at once. */
  readonly #buffer: ChunkPlace["buffer"] | null;
  readonly #offset: number;

  private constructor(
    byteLength: number,
    bytes: Uint8Array | null,
    load: (() => Uint8Array) | null,
    buffer: ChunkPlace["buffer"] | null = null,
    offset = 0,
  ) {
    this.byteLength = byteLength;
    this.#bytes = bytes;
    this.#load = load;
    this.#buffer = buffer;
    this.#offset = offset;
  }

  /** @param bytes become the chunk: they are neither copied nor may they change any more */
  static of(bytes: Uint8Array): Chunk {
    return new Chunk(bytes.length, bytes, null);
  }

  /** A chunk that several machines have, each of which may end: it stays where it is. */
  static shared(byteLength: number, buffer: ChunkPlace["buffer"], offset: number): Chunk {
    return new Chunk(byteLength, null, null, buffer, offset);
  }

  /** @param load gives the bytes; it may throw a VivariumError */
  static stored(byteLength: number, load: () => Uint8Array): Chunk {
    return new Chunk(byteLength, null, load);
  }

  /** Where threads have it in common; null for a chunk that one machine has. */
  get place(): ChunkPlace | null {
    return this.#buffer === null ? null : { buffer: this.#buffer, offset: this.#offset };
  }

  /** Whether reading costs no more than a look into memory. */
  get isInMemory(): boolean {
    return this.#bytes !== null;
  }

  /** The contents, for reading only. What was loaded is not kept. */
  read(): Uint8Array {
    if (this.#bytes !== null) return this.#bytes;
    if (this.#buffer !== null) return new Uint8Array(this.#buffer, this.#offset, this.byteLength);
    assert(this.#load !== null, "a chunk with neither bytes nor a place");
    const bytes = this.#load();
    assert(bytes.length === this.byteLength, `a chunk of ${this.byteLength} bytes was loaded with ${bytes.length}`);
    return bytes;
  }

  /** The bytes are elsewhere now, and need not stay in memory. Those of a shared chunk do. */
  settle(load: () => Uint8Array): void {
    if (this.#buffer !== null) return;
    this.#load = load;
    this.#bytes = null;
  }
}

/** The contents of a RAM or a disk at one moment: a chunk at each multiple of CHUNK_BYTE_LENGTH, null where all is zero. */
export interface ChunkMap {
  /** The last chunk ends here, however long that makes it. */
  readonly byteLength: number;
  readonly chunks: readonly (Chunk | null)[];
}

export function chunkCount(byteLength: number): number {
  return Math.ceil(byteLength / CHUNK_BYTE_LENGTH);
}

/** Length of the chunk at `index` of contents of `byteLength` bytes. */
export function chunkByteLength(byteLength: number, index: number): number {
  return Math.min(CHUNK_BYTE_LENGTH, byteLength - index * CHUNK_BYTE_LENGTH);
}

/** Contents that are all zero. */
export function emptyChunkMap(byteLength: number): ChunkMap {
  return { byteLength, chunks: new Array<Chunk | null>(chunkCount(byteLength)).fill(null) };
}
