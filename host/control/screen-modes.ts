const ESCAPE = 0x1b;
const LEFT_BRACKET = 0x5b;
const QUESTION_MARK = 0x3f;
const SEMICOLON = 0x3b;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const LOWER_H = 0x68;
const LOWER_L = 0x6c;
const LINE_FEED = 0x0a;

const MODE_WRAP = 7;
const MODE_CURSOR = 25;
/** On unless something has switched them off. */
const ON_BY_DEFAULT: ReadonlySet<number> = new Set([MODE_WRAP, MODE_CURSOR]);
/** Terminals know modes up to a few thousand. */
const MODE_MAX = 9999;
/** Longest list of modes in one sequence that is read, in characters. */
const PARAMETERS_LENGTH_MAX = 64;

/** Where in `ESC [ ? Pm h` the bytes are. */
type Place = "text" | "escape" | "bracket" | "parameters";

/**
 * Follows which private modes (DECSET and DECRST, ECMA-48 and xterm's ctlseqs) a full-screen program has switched on
 * in a terminal: the other screen, a hidden cursor, mouse reports. Who takes the terminal away from the program has
 * to undo them in its place.
 */
export class ScreenModes {
  readonly #changed = new Set<number>();
  #place: Place = "text";
  #parameters = "";
  #last = LINE_FEED;

  /** Takes what goes to the terminal. */
  write(bytes: Uint8Array): void {
    for (const byte of bytes) {
      this.#place = this.#step(byte);
      this.#last = byte;
    }
  }

  /** What brings the terminal back to where it was, at the start of a line; empty when it is there. */
  undo(): string {
    const modes = [...this.#changed].map((mode) => `\u001b[?${mode}${ON_BY_DEFAULT.has(mode) ? "h" : "l"}`);
    this.#changed.clear();
    const newLine = this.#last === LINE_FEED ? "" : "\u001b[m\n";
    this.#last = LINE_FEED;
    return modes.join("") + newLine;
  }

  #step(byte: number): Place {
    if (byte === ESCAPE) return "escape";
    switch (this.#place) {
      case "text":
        return "text";
      case "escape":
        return byte === LEFT_BRACKET ? "bracket" : "text";
      case "bracket":
        this.#parameters = "";
        return byte === QUESTION_MARK ? "parameters" : "text";
      case "parameters":
        if ((byte >= DIGIT_0 && byte <= DIGIT_9) || byte === SEMICOLON) {
          this.#parameters += String.fromCharCode(byte);
          return this.#parameters.length > PARAMETERS_LENGTH_MAX ? "text" : "parameters";
        }
        if (byte === LOWER_H || byte === LOWER_L) this.#set(byte === LOWER_H);
        return "text";
    }
  }

  #set(on: boolean): void {
    for (const parameter of this.#parameters.split(";")) {
      const mode = Number(parameter);
      if (parameter === "" || mode > MODE_MAX) continue;
      if (on === ON_BY_DEFAULT.has(mode)) this.#changed.delete(mode);
      else this.#changed.add(mode);
    }
  }
}
