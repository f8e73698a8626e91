/** Bytes on their way to a guest, from the oldest that it has not acknowledged. */
export class SendBuffer {
  #chunks: Uint8Array[] = [];
  /** The first chunk still in use, and how much of it is acknowledged. */
  #first = 0;
  #skip = 0;
  #byteLength = 0;
  /** Where the last `copy` ended: reading on from there needs no search. */
  #cursor = { offset: 0, chunk: 0, within: 0 };

  get byteLength(): number {
    return this.#byteLength;
  }

  /** The bytes are the buffer's from now on. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#byteLength += bytes.length;
  }

  /** Forgets the oldest bytes. @returns what they are, when `count` is all there is it may be less */
  discard(count: number): void {
    let left = Math.min(count, this.#byteLength);
    this.#byteLength -= left;
    while (left > 0) {
      const rest = this.#chunks[this.#first]!.length - this.#skip;
      if (left < rest) {
        this.#skip += left;
        break;
      }
      left -= rest;
      this.#skip = 0;
      this.#first++;
    }
    if (this.#first > 64 && this.#first * 2 > this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#first);
      this.#first = 0;
    }
    this.#cursor = { offset: 0, chunk: this.#first, within: this.#skip };
  }

  /** Copies bytes from `offset` on into all of `into`; there must be as many. */
  copy(offset: number, into: Uint8Array): void {
    const start = this.#seek(offset);
    let { chunk, within } = start;
    let done = 0;
    while (done < into.length) {
      const source = this.#chunks[chunk]!;
      const length = Math.min(source.length - within, into.length - done);
      into.set(source.subarray(within, within + length), done);
      done += length;
      within += length;
      if (within < source.length) break;
      chunk++;
      within = 0;
    }
    this.#cursor = { offset: offset + into.length, chunk, within };
  }

  clear(): void {
    this.discard(this.#byteLength);
    this.#chunks = [];
    this.#first = 0;
  }

  #seek(offset: number): { chunk: number; within: number } {
    const isBehind = this.#cursor.offset > offset;
    let { chunk, within } = isBehind ? { chunk: this.#first, within: this.#skip } : this.#cursor;
    let left = isBehind ? offset : offset - this.#cursor.offset;
    while (left > 0) {
      const rest = this.#chunks[chunk]!.length - within;
      if (left < rest) return { chunk, within: within + left };
      left -= rest;
      chunk++;
      within = 0;
    }
    return { chunk, within };
  }
}
