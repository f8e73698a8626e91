const BYTE_LENGTH = 16 * 1024;

/** Keeps the last 16 KiB that were written. */
export class ConsoleTail {
  readonly #ring = new Uint8Array(BYTE_LENGTH);
  #written = 0;

  write(bytes: Uint8Array): void {
    for (const byte of bytes) {
      this.#ring[this.#written % BYTE_LENGTH] = byte;
      this.#written++;
    }
  }

  /** What is kept, oldest first. */
  bytes(): Uint8Array {
    const kept = Math.min(this.#written, BYTE_LENGTH);
    const tail = new Uint8Array(kept);
    for (let index = 0; index < kept; index++) tail[index] = this.#ring[(this.#written - kept + index) % BYTE_LENGTH]!;
    return tail;
  }
}
