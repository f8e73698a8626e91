import type { GuestInput } from "./guest-run.js";

/** Bytes that may wait for the guest before whoever writes them has to wait, too. */
const WAITING_BYTE_LENGTH_MAX = 64 * 1024;

/** Keeps a fast writer from filling memory with input that a slow guest has not read. */
export class InputGate {
  #waiting: { readonly input: GuestInput; readonly resume: () => void } | null = null;

  /** Writes to the guest. Resolves when there is room for more; one write at a time. */
  async write(input: GuestInput, bytes: Uint8Array): Promise<void> {
    input.write(bytes);
    if (isOpen(input)) return;
    await new Promise<void>((resume) => {
      this.#waiting = { input, resume };
    });
  }

  /** To be called when the guest may have taken something. */
  poll(): void {
    if (this.#waiting === null || !isOpen(this.#waiting.input)) return;
    const { resume } = this.#waiting;
    this.#waiting = null;
    resume();
  }
}

function isOpen(input: GuestInput): boolean {
  return input.waitingByteLength <= WAITING_BYTE_LENGTH_MAX;
}
