import { assert } from "../../util/errors.js";
import type { Eventual } from "../../util/task.js";
import type { HostServices } from "../host-services.js";
import type { MachineState } from "../machine-state.js";
import type { Halt } from "../run-loop.js";
import { type Border, type BorderedMachine, type Moment, PACE_UNIT, type Question, settleJobs } from "./border.js";
import type { Input } from "./input.js";
import { type Answer, type Entry, writeEntry } from "./record-entry.js";
import { type RecordValue, RecordWriter } from "./record-value.js";

/** Where a record goes. */
export interface RecordSink {
  /** Tells the history from others in the same place. */
  readonly history: number;
  /** Keeps the next piece. Pieces come in order; the first is number 0. */
  write(piece: Uint8Array, retired: bigint): Promise<void>;
  /** Keeps a state from which the history can be run again. */
  keep(state: MachineState): Promise<void>;
  /** The history is over. */
  end(end: RecordEnd): Promise<void>;
}

export interface RecordEnd {
  readonly retired: bigint;
  readonly stateHash: string;
  readonly halt: Halt;
}

export interface RecorderOptions {
  readonly host: HostServices;
  /** Called once when recording has to end before the machine does; the machine runs on. */
  readonly onFailure: (error: unknown) => void;
}

/** A piece goes to the sink when it has become so long or so old: what a crash can lose. */
const PIECE_BYTE_LENGTH = 64 * 1024;
const PIECE_AGE_MS = 2000;
/** The guest waits when so much is on its way to the sink. */
const BACKLOG_BYTE_LENGTH_MAX = 16 << 20;
/** One slice may hear no more from the world. */
const ENTRY_BYTE_LENGTH_MAX = 32 << 20;
/** Harts and devices are compared so often when a history is run again. */
const CHECK_INSTRUCTIONS = 1n << 27n;
/** A point to run it from is kept not more often, in instructions and in host time... */
const POINT_INSTRUCTIONS = 2_000_000_000n;
const POINT_MS = 10_000;
/** ...and only after the machine has run so many times as long as keeping the last one took. */
const POINT_COST_FACTOR = 20;

/** What the machine is doing when it asks, and the answers so far. */
interface Cause {
  readonly answers: Answer[];
  byteLength: number;
}

/**
 * The border of a machine whose history is written down. Until `begin` and after `end` everything passes in the same
 * order and at the same moments, and nothing is written.
 */
export class Recorder implements Border {
  readonly isLive = true;
  readonly #options: RecorderOptions;
  readonly #queue: Input[] = [];
  readonly #reopened: (() => void)[] = [];
  readonly #later = new Map<number, (value: RecordValue) => void>();
  #lastLater = 0;
  #machine: BorderedMachine | null = null;
  #cause: Cause | null = null;
  /** While the guest is executed nothing enters. */
  #isInSlice = false;
  /** Resolves when what entered last has had its consequences. */
  #settling: Promise<void> | null = null;
  #isStopping = false;
  #arrived: (() => void) | null = null;
  #mtime = 0n;
  #slice = { budget: 1, pace: 0, ticks: 0n, before: 0n };

  #sink: RecordSink | null = null;
  #writer = new RecordWriter();
  #pieceCount = 0;
  #backlog = 0;
  #writing: Promise<void> = Promise.resolve();
  #flushTimer: { wake(): void } | null = null;
  #checkedAt = 0n;
  #pointAt = 0n;
  #pointDueMs = 0;
  #keepPoint: (() => Promise<MachineState>) | null = null;
  #isKeeping = false;
  #hasFailed = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Whether a history is being written. */
  get isRecording(): boolean {
    return this.#sink !== null;
  }

  /** Bytes on their way to the sink, or not yet. */
  get backlogByteLength(): number {
    return this.#backlog + this.#writer.byteLength;
  }

  attach(machine: BorderedMachine): void {
    this.#machine = machine;
    this.#mtime = machine.mtime;
  }

  /**
   * Begins a history where the machine stands, which nothing may be under way in.
   *
   * @param capture takes the machine's state while it runs, for points to run the history from
   */
  begin(sink: RecordSink, capture: () => Promise<MachineState>): void {
    assert(this.#sink === null, "a history is being recorded already");
    const { retired, mtime } = this.#attached;
    this.#sink = sink;
    this.#mtime = mtime;
    this.#writer = new RecordWriter();
    this.#pieceCount = 0;
    this.#hasFailed = false;
    this.#lastLater = 0;
    this.#checkedAt = retired;
    this.#pointAt = retired;
    this.#pointDueMs = this.#options.host.monotonicMs() + POINT_MS;
    this.#keepPoint = capture;
  }

  /**
   * Ends the history where the machine stands, after `drain`. Resolves when all of it is kept; null when recording had
   * ended before.
   */
  async end(halt: Halt): Promise<RecordEnd | null> {
    const sink = this.#sink;
    if (sink === null) return null;
    this.#noteWait();
    const { retired } = this.#attached;
    const end: RecordEnd = { retired, stateHash: this.#attached.stateHash(), halt };
    this.#write({ kind: "end", retired, hash: end.stateHash, halt });
    this.#flush();
    this.#sink = null;
    this.#flushTimer?.wake();
    await this.#writing;
    if (this.#hasFailed) return null;
    await sink.end(end);
    return end;
  }

  ask<T>(question: Question<T>, answer: () => RecordValue): T {
    const value = answer();
    this.#note(question.name, value);
    return question.read(value) ?? question.fallback;
  }

  askLater<T>(question: Question<T>, answer: () => Eventual<RecordValue>): Eventual<T> {
    const read = (value: RecordValue) => question.read(value) ?? question.fallback;
    const given = answer();
    if (!(given instanceof Promise)) {
      this.#note(question.name, { now: given });
      return read(given);
    }
    const number = ++this.#lastLater;
    this.#note(question.name, { later: number });
    const done = new Promise<RecordValue>((resolve) => this.#later.set(number, resolve));
    void given.then((value) => this.enter({ kind: "done", number, value }));
    return done.then(read);
  }

  enter(input: Input): void {
    this.#queue.push(input);
    this.#arrived?.();
    if (!this.isOpen) this.#attached.wake();
    else this.#letIn();
  }

  enterNow<T>(input: Input, act: () => T): T | null {
    if (!this.isOpen || this.#queue.length > 0) return null;
    return this.#during(input, act);
  }

  onReopened(callback: () => void): void {
    this.#reopened.push(callback);
  }

  get isOpen(): boolean {
    return !this.#isInSlice && this.#cause === null && this.#settling === null;
  }

  initialCable(): null {
    return null;
  }

  initialReadOnly(): null {
    return null;
  }

  prepareSlice(): Promise<void> | null {
    if (this.#settling !== null) return this.#settling;
    if (this.#backlog > BACKLOG_BYTE_LENGTH_MAX) return this.#writing;
    this.#beginPoint();
    return null;
  }

  beginSlice(): void {
    this.#isInSlice = true;
    this.#cause = { answers: [], byteLength: 0 };
    this.#slice.before = this.#attached.retired;
  }

  startClock(start: (() => number) | null): number {
    const machine = this.#attached;
    assert(start !== null, "a machine that is recorded has a clock of its own");
    const budget = start();
    this.#slice.budget = budget;
    this.#slice.ticks = BigInt.asUintN(64, machine.mtime - this.#mtime);
    return budget;
  }

  setPace(ticksPerInstruction: number): void {
    this.#slice.pace = Math.round(ticksPerInstruction * PACE_UNIT);
  }

  endSlice(): void {
    const { retired, mtime } = this.#attached;
    const { budget, pace, ticks, before } = this.#slice;
    this.#mtime = mtime;
    const { answers } = this.#endCause();
    this.#write({ kind: "slice", budget, pace, ticks, retired: Number(retired - before), answers });
    this.#isInSlice = false;
  }

  async drainSlice(): Promise<void> {
    await this.#whileClosed(() => this.#attached.drainOwn());
    this.#reopen();
    if (this.#attached.clock === "virtual") await this.drain();
    this.#check();
    if (this.#isStopping) this.#halt();
    if (this.#queue.length > 0) this.#attached.wake();
  }

  async drain(): Promise<void> {
    do {
      await this.#whileClosed(() => this.#attached.drainOwn());
      this.#reopen();
      while (this.#settling !== null) await this.#settling;
      if (this.#later.size > 0 && this.#queue.length === 0) {
        await new Promise<void>((resolve) => {
          this.#arrived = resolve;
        });
        this.#arrived = null;
      }
    } while (this.#later.size > 0 || this.#queue.length > 0 || this.#settling !== null);
    await this.#attached.drainAll();
  }

  stop(): void {
    this.#isStopping = true;
    if (this.#isInSlice) this.#attached.wake();
    else this.#halt();
  }

  captured(): Moment | null {
    const machine = this.#attached;
    const sink = this.#sink;
    if (sink === null) return null;
    this.#noteWait();
    const nowNs = machine.now();
    this.#cause = { answers: [], byteLength: 0 };
    machine.fireAlarms(nowNs);
    const isSettled = machine.settle();
    const { answers } = this.#endCause();
    this.#write({
      kind: "point",
      retired: machine.retired,
      nowNs,
      isSettled,
      hash: machine.checkHash(),
      answers,
    });
    // What comes next begins a piece, to be found from the point.
    this.#flush();
    const piece = this.#pieceCount;
    return isSettled ? { history: sink.history, piece, context: { nowNs, ...machine.context() } } : null;
  }

  get #attached(): BorderedMachine {
    assert(this.#machine !== null, "the recorder has no machine");
    return this.#machine;
  }

  /** For as long as `wait` takes, nothing enters. */
  async #whileClosed(wait: () => Promise<void>): Promise<void> {
    while (this.#settling !== null) await this.#settling;
    const settling = wait();
    this.#settling = settling;
    await settling;
    if (this.#settling === settling) this.#settling = null;
  }

  #reopen(): void {
    if (!this.isOpen) return;
    this.#letIn();
    if (this.isOpen) for (const callback of this.#reopened) callback();
  }

  #halt(): void {
    this.#isStopping = false;
    this.#attached.halt({ kind: "stopped" });
  }

  /** Lets in what waits, in its order; an answer that took its time has its consequences before the next. */
  #letIn(): void {
    for (let input = this.#queue.shift(); input !== undefined; input = this.#queue.shift()) {
      if (input.kind === "done") {
        this.#settling = this.#finish(input);
        return;
      }
      const entering = input;
      this.#during(entering, () => this.#attached.apply(entering));
    }
  }

  async #finish(input: Extract<Input, { kind: "done" }>): Promise<void> {
    this.#cause = { answers: [], byteLength: 0 };
    const resolve = this.#later.get(input.number);
    this.#later.delete(input.number);
    resolve?.(input.value);
    await settleJobs();
    this.#write({ kind: "input", input, answers: this.#endCause().answers });
    this.#settling = null;
    this.#attached.wake();
    this.#reopen();
  }

  #during<T>(input: Input, act: () => T): T {
    this.#cause = { answers: [], byteLength: 0 };
    const result = act();
    this.#write({ kind: "input", input, answers: this.#endCause().answers });
    this.#attached.wake();
    return result;
  }

  /** Virtual time that was passed since the last slice is part of what is compared or captured now. */
  #noteWait(): void {
    const { mtime } = this.#attached;
    if (mtime === this.#mtime) return;
    const input: Input = { kind: "wait", ticks: BigInt.asUintN(64, mtime - this.#mtime) };
    this.#mtime = mtime;
    this.#write({ kind: "input", input, answers: [] });
  }

  #endCause(): Cause {
    const cause = this.#cause;
    assert(cause !== null, "an entry of a record ends that has not begun");
    this.#cause = null;
    return cause;
  }

  #note(question: string, value: RecordValue): void {
    if (this.#cause === null || this.#sink === null) return;
    this.#cause.answers.push({ question, value });
    this.#cause.byteLength += lengthOf(value);
    if (this.#cause.byteLength > ENTRY_BYTE_LENGTH_MAX) {
      this.#fail(new RangeError(`more than ${ENTRY_BYTE_LENGTH_MAX} bytes came in at once`));
      this.#cause.answers.length = 0;
    }
  }

  #write(entry: Entry): void {
    if (this.#sink === null) return;
    writeEntry(this.#writer, entry);
    if (this.#writer.byteLength >= PIECE_BYTE_LENGTH) this.#flush();
    else if (this.#flushTimer === null) this.#flushSoon();
  }

  #flushSoon(): void {
    const timer = this.#options.host.sleep(PIECE_AGE_MS);
    this.#flushTimer = timer;
    void timer.done.then(() => {
      this.#flushTimer = null;
      this.#flush();
    });
  }

  #flush(): void {
    const sink = this.#sink;
    if (sink === null || this.#writer.byteLength === 0) return;
    const piece = this.#writer.take();
    const { retired } = this.#attached;
    this.#pieceCount++;
    this.#backlog += piece.length;
    this.#writing = this.#writing
      .then(() => sink.write(piece, retired))
      .catch((error: unknown) => this.#fail(error))
      .then(() => {
        this.#backlog -= piece.length;
      });
  }

  /** What was written so far stays, as that of a crash would. */
  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#sink = null;
    this.#flushTimer?.wake();
    this.#options.onFailure(error);
  }

  #check(): void {
    const machine = this.#attached;
    if (this.#sink === null || machine.retired - this.#checkedAt < CHECK_INSTRUCTIONS) return;
    if (this.#later.size > 0 || !this.isOpen) return;
    this.#checkedAt = machine.retired;
    this.#noteWait();
    this.#write({ kind: "check", retired: machine.retired, hash: machine.checkHash() });
  }

  /** Keeps a point if it is time for one. The machine goes on while it is written. */
  #beginPoint(): void {
    const { host } = this.#options;
    const sink = this.#sink;
    const capture = this.#keepPoint;
    if (sink === null || capture === null || this.#isKeeping) return;
    if (this.#attached.retired - this.#pointAt < POINT_INSTRUCTIONS || host.monotonicMs() < this.#pointDueMs) return;
    this.#isKeeping = true;
    const startMs = host.monotonicMs();
    void capture()
      .then((state) => sink.keep(state))
      .catch((error: unknown) => this.#fail(error))
      .then(() => {
        const tookMs = host.monotonicMs() - startMs;
        this.#isKeeping = false;
        this.#pointAt = this.#attached.retired;
        this.#pointDueMs = host.monotonicMs() + Math.max(POINT_MS, POINT_COST_FACTOR * tookMs);
      });
  }
}

/** Bytes that a value takes at most, roughly. */
function lengthOf(value: RecordValue): number {
  if (value instanceof Uint8Array || typeof value === "string") return value.length + 16;
  if (Array.isArray(value)) return value.reduce((sum: number, item: RecordValue) => sum + lengthOf(item), 16);
  if (typeof value === "object" && value !== null) {
    return Object.values(value as { readonly [name: string]: RecordValue }).reduce(
      (sum: number, item) => sum + lengthOf(item),
      16,
    );
  }
  return 16;
}
