import type { ReadStream } from "node:tty";

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
