import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { afterEach } from "vitest";
import { VIV, type VivResult } from "../platform/viv-process.js";
import { testEnvironment } from "./default-image.js";

const EXPECT_TIMEOUT_MS = 40_000;

const running = new Set<VivConsole>();
afterEach(() => {
  for (const each of running) each.signal("SIGKILL");
});

interface Expectation {
  readonly text: string;
  readonly resolve: (before: string) => void;
  readonly reject: (error: Error) => void;
}

/** A `viv` with its console on pipes, and somebody who reads and types. Killed when the test is over. */
export class VivConsole {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<VivResult>;
  #stdout = "";
  #stderr = "";
  /** Output before this has been expected already. */
  #seen = 0;
  #expectation: Expectation | null = null;

  constructor(args: readonly string[]) {
    const child = spawn(process.execPath, [VIV, ...args], { env: testEnvironment() });
    this.#child = child;
    running.add(this);
    child.stdout.setEncoding("latin1").on("data", (text: string) => {
      this.#stdout += text;
      this.#look();
    });
    child.stderr.setEncoding("latin1").on("data", (text: string) => {
      this.#stderr += text;
    });
    child.stdin.on("error", () => {});
    this.#ended = new Promise((resolve) => {
      child.on("close", (status) => {
        running.delete(this);
        this.#expectation?.reject(this.#disappointment("it ended"));
        resolve({ status, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  /** Process id. */
  get pid(): number {
    return this.#child.pid!;
  }

  /**
   * Waits until the console shows `text`, at a place after the last one that was waited for.
   *
   * @returns what stood before it
   */
  expect(text: string, timeoutMs = EXPECT_TIMEOUT_MS): Promise<string> {
    return new Promise((resolve, reject) => {
      const timeout = setTimeout(() => reject(this.#disappointment("time is up")), timeoutMs);
      const settle = <T>(settled: (value: T) => void) => {
        return (value: T) => {
          clearTimeout(timeout);
          this.#expectation = null;
          settled(value);
        };
      };
      this.#expectation = { text, resolve: settle(resolve), reject: settle(reject) };
      this.#look();
    });
  }

  type(text: string): void {
    this.#child.stdin.write(text);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves when the program has ended, with all that it wrote. */
  ended(): Promise<VivResult> {
    return this.#ended;
  }

  #look(): void {
    const expectation = this.#expectation;
    if (expectation === null) return;
    const at = this.#stdout.indexOf(expectation.text, this.#seen);
    if (at === -1) return;
    const before = this.#stdout.slice(this.#seen, at);
    this.#seen = at + expectation.text.length;
    expectation.resolve(before);
  }

  #disappointment(why: string): Error {
    const text = JSON.stringify(this.#expectation?.text);
    return new Error(
      `${why} before the console showed ${text}, but:\n${this.#stdout.slice(this.#seen)}${this.#stderr}`,
    );
  }
}
