import type { TerminalSize } from "../console-session.js";
import type { HypervisorAction } from "../hypervisor/actions.js";
import { percent, printable, shortBytes, shortTime } from "./amounts.js";
import { cpuOf } from "./machine-options.js";
import {
  COLUMNS,
  columnsWithin,
  headLine,
  type Reading,
  rowLine,
  sortedRows,
  type TopRow,
  topRows,
} from "./top-table.js";

/** A line of the screen, and how it is shown. */
export interface ScreenLine {
  readonly text: string;
  readonly style: "plain" | "bold" | "reverse" | "dim";
}

/** What a key means to the program around the screen. */
export type TopCommand = { readonly kind: "leave" } | { readonly kind: "request"; readonly request: HypervisorAction };

/** What is asked for at the bottom of the screen. */
type Prompt =
  | { readonly kind: "shares" | "limit"; readonly machine: string; text: string }
  | { readonly kind: "confirm"; readonly machine: string; readonly request: HypervisorAction; readonly verb: string };

const CPU_COLUMN = COLUMNS.findIndex(({ title }) => title === "CPU");
const MEMORY_COLUMN = COLUMNS.findIndex(({ title }) => title === "MEMORY");
const NAME_COLUMN = 0;
const TEXT_LENGTH_MAX = 12;
/** Lines besides those of machines: three above, two below. */
const OTHER_LINES = 5;

export const TOP_KEYS: readonly (readonly [key: string, meaning: string])[] = [
  ["up, down, j, k", "choose a machine"],
  ["left, right", "sort by the column beside"],
  ["c, m, n", "sort by processor, memory, name"],
  ["R", "sort the other way round"],
  ["space", "pause the machine, or let it go on"],
  ["s", "start it, or wake it"],
  ["x", "ask its guest to switch itself off"],
  ["K", "switch it off at once"],
  ["H", "hibernate it"],
  ["+, -", "double or halve its shares"],
  ["w", "set its shares"],
  ["l", "set its limit, such as 50% or none"],
  ["h, ?", "this help, or the table again"],
  ["q, Ctrl-C", "leave"],
];

/** The screen of `viv top`: what it shows for what was read, and what keys do. It knows no terminal. */
export class TopScreen {
  #reading: Reading | null = null;
  #rows: readonly TopRow[] = [];
  #column = CPU_COLUMN;
  #isReversed = false;
  /** By name, so that the choice stays with the machine. */
  #chosen: string | null = null;
  #offset = 0;
  #isHelp = false;
  #prompt: Prompt | null = null;
  #notice = "";

  /** A new reading. */
  update(reading: Reading): void {
    this.#rows = topRows(reading, this.#reading);
    this.#reading = reading;
    this.#notice = "";
  }

  /** Says something at the bottom until the next reading. */
  notice(text: string): void {
    this.#notice = printable(text);
  }

  /** @param key a character, or the name of a key such as "up" or "enter" */
  press(key: string): TopCommand | null {
    if (key === "ctrl-c") return { kind: "leave" };
    if (this.#prompt !== null) return this.#answer(this.#prompt, key);
    const sorted = this.#sorted();
    const index = this.#index(sorted);
    switch (key) {
      case "q":
        return { kind: "leave" };
      case "h":
      case "?":
        this.#isHelp = !this.#isHelp;
        return null;
      case "escape":
        this.#isHelp = false;
        return null;
      case "up":
      case "k":
        return this.#choose(sorted, index - 1);
      case "down":
      case "j":
        return this.#choose(sorted, index + 1);
      case "home":
        return this.#choose(sorted, 0);
      case "end":
        return this.#choose(sorted, sorted.length - 1);
      case "left":
        return this.#sortBy((this.#column + COLUMNS.length - 1) % COLUMNS.length);
      case "right":
        return this.#sortBy((this.#column + 1) % COLUMNS.length);
      case "c":
        return this.#sortBy(CPU_COLUMN);
      case "m":
        return this.#sortBy(MEMORY_COLUMN);
      case "n":
        return this.#sortBy(NAME_COLUMN);
      case "R":
        this.#isReversed = !this.#isReversed;
        return null;
      default: {
        const row = sorted[index];
        return row === undefined ? null : this.#change(row, key);
      }
    }
  }

  /** As many lines as the terminal has, none wider than it. */
  lines({ columns: width, rows: height }: TerminalSize): readonly ScreenLine[] {
    const lines = this.#isHelp ? helpLines() : this.#tableLines(width, height);
    const shown = lines.slice(0, height - 1);
    while (shown.length < height - 1) shown.push({ text: "", style: "plain" });
    shown.push(this.#bottomLine());
    return shown.map(({ text, style }) => ({
      text: text.slice(0, width).padEnd(style === "plain" ? 0 : width),
      style,
    }));
  }

  #tableLines(width: number, height: number): ScreenLine[] {
    if (this.#reading === null) return [{ text: "reading...", style: "plain" }];
    const { host, timeMs } = this.#reading;
    const columns = columnsWithin(width);
    const sorted = this.#sorted();
    const index = this.#index(sorted);
    const room = Math.max(height - OTHER_LINES, 1);
    this.#offset = Math.min(Math.max(this.#offset, index - room + 1), Math.max(index, 0));
    const used = host.workers.reduce((sum, { processors }) => sum + processors, 0);
    const memory = `${shortBytes(host.memoryUsedByteLength)} of ${shortBytes(host.memoryBudgetByteLength)}`;
    const { total, running, hibernated } = host.machines;
    const lines: ScreenLine[] = [
      {
        text: `viv top, up ${shortTime(timeMs - host.startedAt)}: ${total} machines, ${running} running, ${hibernated} hibernated`,
        style: "plain",
      },
      {
        text: `processors ${percent(used)} of ${percent(host.processors)}, reserved ${percent(host.reservedProcessors)}; memory ${memory}`,
        style: "plain",
      },
      { text: headLine(columns, this.#column, this.#isReversed), style: "bold" },
    ];
    for (const row of sorted.slice(this.#offset, this.#offset + room)) {
      const isChosen = row === sorted[index];
      const style = isChosen ? "reverse" : row.view.status === "running" ? "plain" : "dim";
      lines.push({ text: rowLine(row, columns, timeMs), style });
    }
    if (sorted.length === 0) lines.push({ text: 'no machines; "viv create NAME" makes one', style: "dim" });
    return lines;
  }

  #bottomLine(): ScreenLine {
    const prompt = this.#prompt;
    if (prompt?.kind === "confirm") return { text: `${prompt.verb} ${prompt.machine}? y or n`, style: "reverse" };
    if (prompt !== null) return { text: `${prompt.kind} of ${prompt.machine}: ${prompt.text}_`, style: "reverse" };
    if (this.#notice !== "") return { text: this.#notice, style: "reverse" };
    return { text: this.#isHelp ? "h table  q leave" : "h help  q leave", style: "dim" };
  }

  #change({ view }: TopRow, key: string): TopCommand | null {
    const machine = view.spec.name;
    const { shares } = view.spec.cpu;
    switch (key) {
      case " ":
        return request({ action: view.status === "paused" ? "machine.resume" : "machine.pause", machine });
      case "s":
        return request({ action: "machine.start", machine });
      case "x":
        return this.#confirm("shut down", { action: "machine.shutdown", machine });
      case "K":
        return this.#confirm("switch off", { action: "machine.stop", machine });
      case "H":
        return request({ action: "machine.hibernate", machine });
      case "+":
        return request({ action: "machine.set", machine, cpu: { shares: shares * 2 } });
      case "-":
        return request({ action: "machine.set", machine, cpu: { shares: Math.max(1, Math.floor(shares / 2)) } });
      case "w":
        this.#prompt = { kind: "shares", machine, text: "" };
        return null;
      case "l":
        this.#prompt = { kind: "limit", machine, text: "" };
        return null;
      default:
        return null;
    }
  }

  #confirm(verb: string, asked: HypervisorAction & { readonly machine: string }): null {
    this.#prompt = { kind: "confirm", machine: asked.machine, request: asked, verb };
    return null;
  }

  #answer(prompt: Prompt, key: string): TopCommand | null {
    if (prompt.kind === "confirm") {
      this.#prompt = null;
      return key === "y" ? request(prompt.request) : null;
    }
    switch (key) {
      case "escape":
        this.#prompt = null;
        return null;
      case "backspace":
        prompt.text = prompt.text.slice(0, -1);
        return null;
      case "enter":
        this.#prompt = null;
        return this.#set(prompt.machine, prompt.kind, prompt.text);
      default:
        if (/^[0-9a-z.%]$/.test(key) && prompt.text.length < TEXT_LENGTH_MAX) prompt.text += key;
        return null;
    }
  }

  #set(machine: string, kind: "shares" | "limit", text: string): TopCommand | null {
    if (text === "") return null;
    try {
      return request({ action: "machine.set", machine, ...cpuOf({ [kind]: text }) });
    } catch (error) {
      this.notice((error as Error).message.replace("--", ""));
      return null;
    }
  }

  #sortBy(column: number): null {
    this.#column = column;
    this.#isReversed = false;
    return null;
  }

  #choose(sorted: readonly TopRow[], index: number): null {
    this.#chosen = sorted[Math.min(Math.max(index, 0), sorted.length - 1)]?.view.spec.name ?? null;
    return null;
  }

  #sorted(): readonly TopRow[] {
    return sortedRows(this.#rows, this.#column, this.#isReversed);
  }

  /** Of the machine that is chosen; the first while none is, or when it is gone. */
  #index(sorted: readonly TopRow[]): number {
    return Math.max(
      sorted.findIndex(({ view }) => view.spec.name === this.#chosen),
      0,
    );
  }
}

function helpLines(): ScreenLine[] {
  const width = Math.max(...TOP_KEYS.map(([key]) => key.length));
  return [
    { text: "Keys", style: "bold" },
    ...TOP_KEYS.map(([key, meaning]): ScreenLine => ({ text: `  ${key.padEnd(width)}  ${meaning}`, style: "plain" })),
  ];
}

function request(asked: HypervisorAction): TopCommand {
  return { kind: "request", request: asked };
}
