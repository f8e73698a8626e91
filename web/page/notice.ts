import { element } from "./elements.js";

/** How long good news stays. Bad news stays until it is dismissed or something better happens. */
const INFO_MS = 5000;

/** One line between bar and terminal. */
export class Notice {
  readonly #line = element("notice", HTMLElement);
  readonly #text = element("notice-text", HTMLElement);
  #timer = 0;

  constructor(onDismiss: () => void) {
    element("notice-close", HTMLButtonElement).addEventListener("click", () => {
      this.clear();
      onDismiss();
    });
  }

  info(text: string): void {
    this.#show("info", text);
    this.#timer = setTimeout(() => this.clear(), INFO_MS);
  }

  error(text: string): void {
    this.#show("error", text);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#line.hidden = true;
  }

  #show(kind: "info" | "error", text: string): void {
    clearTimeout(this.#timer);
    this.#line.dataset.kind = kind;
    this.#line.setAttribute("role", kind === "error" ? "alert" : "status");
    this.#text.textContent = text;
    this.#line.hidden = false;
  }
}
