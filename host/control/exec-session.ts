import type { ByteSink } from "../devices/device.js";
import { AgentClient } from "../guest-agent/agent-client.js";
import type { AgentProcess, ExitStatus, ProcessEvents } from "../guest-agent/agent-process.js";
import { AGENT_PORT } from "../guest-agent/protocol.js";
import { shellCommand, USUAL_ENVIRONMENT } from "../guest-agent/shell.js";
import type { ConsolePort, Halt } from "../machine/machine.js";
import { assert, unreachable, VivariumError } from "../util/errors.js";
import { ConsoleTail } from "./console-tail.js";
import { ConsoleWatch } from "./console-watch.js";
import { type GuestEnd, signalStatus } from "./guest-end.js";
import type { Guest, Session } from "./guest-run.js";

/** Where the command's output goes. */
export interface ExecOutputs {
  readonly stdout: ByteSink;
  readonly stderr: ByteSink;
}

/** What a session needs of the host for a machine that was, or will be, somebody else's. */
export interface KeptServices {
  randomBytes(into: Uint8Array): void;
  /** Since 1970. */
  nowMs(): number;
}

const MS_PER_S = 1000;

/** Runs one command in an image's guest by its agent, and lets the guest switch itself off. */
export class ExecSession implements Session {
  readonly #kept: KeptServices | null;
  readonly #client: AgentClient;
  readonly #process: AgentProcess;
  readonly #watch = new ConsoleWatch();
  readonly #console = new ConsoleTail();
  #guest: Guest | null = null;
  #answer: ExitStatus | null = null;
  #failure: VivariumError | null = null;
  #ready = false;

  /** What the guest writes to its console: nobody's output, but the only trace when it does not come up. */
  readonly serial: ByteSink = { write: (bytes) => this.#listen(bytes) };
  readonly ports: readonly ConsolePort[];

  /**
   * @param kept for a machine that goes on afterwards, or went on from where it was: it is stopped where it is, what its
   *   agent still has to say of an earlier session is told from this one's by random bytes, and a clock that stood still
   *   is set before the command sees it
   * @throws VivariumError `exec/arguments` when the guest cannot be given the command
   */
  constructor(command: string, outputs: ExecOutputs, kept?: KeptServices) {
    this.#kept = kept ?? null;
    this.#client = new AgentClient({
      send: (frame) => this.#guest?.port(AGENT_PORT).write(frame),
      // A machine that is switched on for this session has no earlier one to be told from; and under the virtual
      // clock every run has to be the same.
      randomBytes: (into) => (kept === undefined ? into.fill(0) : kept.randomBytes(into)),
    });
    this.ports = [
      {
        name: AGENT_PORT,
        receive: (bytes) => this.#client.receive(bytes),
        openChanged: (open) => this.#client.openChanged(open),
      },
    ];
    this.#client.whenReady(() => {
      this.#ready = true;
    });
    const events: ProcessEvents = {
      output: (stream, bytes) => {
        // Who reads slowly holds the whole guest back: see `runMachines`.
        outputs[stream].write(bytes);
        this.#process.consumed(stream, bytes.length);
      },
      exited: (status) => {
        this.#answer = status;
        if (kept === undefined) this.#client.quit();
        else this.#guest?.stop();
      },
      failed: (error) => {
        this.#failure = error;
        this.#guest?.stop();
      },
    };
    this.#process = this.#client.start(shellCommand(command), events, true);
  }

  /** Whether the guest has come as far as to take the command. */
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
    const goesOn = guest.port(AGENT_PORT).open;
    if (goesOn && this.#kept !== null) this.#client.whenReady(() => this.#setClock(this.#kept!.nowMs()));
    else this.#client.release(this.#process);
    if (goesOn) this.#client.openChanged(true);
  }

  poll(): void {}

  /** Hands on what came on our standard input. Resolves when there is room for more; what nobody reads is dropped. */
  async input(bytes: Uint8Array): Promise<void> {
    try {
      await this.#process.write(bytes);
    } catch (error) {
      if (!(error instanceof VivariumError)) throw error;
    }
  }

  /** Our standard input has ended. */
  endInput(): void {
    this.#process.closeInput();
  }

  /** How the run ended; a command's guest is never restarted. */
  conclude(halt: Halt): GuestEnd {
    if (this.#answer !== null) return { kind: "command", status: statusOf(this.#answer) };
    const { panic } = this.#watch;
    switch (halt.kind) {
      case "reboot":
        return panic === null ? halt : { kind: "panic", message: panic };
      case "poweroff":
      case "fail":
      case "htif":
        return halt;
      case "stopped":
        if (panic !== null) return { kind: "panic", message: panic };
        assert(this.#failure !== null, "the machine stopped, but nobody stopped it");
        return { kind: "lost", message: this.#failure.message };
      default:
        return unreachable(halt);
    }
  }

  /** The guest's clock stood still while it was saved; the command comes after, whether it can be set or not. */
  #setClock(nowMs: number): void {
    const argv = ["date", "-s", `@${Math.round(nowMs / MS_PER_S)}`];
    const release = () => this.#client.release(this.#process);
    const events = { output: () => {}, exited: release, failed: release };
    this.#client.start({ argv, directory: ".", environment: USUAL_ENVIRONMENT }, events);
  }

  #listen(bytes: Uint8Array): void {
    this.#console.write(bytes);
    this.#watch.write(bytes);
    if (this.#watch.hung) this.#guest?.stop();
  }
}

function statusOf(answer: ExitStatus): number {
  switch (answer.kind) {
    case "exit":
      return answer.code;
    case "signal":
      return signalStatus(answer.number);
  }
}
