/** Does one thing after the other. */
export class Turns {
  #last: Promise<void> = Promise.resolve();
  #count = 0;

  /** Whether something is being done, or waits. */
  get isBusy(): boolean {
    return this.#count > 0;
  }

  /** @throws what `work` throws */
  run<T>(work: () => Promise<T>): Promise<T> {
    this.#count++;
    const done = this.#last.then(work).finally(() => this.#count--);
    this.#last = done.then(
      () => {},
      () => {},
    );
    return done;
  }
}
