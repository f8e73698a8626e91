import type { ByteSink } from "../devices/device.js";
import type { Halt } from "../machine/machine.js";
import { assert, unreachable } from "../util/errors.js";
import { ConsoleWatch } from "./console-watch.js";
import { ESCAPE_HELP, EscapeKeys } from "./escape-keys.js";
import type { GuestEnd } from "./guest-end.js";

/** What a session at the console does to the machine. */
export interface ConsoleGuest {
  readonly serialInput: ByteSink;
  resizeConsole(columns: number, rows: number): void;
  stop(): void;
}

/** The operator's side of the console. */
export interface ConsoleOperator {
  /** Receives what the guest writes, byte for byte. */
  readonly screen: ByteSink;
  /** Receives our own lines. */
  notice(line: string): void;
  /** Whether a person types: then there are escape keys, and a hung guest is left to the person. */
  readonly interactive: boolean;
}

/** Connects an operator with the serial console of one machine after the other, as the guest restarts. */
export class ConsoleSession {
  readonly #operator: ConsoleOperator;
  readonly #keys = new EscapeKeys();
  readonly #onReady: () => void;
  #watch = new ConsoleWatch();
  #guest: ConsoleGuest | null = null;
  #size: { readonly columns: number; readonly rows: number } | null = null;
  #left = false;
  #noticed = false;

  /** @param onReady called when a guest shows its first prompt */
  constructor(operator: ConsoleOperator, onReady: () => void) {
    this.#operator = operator;
    this.#onReady = onReady;
  }

  /** The machine's serial output goes here. */
  readonly serial: ByteSink = { write: (bytes) => this.#show(bytes) };

  /** Starts over with a new machine, which has not run yet. */
  attach(guest: ConsoleGuest): void {
    this.#guest = guest;
    this.#watch = new ConsoleWatch();
    this.#noticed = false;
    if (this.#size !== null) guest.resizeConsole(this.#size.columns, this.#size.rows);
    if (this.#left) guest.stop();
  }

  /** Takes what was typed. */
  type(bytes: Uint8Array): void {
    if (!this.#operator.interactive) {
      this.#guest?.serialInput.write(bytes);
      return;
    }
    const { forwarded, commands } = this.#keys.take(bytes);
    if (forwarded.length > 0) this.#guest?.serialInput.write(forwarded);
    for (const command of commands) {
      switch (command) {
        case "leave":
          this.#left = true;
          this.#guest?.stop();
          break;
        case "help":
          for (const line of ["", ...ESCAPE_HELP]) this.#operator.notice(line);
          break;
      }
    }
  }

  resize(columns: number, rows: number): void {
    this.#size = { columns, rows };
    this.#guest?.resizeConsole(columns, rows);
  }

  /** What the machine's halt means: the end of the session, or null when the guest wants to start again. */
  conclude(halt: Halt): GuestEnd | null {
    if (this.#left) return { kind: "left" };
    switch (halt.kind) {
      case "poweroff":
      case "fail":
      case "htif":
        return halt;
      case "reboot":
        return this.#panicEnd();
      case "stopped": {
        const end = this.#panicEnd();
        assert(end !== null, "the machine stopped, but nobody stopped it");
        return end;
      }
      default:
        return unreachable(halt);
    }
  }

  #panicEnd(): GuestEnd | null {
    return this.#watch.panic === null ? null : { kind: "panic", message: this.#watch.panic };
  }

  #show(bytes: Uint8Array): void {
    this.#operator.screen.write(bytes);
    const prompted = this.#watch.prompted;
    this.#watch.write(bytes);
    if (!prompted && this.#watch.prompted) this.#onReady();
    if (!this.#watch.hung || this.#noticed) return;
    this.#noticed = true;
    // A program in the guest can print the same lines, so a person decides whether this is the end.
    if (this.#operator.interactive) this.#operator.notice("viv: the guest panicked; Ctrl-A X leaves");
    else this.#guest?.stop();
  }
}
