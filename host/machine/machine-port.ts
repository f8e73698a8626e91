import { type VirtioConsolePort, WAITING_MAX } from "../devices/virtio/console-port.js";
import { assert } from "../util/errors.js";
import type { Input } from "./history/input.js";

export type PortInput = Extract<Input, { kind: "port-write" | "port-discard" | "port-close" }>;

/** The host's end of a byte stream between host and guest: what the guest has no room for yet waits here. */
export class MachinePort {
  readonly #port: VirtioConsolePort;
  readonly #enter: (input: PortInput) => void;
  readonly #waiting: Uint8Array[] = [];
  #isClosed = false;

  /** @param enter lets what is done to the port reach `apply`, now or later; at once unless given */
  constructor(port: VirtioConsolePort, enter?: (input: PortInput) => void) {
    this.#port = port;
    this.#enter = enter ?? ((input) => this.apply(input));
  }

  /** Whether a program in the guest has the port open. */
  get open(): boolean {
    return this.#port.open;
  }

  /** Bytes that there was no room for yet. */
  get waitingByteLength(): number {
    return this.#waiting.reduce((sum, { length }) => sum + length, 0);
  }

  /**
   * Sends to the guest, now or when it opens the port. Not after `close`. What one call writes is with the guest's
   * device whole or not at all, up to WAITING_MAX bytes: a machine that is saved in between has no half message.
   */
  write(bytes: Uint8Array): void {
    assert(!this.#isClosed, `port ${this.#port.name}: write after close`);
    if (bytes.length > 0) this.#enter({ kind: "port-write", port: this.#port.name, bytes: Uint8Array.from(bytes) });
  }

  /** Takes back what has not reached the guest's device, write by write. */
  takeWaiting(): Uint8Array[] {
    return this.#waiting.splice(0);
  }

  /** Forgets what has not reached the guest's device. */
  discard(): void {
    this.#enter({ kind: "port-discard", port: this.#port.name });
  }

  /** The guest reads an end of file after everything that was written. */
  close(): void {
    this.#enter({ kind: "port-close", port: this.#port.name });
  }

  /** What was done to the port has reached the machine. */
  apply(input: PortInput): void {
    switch (input.kind) {
      case "port-write":
        this.#waiting.push(input.bytes);
        // Behind bytes that wait, these wait too: `writable` will call.
        if (this.#waiting.length === 1) this.feed();
        return;
      case "port-discard":
        this.#waiting.length = 0;
        return;
      case "port-close":
        this.#isClosed = true;
        if (this.#waiting.length === 0) this.#port.close();
        return;
    }
  }

  /** Hands over what there is room for. */
  feed(): void {
    for (;;) {
      const first = this.#waiting[0];
      if (first === undefined) break;
      const isMessage = first.length <= WAITING_MAX;
      const taken = isMessage ? Number(this.#port.writeWhole(first)) * first.length : this.#port.write(first);
      if (taken < first.length) {
        this.#waiting[0] = first.subarray(taken);
        return;
      }
      this.#waiting.shift();
    }
    if (this.#isClosed) this.#port.close();
  }
}
