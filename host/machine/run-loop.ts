import { EXIT_BUDGET, EXIT_ECALL, EXIT_IDLE, EXIT_STOP, EXIT_STUCK } from "../../assembly/shared/exit.js";
import { assert } from "../util/errors.js";
import type { GuestClock } from "./clock.js";
import type { HostServices } from "./host-services.js";
import type { ProcessorTurn, ProcessorTurns } from "./processor-turns.js";

/** Why a machine stopped. */
export type Halt =
  | { readonly kind: "poweroff" }
  | { readonly kind: "reboot" }
  /** The guest reported failure through the test device or SBI, or stopped its last hart (code 1). */
  | { readonly kind: "fail"; readonly code: number }
  /** `stop` was called; `run` goes on where it was. */
  | { readonly kind: "stopped" }
  /** A bare program ended itself through `tohost`; testNumber is 0 when it succeeded. */
  | { readonly kind: "htif"; readonly exitCode: number; readonly testNumber: number };

/** The processor, as far as it is run. */
export interface RunnableProcessor {
  /** Retires `budget` instructions unless it stops for a reason. @returns an EXIT_ number */
  run(budget: number): number;
  /** With EXIT_ECALL: the hart that made the call. */
  readonly exitHart: number;
  /** Instructions retired by all harts. */
  readonly retired: bigint;
  /** Lets `run` return after the access that is being made. */
  requestStop(): void;
}

/** What the machine does around its slices of instructions. */
export interface SliceHooks {
  /** Instructions that a slice may have at most. */
  readonly budgetMax: number;
  /** Accesses of devices, since some moment. */
  readonly deviceAccesses: number;
  /** Whether a slice ends at its budget only, whatever time it takes: its end is part of a history. */
  readonly isUncut?: boolean;
  /** The machine wanted to run for so long and could not. */
  wasHeldBack(ms: number): void;
  /** What has to be waited for before the next slice, after which this is asked again; null when it can begin. */
  prepareSlice(): Promise<void> | null;
  /** Hands over what came from outside. */
  beforeSlice(): void;
  /** Answers an environment call. */
  serveCall(hart: number): void;
  /** Looks at what the guest has left behind. */
  afterSlice(): void;
  /** Resolves when the input and output is done that has to be done before the next slice. */
  drainSlice(): Promise<void>;
  /** Resolves when no input or output is in flight. */
  drain(): Promise<void>;
  /** Whether no hart can ever run again. */
  isDead(): boolean;
}

export type ExitReason = "budget" | "idle" | "ecall" | "stop" | "stuck";

/** An environment call costs a slice as much as so many instructions, or a guest could make a slice endless. */
const CALL_COST = 256;
/** Sleeps shorter than this end late: time is passed by yielding instead. */
const SLEEP_MS_MIN = 1;
/** Timers of hosts do not go further than 2^31 - 1 ms. */
const SLEEP_MS_MAX = 1_000_000_000;

/** Runs a processor in slices, gives the host its turn between them, and sleeps while the guest waits. */
export class RunLoop {
  readonly #processor: RunnableProcessor;
  readonly #clock: GuestClock;
  readonly #host: HostServices;
  readonly #hooks: SliceHooks;
  /** Null for a machine that shares its thread with no other. */
  readonly #turns: ProcessorTurns | null;
  readonly #exits: Record<ExitReason, number> = { budget: 0, idle: 0, ecall: 0, stop: 0, stuck: 0 };
  #halt: Halt | null = null;
  #isRunning = false;
  #isInProcessor = false;
  #isWoken = false;
  #deadlineMs = Number.POSITIVE_INFINITY;
  #isOverdue = false;
  #sleep: { wake(): void } | null = null;
  #elapsedMs = 0;
  readonly #jobs: (() => void)[] = [];
  #failure: { readonly error: unknown } | null = null;

  constructor(
    processor: RunnableProcessor,
    clock: GuestClock,
    host: HostServices,
    hooks: SliceHooks,
    turns: ProcessorTurns | null = null,
  ) {
    this.#processor = processor;
    this.#clock = clock;
    this.#host = host;
    this.#hooks = hooks;
    this.#turns = turns;
  }

  /** How often the processor came back, by reason. */
  get exits(): Readonly<Record<ExitReason, number>> {
    return this.#exits;
  }

  /** Whether `run` has been called and has not ended. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Time spent in `run`, sleep included. */
  get elapsedMs(): number {
    return this.#elapsedMs;
  }

  /** Runs until something halts the machine. */
  async run(): Promise<Halt> {
    assert(!this.#isRunning, "the machine is running already");
    this.#isRunning = true;
    try {
      return await this.#runUntilHalt();
    } finally {
      this.#isRunning = false;
      for (const job of this.#jobs.splice(0)) job();
    }
  }

  /** Ends the run after the instruction being executed. The first reason given counts. */
  halt(halt: Halt): void {
    this.#halt ??= halt;
    if (this.#isInProcessor) this.#processor.requestStop();
    this.wake();
    this.#turns?.leave();
  }

  /** Ends the run with an error, and lets nothing be done any more: the machine has lost a part of itself. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    if (this.#isInProcessor) this.#processor.requestStop();
    this.wake();
    this.#turns?.leave();
  }

  /** @throws what `fail` was called with */
  assertSound(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  /**
   * Does `job` between two slices, with no input or output in flight: soon if the machine is running, else now.
   *
   * @throws what `job` throws
   */
  async between<T>(job: () => T): Promise<T> {
    this.assertSound();
    if (!this.#isRunning) await this.#hooks.drain();
    if (!this.#isRunning) return job();
    const done = new Promise<T>((resolve, reject) => {
      this.#jobs.push(() => {
        try {
          this.assertSound();
          resolve(job());
        } catch (error) {
          reject(error);
        }
      });
    });
    this.wake();
    this.#turns?.leave();
    return done;
  }

  /** Something happened that may concern a guest that waits. */
  wake(): void {
    this.#isWoken = true;
    this.#sleep?.wake();
  }

  /** To be called now and then while the guest keeps devices busy: ends a turn that lasts too long. */
  checkDeadline(): void {
    if (!this.#isInProcessor || this.#host.monotonicMs() < this.#deadlineMs) return;
    this.#isOverdue = true;
    this.#processor.requestStop();
  }

  async #runUntilHalt(): Promise<Halt> {
    let lastMs = this.#host.monotonicMs();
    this.assertSound();
    while (this.#halt === null) {
      await this.#prepareSlice();
      if (this.#halt !== null) break;
      const last = this.#turns === null ? this.#slice() : await this.#sliceInTurn(this.#turns);
      this.assertSound();
      this.#hooks.afterSlice();
      if (this.#halt === null) {
        await this.#hooks.drainSlice();
        if (this.#jobs.length > 0) await this.#doJobs();
        await this.#host.yieldToEvents();
        if (!this.#isWoken) await this.#passIdleTime(last);
      }
      const nowMs = this.#host.monotonicMs();
      this.#elapsedMs += nowMs - lastMs;
      lastMs = nowMs;
    }
    await this.#doJobs();
    const halt = this.#halt;
    this.#halt = null;
    return halt;
  }

  async #prepareSlice(): Promise<void> {
    for (let ready = this.#hooks.prepareSlice(); ready !== null; ready = this.#hooks.prepareSlice()) {
      await ready;
      this.assertSound();
    }
    this.assertSound();
  }

  async #doJobs(): Promise<void> {
    await this.#hooks.drain();
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) job();
  }

  /** @returns the last reason why the processor came back */
  async #sliceInTurn(turns: ProcessorTurns): Promise<ExitReason> {
    const turn = await turns.take();
    // Somebody wants something of the machine before it is its turn.
    if (turn === null) return "stop";
    const { retired: firstRetired } = this.#processor;
    const firstAccess = this.#hooks.deviceAccesses;
    const startMs = this.#host.monotonicMs();
    const deadlineMs = this.#hooks.isUncut === true ? Number.POSITIVE_INFINITY : turn.deadlineMs;
    this.#deadlineMs = deadlineMs;
    this.#isOverdue = false;
    let waits = false;
    try {
      this.#hooks.wasHeldBack(turn.waitedMs);
      // Something may have come while it was not its turn.
      await this.#prepareSlice();
      if (this.#halt !== null) return "stop";
      const last = this.#slice({ ...turn, deadlineMs });
      waits = last === "idle";
      return last;
    } finally {
      this.#deadlineMs = Number.POSITIVE_INFINITY;
      turns.give({
        retired: Number(this.#processor.retired - firstRetired),
        elapsedMs: this.#host.monotonicMs() - startMs,
        deviceAccesses: this.#hooks.deviceAccesses - firstAccess,
        waits,
      });
    }
  }

  /** @returns the last reason why the processor came back */
  #slice(turn?: ProcessorTurn): ExitReason {
    this.#isWoken = false;
    this.#hooks.beforeSlice();
    const budget = this.#clock.startSlice(this.#hooks.budgetMax, turn?.budget);
    const start = this.#processor.retired;
    const retired = (): number => Number(this.#processor.retired - start);
    let calls = 0;
    for (let left = budget; ; left = budget - retired() - calls * CALL_COST) {
      const mayRun = left > 0 && this.#halt === null && this.#failure === null && !this.#isOverdue;
      const reason = mayRun ? this.#enter(left) : "budget";
      switch (reason) {
        case "ecall":
          this.#hooks.serveCall(this.#processor.exitHart);
          calls++;
          if (turn !== undefined && this.#host.monotonicMs() >= turn.deadlineMs) this.#isOverdue = true;
          break;
        case "stop":
          calls++;
          break;
        case "budget":
        case "idle":
        case "stuck":
          this.#clock.endSlice(retired(), reason === "budget");
          return reason;
      }
    }
  }

  #enter(budget: number): ExitReason {
    this.#isInProcessor = true;
    try {
      const reason = exitReason(this.#processor.run(budget));
      this.#exits[reason]++;
      return reason;
    } finally {
      this.#isInProcessor = false;
    }
  }

  async #passIdleTime(last: ExitReason): Promise<void> {
    switch (last) {
      case "idle":
        if (this.#hooks.isDead()) this.halt({ kind: "fail", code: 1 });
        else await this.#sleepFor(this.#clock.idleMs());
        return;
      case "stuck":
        return this.#sleepFor(this.#clock.stuckMs());
      case "budget":
      case "ecall":
      case "stop":
        return;
    }
  }

  async #sleepFor(ms: number): Promise<void> {
    // Who shares a thread does not pass the time by yielding: a timer that fires a little late costs others nothing.
    const isShared = this.#turns !== null;
    if (ms < SLEEP_MS_MIN && !(isShared && ms > 0)) return;
    const sleep = this.#host.sleep(Math.min(isShared ? Math.ceil(ms) : ms, SLEEP_MS_MAX));
    this.#sleep = sleep;
    await sleep.done;
    this.#sleep = null;
  }
}

function exitReason(exit: number): ExitReason {
  switch (exit) {
    case EXIT_BUDGET:
      return "budget";
    case EXIT_IDLE:
      return "idle";
    case EXIT_ECALL:
      return "ecall";
    case EXIT_STOP:
      return "stop";
    case EXIT_STUCK:
      return "stuck";
    default:
      assert(false, `the processor returned the unknown exit ${exit}`);
  }
}
