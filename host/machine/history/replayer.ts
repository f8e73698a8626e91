import { assert, VivariumError } from "../../util/errors.js";
import type { Eventual } from "../../util/task.js";
import type { Halt } from "../run-loop.js";
import {
  type Border,
  type BorderedMachine,
  type Context,
  NOW,
  PACE_UNIT,
  type Question,
  settleJobs,
} from "./border.js";
import type { Input } from "./input.js";
import type { Answer, CheckEntry, EndEntry, Entry, InputEntry, PointEntry, SliceEntry } from "./record-entry.js";
import { fieldsOf, type RecordValue } from "./record-value.js";

/** How a history that was run again came to its end. */
export interface ReplayEnd {
  readonly reason: /** The history ended here. */
    | "end"
    /** It was to be run no further. */
    | "until"
    /** The record stops here, as after a crash of whoever wrote it. */
    | "cut";
  readonly retired: bigint;
  readonly stateHash: string;
  /** Why the machine had stopped; null where its history goes on. */
  readonly halt: Halt | null;
  /** Hashes on the way that were the same. */
  readonly checkCount: number;
}

export interface ReplayerOptions {
  /** From the moment that the machine's state was captured. @throws VivariumError `file/damaged` as it is read */
  readonly entries: Iterator<Entry>;
  readonly context: Context;
  /** Instructions after which to stop; all of the history without. */
  readonly until?: bigint;
  /** The state in the record at this point, when the replay comes by: to compare. */
  readonly onPoint?: (retired: bigint) => void;
}

/** The border of a machine whose history is run again: the record answers, and lets in what came in. */
export class Replayer implements Border {
  readonly isLive = false;
  readonly isOpen = false;
  readonly #options: ReplayerOptions;
  readonly #later = new Map<number, (value: RecordValue | undefined) => void>();
  #machine: BorderedMachine | null = null;
  /** Read, not come to yet. */
  #next: Entry | null = null;
  #answers: readonly Answer[] = [];
  #answerCount = 0;
  #isAsking = false;
  #slice: SliceEntry | null = null;
  #before = 0n;
  #checkCount = 0;
  #end: EndEntry | "cut" | null = null;
  #isDiverged = false;

  constructor(options: ReplayerOptions) {
    this.#options = options;
  }

  attach(machine: BorderedMachine): void {
    this.#machine = machine;
  }

  /**
   * How it ended, after the machine's run: compares the last of it.
   *
   * @throws VivariumError `replay/diverged` when the machine did not do again what it did
   */
  async finish(halt: Halt): Promise<ReplayEnd> {
    const machine = this.#attached;
    await machine.drainOwn();
    const isThere = this.#isAtEnd;
    if (!isThere && this.#end === null) await this.#finishRecord();
    await this.#answerAll();
    await machine.drainAll();
    const end = this.#end;
    const stateHash = machine.stateHash();
    const { retired } = machine;
    const checkCount = this.#checkCount;
    if (isThere) return { reason: "until", retired, stateHash, halt: null, checkCount };
    if (end === null || end === "cut") return { reason: "cut", retired, stateHash, halt: null, checkCount };
    if (end.halt.kind !== halt.kind) throw this.#divergence(`it ended by ${halt.kind}, not by ${end.halt.kind}`);
    if (end.retired !== retired) throw this.#divergence(`it ended at instruction ${retired}, not ${end.retired}`);
    if (end.hash !== stateHash) throw this.#divergence(`the last state is ${stateHash}, not ${end.hash}`);
    return { reason: "end", retired, stateHash, halt: end.halt, checkCount: checkCount + 1 };
  }

  ask<T>(question: Question<T>): T {
    // While its state is loaded, a machine asks without anybody having written it down.
    if (!this.#isAsking) return question === (NOW as unknown) ? (this.#options.context.nowNs as T) : question.fallback;
    const answer = this.#answerTo(question.name);
    return this.#read(question, answer);
  }

  askLater<T>(question: Question<T>): Eventual<T> {
    if (!this.#isAsking) return question.fallback;
    const fields = fieldsOf(this.#answerTo(question.name) ?? null);
    if (fields?.now !== undefined) return this.#read(question, fields.now);
    const number = fields?.later;
    if (typeof number !== "number" || this.#later.has(number)) {
      this.#diverge(`it asked for ${question.name}, and had no answer`);
      return question.fallback;
    }
    return new Promise<RecordValue | undefined>((resolve) => this.#later.set(number, resolve)).then((value) =>
      value === undefined ? question.fallback : this.#read(question, value),
    );
  }

  /** Nothing comes from outside. */
  enter(): void {}

  enterNow(): null {
    return null;
  }

  onReopened(): void {}

  initialCable(device: number): boolean {
    return this.#options.context.cables[device] ?? true;
  }

  initialReadOnly(device: number): boolean {
    return this.#options.context.readOnly[device] ?? true;
  }

  prepareSlice(): Promise<void> | null {
    if (this.#end !== null) {
      this.#attached.halt({ kind: "stopped" });
      return null;
    }
    if (this.#isAtEnd) {
      this.#attached.halt({ kind: "stopped" });
      return null;
    }
    return this.#peek()?.kind === "slice" ? null : this.#proceed();
  }

  beginSlice(): void {
    const entry = this.#take();
    assert(entry?.kind === "slice", "a slice begins that is not in the record");
    this.#slice = entry;
    this.#before = this.#attached.retired;
    this.#begin(entry.answers);
  }

  startClock(start: (() => number) | null): number {
    const machine = this.#attached;
    const { budget, ticks, pace } = this.#slice!;
    if (start === null || ticks !== 0n) {
      machine.setTime(BigInt.asUintN(64, machine.mtime + ticks), pace / PACE_UNIT);
    }
    if (start === null) return budget;
    const own = start();
    if (own !== budget) this.#diverge(`a slice of ${own} instructions, not ${budget}`);
    return own;
  }

  setPace(): void {}

  endSlice(): void {
    const slice = this.#slice!;
    this.#slice = null;
    if (this.#isDiverged) return;
    const retired = Number(this.#attached.retired - this.#before);
    if (this.#isAtEnd) {
      this.#isAsking = false;
      return;
    }
    this.#finishAnswers();
    if (retired !== slice.retired) this.#diverge(`a slice retired ${retired} instructions, not ${slice.retired}`);
  }

  drainSlice(): Promise<void> {
    return this.#attached.drainOwn();
  }

  drain(): Promise<void> {
    return this.#attached.drainOwn();
  }

  stop(): void {
    this.#attached.halt({ kind: "stopped" });
  }

  /** Ends the machine's run with `replay/cancelled`. */
  cancel(): void {
    this.#attached.fail(new VivariumError("replay/cancelled", "the replay was cancelled"));
  }

  captured(): null {
    return null;
  }

  /** Instructions that the guest may still retire before it has to stop. */
  get left(): bigint | null {
    const { until } = this.#options;
    return until === undefined ? null : until - this.#attached.retired;
  }

  get #attached(): BorderedMachine {
    assert(this.#machine !== null, "the replay has no machine");
    return this.#machine;
  }

  get #isAtEnd(): boolean {
    const { left } = this;
    return left !== null && left <= 0n;
  }

  #peek(): Entry | null {
    if (this.#next === null) {
      const { done, value } = this.#options.entries.next();
      this.#next = done === true ? null : value;
    }
    return this.#next;
  }

  #take(): Entry | null {
    const entry = this.#peek();
    this.#next = null;
    return entry;
  }

  /** Does what the record has before the next slice. */
  async #proceed(): Promise<void> {
    for (;;) {
      if (this.#isDiverged || this.#end !== null || this.#peek()?.kind === "slice") return;
      await this.#perform(this.#take());
    }
  }

  async #perform(entry: Entry | null): Promise<void> {
    if (entry === null) {
      this.#end = "cut";
      return;
    }
    switch (entry.kind) {
      case "input":
        return this.#letIn(entry);
      case "check":
        return this.#check(entry);
      case "point":
        return this.#pass(entry);
      case "end":
        this.#end = entry;
        return;
      case "slice":
        this.#diverge("it ended, and its history did not");
        return;
    }
  }

  /** What the machine still waits for is answered as it was later on, if it was: its state has nothing under way. */
  async #answerAll(): Promise<void> {
    while (this.#later.size > 0) {
      const entry = this.#take();
      if (entry === null) break;
      if (entry.kind === "input" && entry.input.kind === "done") await this.#letIn(entry);
    }
    for (const [number, resolve] of this.#later) {
      this.#later.delete(number);
      resolve(undefined);
      await settleJobs();
    }
  }

  /** A machine that has ended itself has nothing more before the end of its record. */
  async #finishRecord(): Promise<void> {
    while (this.#end === null && !this.#isDiverged) await this.#perform(this.#take());
    if (this.#isDiverged) throw this.#divergence("it ended, and its history did not");
  }

  async #letIn({ input, answers }: InputEntry): Promise<void> {
    this.#begin(answers);
    if (input.kind === "done") {
      const resolve = this.#later.get(input.number);
      this.#later.delete(input.number);
      if (resolve === undefined) this.#diverge("an answer came that it had not asked for");
      resolve?.(input.value);
      await settleJobs();
    } else {
      this.#apply(input);
    }
    this.#finishAnswers();
  }

  #apply(input: Input): void {
    try {
      this.#attached.apply(input);
    } catch (error) {
      this.#diverge(`it cannot take the input ${input.kind} (${error instanceof Error ? error.message : error})`);
    }
  }

  #check({ retired, hash }: CheckEntry): void {
    const machine = this.#attached;
    if (machine.retired !== retired) this.#diverge(`it is at instruction ${machine.retired}, not ${retired}`);
    else this.#compare(hash);
  }

  async #pass({ retired, nowNs, isSettled, hash, answers }: PointEntry): Promise<void> {
    const machine = this.#attached;
    await machine.drainAll();
    this.#begin(answers);
    machine.fireAlarms(nowNs);
    if (machine.settle() !== isSettled) this.#diverge("it has something under way that it had not, or the other way");
    this.#finishAnswers();
    machine.forgetWritten();
    this.#check({ kind: "check", retired, hash });
    this.#options.onPoint?.(retired);
  }

  #compare(hash: string): void {
    const found = this.#attached.checkHash();
    if (found !== hash) this.#diverge(`harts and devices are ${found}, not ${hash}`);
    else this.#checkCount++;
  }

  #begin(answers: readonly Answer[]): void {
    this.#answers = answers;
    this.#answerCount = 0;
    this.#isAsking = true;
  }

  #finishAnswers(): void {
    this.#isAsking = false;
    const rest = this.#answers[this.#answerCount];
    if (rest !== undefined) this.#diverge(`it did not ask for ${rest.question}`);
  }

  /** Undefined, and the end of it, when the record has no answer to that. */
  #answerTo(question: string): RecordValue | undefined {
    if (this.#isDiverged) return undefined;
    const answer = this.#isAsking ? this.#answers[this.#answerCount++] : undefined;
    if (answer?.question === question) return answer.value;
    this.#diverge(`it asked for ${question}, not ${answer === undefined ? "for nothing" : `for ${answer.question}`}`);
    return undefined;
  }

  #read<T>(question: Question<T>, value: RecordValue | undefined): T {
    const read = value === undefined ? undefined : question.read(value);
    if (read !== undefined) return read;
    this.#diverge(`the answer to ${question.name} is none`);
    return question.fallback;
  }

  /** The first difference counts. Called amid an access of the guest, so nothing is thrown. */
  #diverge(problem: string): void {
    if (this.#isDiverged) return;
    this.#isDiverged = true;
    this.#attached.fail(this.#divergence(problem));
  }

  #divergence(problem: string): VivariumError {
    const { retired } = this.#attached;
    const message = `the replay differs from the recording near instruction ${retired}: ${problem}`;
    return new VivariumError("replay/diverged", message, { instruction: retired.toString() });
  }
}
