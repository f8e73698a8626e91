import { setTimeout as delay } from "node:timers/promises";
import { answerLines } from "../../../control/cli/answers.js";
import { type ScreenLine, TopScreen } from "../../../control/cli/top-screen.js";
import type { Reading } from "../../../control/cli/top-table.js";
import type { TerminalSize } from "../../../control/console-session.js";
import { type ExitReport, STATUS_OK, signalStatus } from "../../../control/guest-end.js";
import { VivariumError } from "../../../util/errors.js";
import { RawTerminal } from "../operator-terminal.js";
import { listenForEnd } from "../process-end.js";
import type { StandardStreams } from "../standard-streams.js";
import type { DaemonClient } from "./client.js";

const DEFAULT_SIZE: TerminalSize = { columns: 80, rows: 24 };
/** Another screen without a cursor, and back: ECMA-48 and xterm's private modes. */
const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[?25h\u001b[?1049l";
/** Terminals that know it show what is between at once. */
const BEGIN_UPDATE = "\u001b[?2026h";
const END_UPDATE = "\u001b[?2026l";
const STYLES: Readonly<Record<ScreenLine["style"], string>> = {
  plain: "",
  bold: "\u001b[1m",
  reverse: "\u001b[7m",
  dim: "\u001b[2m",
};
const RESET = "\u001b[0m";

const KEYS: Readonly<Record<string, string>> = {
  "\u0003": "ctrl-c",
  "\r": "enter",
  "\n": "enter",
  "\u007f": "backspace",
  "\b": "backspace",
  "\u001b": "escape",
  "\u001b[A": "up",
  "\u001b[B": "down",
  "\u001b[C": "right",
  "\u001b[D": "left",
  "\u001bOA": "up",
  "\u001bOB": "down",
  "\u001bOC": "right",
  "\u001bOD": "left",
  "\u001b[H": "home",
  "\u001b[F": "end",
};

/** Shows all machines until it is left; as JSON, or without a terminal, once. */
export async function top(
  client: DaemonClient,
  intervalMs: number,
  json: boolean,
  streams: StandardStreams,
): Promise<ExitReport> {
  const { stdin, stdout } = streams;
  if (json || !stdout.isTerminal) {
    const machines = await client.perform({ action: "machine.list" });
    if (json) stdout.line(JSON.stringify(machines, null, 2));
    else for (const line of answerLines("machine.list", machines, Date.now())) stdout.line(line);
    return { status: STATUS_OK };
  }
  if (stdin.isTTY !== true) {
    throw new VivariumError("option/invalid", "standard input is no terminal; expected one for the keys, or --json");
  }
  return new Top(client, intervalMs, streams).run();
}

class Top {
  readonly #client: DaemonClient;
  readonly #intervalMs: number;
  readonly #streams: StandardStreams;
  readonly #screen = new TopScreen();
  readonly #controller = new AbortController();
  /** What each line of the terminal shows, so that only what changes is written. */
  #shown: readonly string[] = [];
  #status: number = STATUS_OK;

  constructor(client: DaemonClient, intervalMs: number, streams: StandardStreams) {
    this.#client = client;
    this.#intervalMs = intervalMs;
    this.#streams = streams;
  }

  async run(): Promise<ExitReport> {
    const { stdin, stdout } = this.#streams;
    // A daemon that there is not is said as a line, not on a screen.
    this.#screen.update(await this.#read());
    const terminal = new RawTerminal(stdin);
    const onData = (bytes: Uint8Array) => this.#type(Buffer.from(bytes).toString("utf8"));
    const stopListening = listenForEnd((signal) => {
      this.#status = signalStatus(signal);
      this.#controller.abort();
    });
    const stopResizing = stdout.onResize(() => this.#redraw());
    terminal.enter();
    process.on("SIGCONT", this.#redraw);
    stdout.write(Buffer.from(ENTER));
    stdin.on("data", onData);
    stdin.resume();
    try {
      this.#redraw();
      await this.#poll();
    } finally {
      stdin.off("data", onData);
      stdin.pause();
      process.off("SIGCONT", this.#redraw);
      stopResizing();
      stopListening();
      stdout.write(Buffer.from(LEAVE));
      terminal.restore();
    }
    return { status: this.#status };
  }

  async #poll(): Promise<void> {
    const { signal } = this.#controller;
    while (!signal.aborted) {
      await delay(this.#intervalMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        this.#screen.update(await this.#read());
      } catch (error) {
        // The daemon may come back.
        this.#screen.notice(error instanceof Error ? error.message : String(error));
      }
      this.#draw();
    }
  }

  async #read(): Promise<Reading> {
    const [machines, host] = await Promise.all([
      this.#client.perform({ action: "machine.list" }),
      this.#client.perform({ action: "host.get" }),
    ]);
    return { timeMs: Date.now(), host, machines };
  }

  #type(text: string): void {
    for (const key of keysOf(text)) {
      const command = this.#screen.press(key);
      if (command?.kind === "leave") {
        this.#controller.abort();
        return;
      }
      if (command?.kind === "request") void this.#request(command.request);
    }
    this.#draw();
  }

  async #request(request: Parameters<DaemonClient["perform"]>[0]): Promise<void> {
    try {
      await this.#client.perform(request);
      this.#screen.update(await this.#read());
    } catch (error) {
      this.#screen.notice(error instanceof Error ? error.message : String(error));
    }
    if (!this.#controller.signal.aborted) this.#draw();
  }

  readonly #redraw = (): void => {
    this.#shown = [];
    this.#draw();
  };

  #draw(): void {
    const { stdout } = this.#streams;
    const lines = this.#screen
      .lines(stdout.terminalSize ?? DEFAULT_SIZE)
      .map(({ text, style }) => `${STYLES[style]}${text}${RESET}\u001b[K`);
    const changes = lines.flatMap((line, index) =>
      line === this.#shown[index] ? [] : [`\u001b[${index + 1};1H${line}`],
    );
    this.#shown = lines;
    if (changes.length > 0) stdout.write(Buffer.from(`${BEGIN_UPDATE}${changes.join("")}${END_UPDATE}`));
  }
}

/** Keys in what a terminal sent: a sequence is one. */
function keysOf(text: string): readonly string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: keys are control characters
  return [...text.matchAll(/\u001b(?:\[[0-9;]*[A-Za-z~]|O[A-Z])?|./gsu)].map(([key]) => KEYS[key] ?? key);
}
