/** More than a screen and its scrollback of an ordinary session. */
const TAIL_BYTE_LENGTH = 64 * 1024;

/** The last of what the guest has written: saved with the machine, it is on the screen again when that goes on. */
export class ConsoleTail {
  #bytes: Uint8Array = new Uint8Array();

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  assign(bytes: Uint8Array): void {
    this.#bytes = bytes;
  }

  append(bytes: Uint8Array): void {
    const whole = new Uint8Array(this.#bytes.length + bytes.length);
    whole.set(this.#bytes);
    whole.set(bytes, this.#bytes.length);
    this.#bytes = whole.slice(-TAIL_BYTE_LENGTH);
  }
}
