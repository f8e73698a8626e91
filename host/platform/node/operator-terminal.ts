import type { ReadStream } from "node:tty";

/** Signals whose default would end the program with the terminal still raw. */
const ENDING_SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;

/** Calls `onEnd` with the number of an ending signal; the second one ends the program at once. */
export function listenForEnd(onEnd: (signal: number) => void): () => void {
  let asked = false;
  const removers = Object.entries(ENDING_SIGNALS).map(([name, number]) => {
    const listener = () => {
      if (asked) process.exit(128 + number);
      asked = true;
      onEnd(number);
    };
    process.on(name, listener);
    return () => process.off(name, listener);
  });
  return () => {
    for (const remove of removers) remove();
  };
}

/**
 * The operator's terminal in raw mode: every key goes to the guest, Ctrl-C and Ctrl-Z too.
 *
 * It is put back by `restore`, at any exit of the process, and while the program is stopped by SIGTSTP.
 */
export class RawTerminal {
  readonly #input: ReadStream;
  #raw = false;

  constructor(input: ReadStream) {
    this.#input = input;
  }

  enter(): void {
    this.#setRaw(true);
    process.on("exit", this.#onExit);
    process.on("SIGTSTP", this.#onStop);
    process.on("SIGCONT", this.#onContinue);
  }

  restore(): void {
    this.#setRaw(false);
    process.off("exit", this.#onExit);
    process.off("SIGTSTP", this.#onStop);
    process.off("SIGCONT", this.#onContinue);
  }

  #setRaw(raw: boolean): void {
    if (this.#raw === raw) return;
    this.#raw = raw;
    try {
      this.#input.setRawMode(raw);
    } catch {
      // The terminal is gone (its window was closed): there is nothing left to set.
    }
  }

  readonly #onExit = (): void => this.#setRaw(false);

  /** Stops as the signal asks, with a usable terminal for the shell. */
  readonly #onStop = (): void => {
    this.#setRaw(false);
    process.kill(process.pid, "SIGSTOP");
  };

  readonly #onContinue = (): void => this.#setRaw(true);
}
