/** How much one stream may hold in each direction while there is plenty, and while there is little. */
const STREAM_BYTE_LENGTH = 2 * 1024 * 1024;
const STREAM_BYTE_LENGTH_MIN = 8 * 1024;
/** From here on streams get less. */
const TOTAL_BYTE_LENGTH = 64 * 1024 * 1024;

/** Keeps what all streams together hold within bounds: the more there is, the less each may take on. */
export class StreamMemory {
  #byteLength = 0;

  /** What all streams hold now. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** What a stream may hold in each direction. */
  get streamByteLength(): number {
    const left = TOTAL_BYTE_LENGTH - this.#byteLength;
    return Math.max(STREAM_BYTE_LENGTH_MIN, Math.min(STREAM_BYTE_LENGTH, Math.floor(left / 8)));
  }

  /** Whether all streams together hold so much that none may hold more than the least, whatever it was promised. */
  get isExhausted(): boolean {
    return this.#byteLength >= TOTAL_BYTE_LENGTH;
  }

  /** A stream holds so much more than before. */
  change(byteLength: number): void {
    this.#byteLength += byteLength;
  }
}
