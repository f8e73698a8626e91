import type { GuestTerminal } from "../terminal/guest-terminal.js";

interface Key {
  readonly label: string;
  readonly name?: string;
  /** What it sends, given whether the guest wants application cursor keys. */
  readonly sends: (application: boolean) => string;
}

const ESC = "\u001b";
const cursor =
  (letter: string) =>
  (application: boolean): string =>
    `${ESC}${application ? "O" : "["}${letter}`;

const KEYS: readonly Key[] = [
  { label: "Esc", sends: () => ESC },
  { label: "Tab", sends: () => "\t" },
  { label: "↑", name: "Up", sends: cursor("A") },
  { label: "↓", name: "Down", sends: cursor("B") },
  { label: "←", name: "Left", sends: cursor("D") },
  { label: "→", name: "Right", sends: cursor("C") },
  { label: "|", sends: () => "|" },
  { label: "/", sends: () => "/" },
  { label: "-", sends: () => "-" },
  { label: "~", sends: () => "~" },
];

/** The keys that a touch keyboard lacks, and Ctrl for the one typed after it. */
export class KeyRow {
  readonly #terminal: GuestTerminal;
  readonly #control: HTMLButtonElement;

  /** @param onPasteFailure told when the browser does not let the page read the clipboard */
  constructor(element: HTMLElement, terminal: GuestTerminal, onPasteFailure: () => void) {
    this.#terminal = terminal;
    this.#control = button("Ctrl", undefined, () => this.#setControl(!this.#isControl));
    this.#control.setAttribute("aria-pressed", "false");
    const [first, ...others] = KEYS.map(({ label, name, sends }) =>
      button(label, name, () => this.#terminal.type(sends(this.#terminal.hasApplicationCursor))),
    );
    const paste = button("Paste", undefined, () => {
      navigator.clipboard?.readText().then((text) => this.#terminal.paste(text), onPasteFailure) ?? onPasteFailure();
    });
    element.append(first!, this.#control, ...others, paste);
  }

  /** What typed bytes become when Ctrl is on: it counts for one key. */
  apply(bytes: Uint8Array): Uint8Array {
    if (!this.#isControl || bytes.length !== 1) return bytes;
    this.#setControl(false);
    return Uint8Array.of(bytes[0]! & CONTROL_MASK);
  }

  get #isControl(): boolean {
    return this.#control.getAttribute("aria-pressed") === "true";
  }

  #setControl(on: boolean): void {
    this.#control.setAttribute("aria-pressed", String(on));
  }
}

/** What Ctrl leaves of a letter. */
const CONTROL_MASK = 0x1f;

function button(label: string, name: string | undefined, press: () => void): HTMLButtonElement {
  const element = document.createElement("button");
  element.type = "button";
  element.textContent = label;
  if (name !== undefined) element.setAttribute("aria-label", name);
  // The terminal keeps the focus, and with it the keyboard stays open.
  element.addEventListener("pointerdown", (event) => event.preventDefault());
  element.addEventListener("click", press);
  return element;
}
