import { type ChildProcess, spawn } from "node:child_process";
import { performance } from "node:perf_hooks";
import { VivariumError } from "../../host/util/errors.js";

/** The code of errors that say what went wrong in a guest. */
export const GUEST_FAILED = "bench/guest";

/** Console output kept for the message when something goes wrong. */
const TAIL_LENGTH = 2000;

/** A guest's console as seen from outside, with the time at which each text arrived. */
export class GuestConsole {
  readonly #process: ChildProcess;
  readonly #what: string;
  readonly #startMs = performance.now();
  readonly #ended: Promise<void>;
  #onText: ((text: string, ms: number) => void) | null = null;
  #tail = "";

  /** Starts `program`, whose standard output is the console. */
  constructor(program: string, args: readonly string[]) {
    this.#what = program;
    this.#process = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    const take = (chunk: Buffer) => {
      // Consoles are ASCII; one character a byte keeps pieces from splitting one.
      const text = chunk.toString("latin1");
      this.#tail = (this.#tail + text).slice(-TAIL_LENGTH);
      this.#onText?.(text, performance.now() - this.#startMs);
    };
    this.#process.stdout?.on("data", take);
    this.#process.stderr?.on("data", take);
    this.#ended = new Promise((resolve, reject) => {
      this.#process.on("error", (error) => reject(new VivariumError(GUEST_FAILED, `${program}: ${error.message}`)));
      this.#process.on("close", () => resolve());
    });
  }

  /**
   * Waits until the guest's process ends.
   *
   * @param onLine each whole line without its end, and milliseconds since the start
   * @throws VivariumError GUEST_FAILED when that takes longer than `timeoutMs`
   */
  async lines(onLine: (line: string, ms: number) => void, timeoutMs: number): Promise<void> {
    let rest = "";
    this.#onText = (text, ms) => {
      const lines = (rest + text).split(/\r*\n/);
      rest = lines.pop()!;
      for (const line of lines) onLine(line, ms);
    };
    await this.#within(timeoutMs, "it to end", this.#ended);
  }

  /**
   * Waits for `text`, then ends the guest's process.
   *
   * @returns milliseconds from the start until it came
   * @throws VivariumError GUEST_FAILED when it does not come within `timeoutMs`
   */
  async waitFor(text: string, timeoutMs: number): Promise<number> {
    let seen = "";
    const found = new Promise<number>((resolve, reject) => {
      this.#onText = (piece, ms) => {
        seen = (seen + piece).slice(-text.length - piece.length);
        if (seen.includes(text)) resolve(ms);
      };
      this.#ended.then(() => reject(this.#failure(`ended without ${JSON.stringify(text)}`)), reject);
    });
    try {
      return await this.#within(timeoutMs, JSON.stringify(text), found);
    } finally {
      this.#process.kill("SIGKILL");
      await this.#ended.catch(() => {});
    }
  }

  async #within<T>(timeoutMs: number, what: string, event: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.#process.kill("SIGKILL");
        reject(this.#failure(`${timeoutMs / 1000} s were not enough for ${what}`));
      }, timeoutMs);
    });
    try {
      return await Promise.race([event, timeout]);
    } finally {
      clearTimeout(timer);
    }
  }

  #failure(problem: string): VivariumError {
    const last = this.#tail.trim().split(/\r*\n/).at(-1) ?? "";
    return new VivariumError(GUEST_FAILED, `${this.#what}: ${problem}; its last line was ${JSON.stringify(last)}`);
  }
}
