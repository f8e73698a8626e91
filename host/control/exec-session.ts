import type { ByteSink } from "../devices/device.js";
import {
  type ExecStatus,
  ExecStatusReader,
  encodeExecRequest,
  exitCodeOf,
  PORT_CONTROL,
  PORT_STDERR,
  PORT_STDIN,
  PORT_STDOUT,
} from "../images/exec-protocol.js";
import type { ConsolePort, Halt } from "../machine/machine.js";
import { assert, unreachable } from "../util/errors.js";
import { ConsoleTail } from "./console-tail.js";
import { ConsoleWatch } from "./console-watch.js";
import type { GuestEnd } from "./guest-end.js";
import type { Guest, Session } from "./guest-run.js";
import { InputGate } from "./input-gate.js";

/** Where the command's output goes. */
export interface ExecOutputs {
  readonly stdout: ByteSink;
  readonly stderr: ByteSink;
}

/** Runs one command in an image's guest: see `images/exec-protocol.ts` for what is said on which port. */
export class ExecSession implements Session {
  readonly #request: Uint8Array;
  readonly #status = new ExecStatusReader();
  readonly #watch = new ConsoleWatch();
  readonly #console = new ConsoleTail();
  readonly #gate = new InputGate();
  /** Input can come before there is a machine for it. */
  readonly #attached: Promise<Guest>;
  #onAttached: (guest: Guest) => void = () => {};
  #guest: Guest | null = null;
  #answer: ExecStatus | null = null;
  #ready = false;

  /** What the guest writes to its console: nobody's output, but the only trace when it does not come up. */
  readonly serial: ByteSink = { write: (bytes) => this.#listen(bytes) };

  /** In the order in which the protocol wants them opened. */
  readonly ports: readonly ConsolePort[];

  /** @throws VivariumError `exec.command` when the guest cannot be given the command */
  constructor(command: string, outputs: ExecOutputs) {
    this.#request = encodeExecRequest(command);
    this.#attached = new Promise((resolve) => {
      this.#onAttached = resolve;
    });
    this.ports = [
      { name: PORT_STDIN, receive: () => {} },
      { name: PORT_STDOUT, receive: (bytes) => outputs.stdout.write(bytes) },
      { name: PORT_STDERR, receive: (bytes) => outputs.stderr.write(bytes) },
      { name: PORT_CONTROL, receive: (bytes) => this.#receiveControl(bytes) },
    ];
  }

  /** Whether the guest has come as far as to ask for the command. */
  get ready(): boolean {
    return this.#ready;
  }

  /** The end of what the guest wrote to its console. */
  get consoleTail(): Uint8Array {
    return this.#console.bytes();
  }

  /** Gives the command to a machine that has not run yet. */
  attach(guest: Guest): void {
    assert(this.#guest === null, "a command runs in one machine only");
    this.#guest = guest;
    guest.port(PORT_CONTROL).write(this.#request);
    this.#onAttached(guest);
  }

  poll(): void {
    this.#gate.poll();
    this.#ready ||= this.#guest?.port(PORT_CONTROL).open ?? false;
  }

  /** Hands on what came on our standard input. Resolves when there is room for more. */
  async input(bytes: Uint8Array): Promise<void> {
    const guest = await this.#attached;
    await this.#gate.write(guest.port(PORT_STDIN), bytes);
  }

  /** Our standard input has ended. */
  async endInput(): Promise<void> {
    const guest = await this.#attached;
    guest.port(PORT_STDIN).close();
  }

  /** How the run ended; a command's guest is never restarted. */
  conclude(halt: Halt): GuestEnd {
    if (this.#answer !== null) return { kind: "command", status: exitCodeOf(this.#answer) };
    const { panic } = this.#watch;
    switch (halt.kind) {
      case "reboot":
        return panic === null ? halt : { kind: "panic", message: panic };
      case "poweroff":
      case "fail":
      case "htif":
        return halt;
      case "stopped":
        assert(panic !== null, "the machine stopped, but nobody stopped it");
        return { kind: "panic", message: panic };
      default:
        return unreachable(halt);
    }
  }

  #receiveControl(bytes: Uint8Array): void {
    if (this.#answer !== null) return;
    this.#answer = this.#status.push(bytes);
    // The guest answers when it has closed both outputs, and what it wrote there was received as it wrote it.
    if (this.#answer !== null) this.#guest?.port(PORT_CONTROL).close();
  }

  #listen(bytes: Uint8Array): void {
    this.#console.write(bytes);
    this.#watch.write(bytes);
    if (this.#watch.hung) this.#guest?.stop();
  }
}
