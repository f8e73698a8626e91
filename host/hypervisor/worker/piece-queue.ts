/** Bytes from one who gives them to one who takes them; the giver waits until the piece before has been taken. */
export class PieceQueue implements AsyncIterable<Uint8Array> {
  #waiting: Uint8Array | null = null;
  #isEnded = false;
  #failure: { readonly error: unknown } | null = null;
  #changed: () => void = () => {};
  #change: Promise<void> = Promise.resolve();

  constructor() {
    this.#renew();
  }

  /** @throws what `fail` was called with */
  async push(bytes: Uint8Array): Promise<void> {
    while (this.#waiting !== null && this.#failure === null) await this.#change;
    if (this.#failure !== null) throw this.#failure.error;
    this.#waiting = bytes;
    this.#tell();
  }

  end(): void {
    this.#isEnded = true;
    this.#tell();
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#tell();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure.error;
      const bytes = this.#waiting;
      if (bytes !== null) {
        this.#waiting = null;
        this.#tell();
        yield bytes;
      } else if (this.#isEnded) {
        return;
      } else {
        await this.#change;
      }
    }
  }

  #tell(): void {
    const told = this.#changed;
    this.#renew();
    told();
  }

  #renew(): void {
    this.#change = new Promise((resolve) => {
      this.#changed = resolve;
    });
  }
}
