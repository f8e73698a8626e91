import type { ByteSink } from "../devices/device.js";
import { encodeTerminalSize, PORT_CONTROL } from "../images/control-port.js";
import type { ConsolePort, Halt } from "../machine/machine.js";
import { assert, unreachable } from "../util/errors.js";
import { ConsoleTail } from "./console-tail.js";
import { ConsoleWatch } from "./console-watch.js";
import { ESCAPE_HELP, EscapeKeys } from "./escape-keys.js";
import type { GuestEnd } from "./guest-end.js";
import type { Guest, Session } from "./guest-run.js";
import { InputGate } from "./input-gate.js";

/** The operator's side of the console. */
export interface ConsoleOperator {
  /** Receives what the guest writes, byte for byte. */
  readonly screen: ByteSink;
  /** Receives our own lines. */
  notice(line: string): void;
  /** The operator wants a snapshot. */
  snapshot?(): void;
  /** Whether a person types: then there are escape keys, and a hung guest is left to the person. */
  readonly interactive: boolean;
}

/** Size of a terminal in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/**
 * Connects an operator with the serial console of one machine after the other, as the guest restarts.
 *
 * A serial line has no size, so a change goes out in two other ways: by the virtio console, and as a line on the
 * control port that an image's guest listens to.
 */
export class ConsoleSession implements Session {
  readonly serial: ByteSink = { write: (bytes) => this.#show(bytes) };
  readonly ports: readonly ConsolePort[] = [{ name: PORT_CONTROL, receive: () => {} }];

  readonly #operator: ConsoleOperator;
  readonly #keys = new EscapeKeys();
  readonly #gate = new InputGate();
  #watch = new ConsoleWatch();
  /** Input can come before there is a machine for it. */
  readonly #attached: Promise<void>;
  #onAttached: () => void = () => {};
  #guest: Guest | null = null;
  #size: TerminalSize | null;
  #told: TerminalSize | null = null;
  #left = false;
  #noticed = false;
  #ready = false;
  #typed = false;
  readonly #tail = new ConsoleTail();

  /** @param size of the operator's terminal, which the first machine knows from its command line; null without one */
  constructor(operator: ConsoleOperator, size: TerminalSize | null) {
    this.#operator = operator;
    this.#size = size;
    this.#attached = new Promise((resolve) => {
      this.#onAttached = resolve;
    });
  }

  /** Whether anything was typed, or sent in place of it. */
  get typed(): boolean {
    return this.#typed;
  }

  /** The end of what the guest wrote. */
  get consoleTail(): Uint8Array {
    return this.#tail.bytes();
  }

  /** Whether a guest has shown a prompt. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Shows what a machine that goes on from its file wrote last, as if it were written now. */
  replay(console: Uint8Array): void {
    this.#show(console);
  }

  /** Starts over with another machine, which has not run here yet. */
  attach(guest: Guest): void {
    this.#guest = guest;
    this.#watch = new ConsoleWatch();
    this.#noticed = false;
    this.#told = null;
    if (this.#size !== null) guest.resizeConsole(this.#size.columns, this.#size.rows);
    if (this.#left) guest.stop();
    this.#onAttached();
  }

  /** Tells the size to a guest that has just begun to listen. */
  poll(): void {
    this.#gate.poll();
    this.#tellSize();
  }

  /** Takes what a person typed, or what a program sends in place of one. Resolves when there is room for more. */
  async type(bytes: Uint8Array): Promise<void> {
    this.#typed = true;
    await this.#attached;
    if (this.#operator.interactive) this.#obey(bytes);
    else if (this.#guest !== null) await this.#gate.write(this.#guest.serialInput, bytes);
  }

  /** The operator's terminal has another size now. */
  resize(size: TerminalSize): void {
    this.#size = size;
    this.#guest?.resizeConsole(size.columns, size.rows);
    this.#tellSize();
  }

  /** What the machine's halt means: the end of the session, or null when the guest wants to start again. */
  conclude(halt: Halt): GuestEnd | null {
    if (this.#left && !this.#watch.hung) return { kind: "left" };
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

  /** Never waits: a person types slowly, and leaving has to work always. */
  #obey(bytes: Uint8Array): void {
    const { forwarded, commands } = this.#keys.take(bytes);
    if (forwarded.length > 0) this.#guest?.serialInput.write(forwarded);
    for (const command of commands) {
      switch (command) {
        case "leave":
          this.#left = true;
          this.#guest?.stop();
          break;
        case "snapshot":
          if (this.#operator.snapshot === undefined)
            this.#operator.notice("viv: this machine has no file: --save makes one");
          else this.#operator.snapshot();
          break;
        case "help":
          for (const line of ["", ...ESCAPE_HELP]) this.#operator.notice(line);
          break;
      }
    }
  }

  #panicEnd(): GuestEnd | null {
    return this.#watch.panic === null ? null : { kind: "panic", message: this.#watch.panic };
  }

  #tellSize(): void {
    if (this.#size === null || this.#told === this.#size) return;
    const control = this.#guest?.port(PORT_CONTROL);
    if (control === undefined || !control.open) return;
    control.write(encodeTerminalSize(this.#size.columns, this.#size.rows));
    this.#told = this.#size;
  }

  #show(bytes: Uint8Array): void {
    this.#tail.write(bytes);
    this.#operator.screen.write(bytes);
    this.#watch.write(bytes);
    this.#ready ||= this.#watch.prompted;
    if (!this.#watch.hung || this.#noticed) return;
    this.#noticed = true;
    // A program in the guest can print the same lines, so a person decides whether this is the end.
    if (this.#operator.interactive) this.#operator.notice("viv: the guest panicked; Ctrl-A X leaves");
    else this.#guest?.stop();
  }
}
