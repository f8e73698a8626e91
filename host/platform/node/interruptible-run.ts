import type { GuestInput, GuestPort, RunnableGuest } from "../../control/guest-run.js";
import type { Halt, MachineStats } from "../../machine/machine.js";

/** Somebody who wants the guest to stand still. */
interface Interruption {
  /** The guest stands still. */
  readonly begun: () => void;
  /** It may go on. */
  readonly ended: Promise<unknown>;
}

/** A machine's run that can be interrupted, for what takes longer than the moment between two slices. */
export class InterruptibleRun implements RunnableGuest {
  readonly #machine: RunnableGuest;
  readonly #waiting: Interruption[] = [];
  #isRunning = false;
  #isStopped = false;

  constructor(machine: RunnableGuest) {
    this.#machine = machine;
  }

  get serialInput(): GuestInput {
    return this.#machine.serialInput;
  }

  port(name: string): GuestPort {
    return this.#machine.port(name);
  }

  resizeConsole(columns: number, rows: number): void {
    this.#machine.resizeConsole(columns, rows);
  }

  stats(): MachineStats {
    return this.#machine.stats();
  }

  stateHash(): string {
    return this.#machine.stateHash();
  }

  stop(): void {
    this.#isStopped = true;
    this.#machine.stop();
  }

  async run(): Promise<Halt> {
    this.#isRunning = true;
    try {
      for (;;) {
        const halt = await this.#machine.run();
        const isInterrupted = this.#waiting.length > 0;
        await this.#letInterrupt();
        if (halt.kind !== "stopped" || !isInterrupted || this.#isStopped) return halt;
      }
    } finally {
      this.#isRunning = false;
      await this.#letInterrupt();
    }
  }

  /** Does something while the guest stands still; it runs on then, unless it was stopped meanwhile. */
  async interrupt<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#isRunning) return work();
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const stands = new Promise<void>((begun) => this.#waiting.push({ begun, ended }));
    this.#machine.stop();
    try {
      await stands;
      return await work();
    } finally {
      end();
    }
  }

  async #letInterrupt(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      next.begun();
      await next.ended;
    }
  }
}
