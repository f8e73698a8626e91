import type { ByteStore } from "./byte-store.js";

const CHUNK_BYTE_LENGTH = 1 << 16;

/** Bytes in memory, of which only those parts take room that have been written. */
export class MemoryStore implements ByteStore {
  readonly readOnly = false;
  readonly #chunks = new Map<number, Uint8Array>();
  #byteLength: number;
  #isClosed = false;

  /** @param byteLength zeros to begin with */
  constructor(byteLength = 0) {
    this.#byteLength = byteLength;
  }

  /** A store with a copy of `contents`. */
  static of(contents: Uint8Array): MemoryStore {
    const store = new MemoryStore(contents.length);
    store.#put(0, contents);
    return store;
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
    visitChunks(offset, into, (index, start, part) => {
      const chunk = this.#chunks.get(index);
      if (chunk === undefined) part.fill(0);
      else part.set(chunk.subarray(start, start + part.length));
    });
    return true;
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.#assertOpen();
    this.#put(offset, from);
  }

  async flush(): Promise<void> {
    this.#assertOpen();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#chunks.clear();
  }

  #put(offset: number, from: Uint8Array): void {
    visitChunks(offset, from, (index, start, part) => {
      let chunk = this.#chunks.get(index);
      if (chunk === undefined) {
        chunk = new Uint8Array(CHUNK_BYTE_LENGTH);
        this.#chunks.set(index, chunk);
      }
      chunk.set(part, start);
    });
    this.#byteLength = Math.max(this.#byteLength, offset + from.length);
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new Error("the store is closed");
  }
}

function visitChunks(
  offset: number,
  bytes: Uint8Array,
  visit: (index: number, start: number, part: Uint8Array) => void,
): void {
  for (let done = 0; done < bytes.length; ) {
    const start = (offset + done) % CHUNK_BYTE_LENGTH;
    const length = Math.min(CHUNK_BYTE_LENGTH - start, bytes.length - done);
    visit((offset + done - start) / CHUNK_BYTE_LENGTH, start, bytes.subarray(done, done + length));
    done += length;
  }
}
