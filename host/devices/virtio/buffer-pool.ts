/** Shorter buffers are made as they are needed. */
const POOLED_BYTE_LENGTH_MIN = 16 << 10;

/** Large buffers that are used again: a new one costs as much as filling it with zeros. */
export class BufferPool {
  readonly #byteLength: number;
  readonly #maxCount: number;
  readonly #free: Uint8Array[] = [];

  /**
   * @param byteLength of the longest buffer that is asked for
   * @param maxCount buffers that are kept
   */
  constructor(byteLength: number, maxCount: number) {
    this.#byteLength = byteLength;
    this.#maxCount = maxCount;
  }

  /** Lets `use` have a buffer of that length, with anything in it, until what it returns has settled. */
  async with<T>(byteLength: number, use: (buffer: Uint8Array) => Promise<T>): Promise<T> {
    if (byteLength < POOLED_BYTE_LENGTH_MIN) return use(new Uint8Array(byteLength));
    const buffer = this.#free.pop() ?? new Uint8Array(this.#byteLength);
    try {
      return await use(buffer.subarray(0, byteLength));
    } finally {
      if (this.#free.length < this.#maxCount) this.#free.push(buffer);
    }
  }
}
