import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import { followColorScheme } from "./themes.js";

/** What the terminal tells the rest of the page. */
export interface TerminalEvents {
  /** The person typed or pasted, or the terminal answers a question of the guest's. */
  onInput(bytes: Uint8Array): void;
  /** Measured in characters. */
  onResize(columns: number, rows: number): void;
  /** The keys that lead out of the terminal were pressed: Ctrl-Shift-Enter. */
  onLeave(): void;
}

const WIDE_FONT_PX = 14;
const NARROW_FONT_PX = 12;
const NARROW = "(max-width: 560px)";
const SCROLLBACK_LINES = 5000;
const RATIO_LEGIBLE = 4.5;
/** Bytes the terminal may have still to draw before the guest is held back. */
const BACKLOG_BYTE_LENGTH_MAX = 1 << 20;

/** The guest's screen and keyboard. */
export class GuestTerminal {
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #encoder = new TextEncoder();
  readonly #events: TerminalEvents;
  #backlogByteLength = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #disposal = new AbortController();

  constructor(element: HTMLElement, events: TerminalEvents) {
    this.#events = events;
    this.#terminal = new Terminal({
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"),
      fontSize: matchMedia(NARROW).matches ? NARROW_FONT_PX : WIDE_FONT_PX,
      lineHeight: 1.15,
      scrollback: SCROLLBACK_LINES,
      cursorBlink: true,
      minimumContrastRatio: RATIO_LEGIBLE,
      macOptionIsMeta: true,
    });
    this.#terminal.loadAddon(this.#fit);
    this.#terminal.open(element);
    this.#fit.fit();
    this.#terminal.onData((text) => this.#events.onInput(this.#encoder.encode(text)));
    this.#terminal.onBinary((text) => this.#events.onInput(Uint8Array.from(text, (c) => c.charCodeAt(0))));
    this.#terminal.onResize(({ cols, rows }) => this.#events.onResize(cols, rows));
    this.#terminal.attachCustomKeyEventHandler((event) => this.#takesKey(event));
    followColorScheme((theme) => {
      this.#terminal.options.theme = theme;
    }, this.#disposal.signal);
    const onWidth = ({ matches }: MediaQueryListEvent): void => {
      this.#terminal.options.fontSize = matches ? NARROW_FONT_PX : WIDE_FONT_PX;
      this.#fit.fit();
    };
    matchMedia(NARROW).addEventListener("change", onWidth, { signal: this.#disposal.signal });
    const observer = new ResizeObserver(() => this.#fit.fit());
    observer.observe(element);
    this.#disposal.signal.addEventListener("abort", () => observer.disconnect());
  }

  /** Takes the terminal off the page. What waits for room is let go. */
  dispose(): void {
    this.#disposal.abort();
    this.#terminal.dispose();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  get columns(): number {
    return this.#terminal.cols;
  }
  get rows(): number {
    return this.#terminal.rows;
  }

  /** Resolves when there is room for more: what comes faster than it can be drawn waits with its sender. */
  write(bytes: Uint8Array): Promise<void> {
    this.#backlogByteLength += bytes.length;
    this.#terminal.write(bytes, () => {
      this.#backlogByteLength -= bytes.length;
      if (this.#backlogByteLength >= BACKLOG_BYTE_LENGTH_MAX) return;
      for (const resolve of this.#waiting.splice(0)) resolve();
    });
    if (this.#backlogByteLength < BACKLOG_BYTE_LENGTH_MAX) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** As if typed. */
  type(text: string): void {
    this.#terminal.input(text);
  }

  /** As if pasted: a guest that asked for it is told where the paste begins and ends. */
  paste(text: string): void {
    this.#terminal.paste(text);
  }

  /** Whether the guest has asked for cursor keys as applications get them (DECCKM). */
  get hasApplicationCursor(): boolean {
    return this.#terminal.modes.applicationCursorKeysMode;
  }

  /** An empty screen, in the state of a terminal just switched on. */
  reset(): void {
    this.#terminal.reset();
  }

  focus(): void {
    this.#terminal.focus();
  }

  /** @returns whether the key is the guest's; the others are the page's or the browser's */
  #takesKey(event: KeyboardEvent): boolean {
    if (event.type !== "keydown") return true;
    const { ctrlKey, shiftKey, altKey, metaKey, code } = event;
    const ctrlOnly = ctrlKey && !altKey && !metaKey;
    if (ctrlOnly && shiftKey && code === "Enter") {
      event.preventDefault();
      this.#events.onLeave();
      return false;
    }
    // With something selected, Ctrl-C copies it, as on a desktop; Ctrl-Shift-C always does, as in a terminal.
    if (ctrlOnly && code === "KeyC" && (shiftKey || this.#terminal.hasSelection())) {
      event.preventDefault();
      this.#copy();
      return false;
    }
    // The browser pastes, and the terminal sees the text.
    if (ctrlOnly && shiftKey && code === "KeyV") return false;
    return true;
  }

  #copy(): void {
    const text = this.#terminal.getSelection();
    if (text === "") return;
    // The clipboard is not there for pages from plain http; the older way is.
    if (navigator.clipboard === undefined) document.execCommand("copy");
    else navigator.clipboard.writeText(text).catch(() => document.execCommand("copy"));
    this.#terminal.clearSelection();
  }
}
