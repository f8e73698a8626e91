import { element } from "./elements.js";

const MIB = 1024 * 1024;

/** What stands where the terminal will be, while there is nothing to see in it. */
export class LoadingPanel {
  readonly #panel = element("loading", HTMLElement);
  readonly #text = element("loading-text", HTMLElement);
  readonly #bar = element("loading-bar", HTMLProgressElement);
  readonly #detail = element("loading-detail", HTMLElement);

  /** @param totalBytes null while nobody knows how long it takes */
  show(text: string, doneBytes: number, totalBytes: number | null): void {
    this.#panel.hidden = false;
    this.#text.textContent = text;
    if (totalBytes === null || totalBytes === 0) {
      this.#bar.removeAttribute("value");
      this.#detail.textContent = "\u00a0";
      return;
    }
    this.#bar.max = totalBytes;
    this.#bar.value = doneBytes;
    this.#detail.textContent = `${(doneBytes / MIB).toFixed(0)} of ${(totalBytes / MIB).toFixed(0)} MiB`;
  }

  hide(): void {
    this.#panel.hidden = true;
  }
}
