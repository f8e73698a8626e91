import type { ByteSink } from "../devices/device.js";
import type { ConsolePort, Halt, MachineStats } from "../machine/machine.js";
import type { GuestEnd } from "./guest-end.js";
import type { RunReport } from "./run-report.js";

/** Bytes on their way to the guest. */
export interface GuestInput extends ByteSink {
  /** Bytes written that the guest has not taken yet. */
  readonly waitingByteLength: number;
}

/** The host's end of a virtio-console port. */
export interface GuestPort extends GuestInput {
  /** Whether the guest has opened it. */
  readonly open: boolean;
  /** The guest reads an end of file after what was written. */
  close(): void;
}

/** A machine as a session sees it. */
export interface Guest {
  readonly serialInput: GuestInput;
  port(name: string): GuestPort;
  resizeConsole(columns: number, rows: number): void;
  /** Ends the machine's run where it is. */
  stop(): void;
}

/** A machine as it is run. */
export interface RunnableGuest extends Guest {
  run(): Promise<Halt>;
  stats(): MachineStats;
  stateHash(): string;
}

/** What is connected to the machines of a run. */
export interface Session {
  /** The machine's serial output goes here. */
  readonly serial: ByteSink;
  /** The virtio-console ports of each machine, in this order. */
  readonly ports: readonly ConsolePort[];
  /** The machine that runs next. */
  attach(guest: Guest): void;
  /** Called between slices of the guest's time. */
  poll(): void;
  /** Whether the guest has come up. */
  readonly ready: boolean;
  /** What the machine's halt means: the end of the run, or null for another machine. */
  conclude(halt: Halt): GuestEnd | null;
}

export interface RunResult {
  readonly end: GuestEnd;
  readonly report: RunReport;
}

export interface GuestRunOptions {
  /** Makes a machine that is connected to the session, in its power-on state or where it was left. */
  readonly create: () => Promise<RunnableGuest>;
  readonly session: Session;
  /** Whether the report has the state hash, which takes a look at all of RAM. */
  readonly hash: boolean;
  /** Called when the run shall end, whoever wanted it. */
  readonly onStop: () => void;
  readonly monotonicMs: () => number;
  /** Lets signals and input come in. */
  readonly yieldToEvents: () => Promise<void>;
  /** Called once, when a guest has come up. */
  readonly onReady?: () => void;
}

/** Runs machine after machine, as the guest restarts itself, until the session is over or somebody ends it. */
export class GuestRun {
  readonly #options: GuestRunOptions;
  #machine: RunnableGuest | null = null;
  readonly #exits: Record<string, number> = {};
  #instructions = 0n;
  #startedMs = 0;
  #signal: number | null = null;
  #boot: RunReport["boot"];

  constructor(options: GuestRunOptions) {
    this.#options = options;
  }

  /** Ends the run because the program received a signal. The first one counts. */
  end(signal: number): void {
    this.#signal ??= signal;
    this.#stop();
  }

  /** To be called between slices of the guest's time. */
  poll(): void {
    const { session, monotonicMs } = this.#options;
    session.poll();
    if (this.#boot !== undefined || !session.ready || this.#machine === null) return;
    this.#boot = {
      elapsedMs: monotonicMs() - this.#startedMs,
      instructions: this.#machine.stats().instructions,
    };
    this.#options.onReady?.();
  }

  async untilEnd(): Promise<RunResult> {
    const { create, session, monotonicMs, yieldToEvents } = this.#options;
    this.#startedMs = monotonicMs();
    for (;;) {
      const machine = await create();
      this.#machine = machine;
      session.attach({
        serialInput: machine.serialInput,
        port: (name) => machine.port(name),
        resizeConsole: (columns, rows) => machine.resizeConsole(columns, rows),
        stop: () => this.#stop(),
      });
      if (this.#signal !== null) machine.stop();
      const halt = await machine.run();
      this.poll();
      const end = this.#signal === null ? session.conclude(halt) : ({ kind: "signal", number: this.#signal } as const);
      this.#count(machine.stats());
      if (end !== null) return { end, report: this.#report(machine) };
      // A guest that resets itself at once never gives way by itself.
      await yieldToEvents();
    }
  }

  #stop(): void {
    this.#machine?.stop();
    this.#options.onStop();
  }

  #count({ instructions, exits }: MachineStats): void {
    this.#instructions += instructions;
    for (const [reason, count] of Object.entries(exits)) this.#exits[reason] = (this.#exits[reason] ?? 0) + count;
  }

  #report(last: RunnableGuest): RunReport {
    return {
      instructions: this.#instructions,
      elapsedMs: this.#options.monotonicMs() - this.#startedMs,
      exits: this.#exits,
      ...(this.#boot === undefined ? {} : { boot: this.#boot }),
      ...(this.#options.hash ? { stateHash: last.stateHash() } : {}),
    };
  }
}
