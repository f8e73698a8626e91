/**
 * The one place where the world outside reaches a machine, so that what came in can be recorded and brought in again.
 *
 * Things come in two ways. The machine *asks*: what time it is, for random bytes, what is in a file. And something
 * *enters*: typed characters, frames, an answer that took its time. What enters does so between two slices of the
 * guest's time only. Everything else in a machine follows from its state.
 */
import type { Eventual } from "../../util/task.js";
import type { Halt } from "../run-loop.js";
import type { Input } from "./input.js";
import type { RecordValue } from "./record-value.js";

/** What a machine can ask, and what the answer may be. */
export interface Question<T> {
  readonly name: string;
  /** Undefined for what is no answer. */
  read(value: RecordValue): T | undefined;
  /** In place of an answer when there is none; the machine is then not run any further. */
  readonly fallback: T;
}

export interface Border {
  /** @param answer asks the world */
  ask<T>(question: Question<T>, answer: () => RecordValue): T;
  /**
   * Asks for what may take time. A promise resolves between two slices.
   *
   * @param answer asks the world; what it throws is no answer, so it catches what the world may throw
   */
  askLater<T>(question: Question<T>, answer: () => Eventual<RecordValue>): Eventual<T>;
  /** Lets something in: now or, when the guest is being executed, before its next slice. */
  enter(input: Input): void;
  /**
   * Lets something in now and says what came of it; null when that cannot be now. `reopened` is called when it can.
   *
   * @param act is what the machine's `apply` does for this input
   */
  enterNow<T>(input: Input, act: () => T): T | null;
  /** Whether things can enter now. */
  readonly isOpen: boolean;
  /** Called back whenever things can enter again. */
  onReopened(callback: () => void): void;
  /** Whether the world is there at all; otherwise nobody has to be told anything. */
  readonly isLive: boolean;
  /** Whether the cable of a network device is in before anybody has said so; null to ask its link. */
  initialCable(device: number): boolean | null;
  /** Whether a shared folder cannot be written; null to ask the folder. */
  initialReadOnly(device: number): boolean | null;

  /** To be called by the machine, in this order. */
  attach(machine: BorderedMachine): void;
  /** Before each slice: what has to be waited for, after which this is asked again; null when the slice can be. */
  prepareSlice(): Promise<void> | null;
  /** At the beginning of a slice. */
  beginSlice(): void;
  /**
   * Starts the clock for the slice.
   *
   * @param start the clock's own way, if there is a clock that knows
   * @returns instructions for the slice
   */
  startClock(start: (() => number) | null): number;
  /** The clock has set its pace for the slice. */
  setPace(ticksPerInstruction: number): void;
  /** The guest has been executed. */
  endSlice(): void;
  /** Awaited after each slice, unless the guest has ended itself. */
  drainSlice(): Promise<void>;
  /** Resolves when nothing is under way, whatever it is that has been asked for. */
  drain(): Promise<void>;
  /** Ends the run between two slices. */
  stop(): void;
  /** The machine is being captured, after `drain`. @returns what the capture has to be called in the record */
  captured(): Moment | null;
}

/** A place in a history from which it can be run again. */
export interface Moment {
  /** As `RecordSink.history`. */
  readonly history: number;
  /** Of the pieces of the record, the one that begins here. */
  readonly piece: number;
  readonly context: Context;
}

/** What a machine that goes on from a moment has to know besides its state. */
export interface Context {
  /** What the clock said last, in nanoseconds since 1970. */
  readonly nowNs: bigint;
  /** By network device: whether its cable is in. */
  readonly cables: readonly boolean[];
  /** By shared folder. */
  readonly readOnly: readonly boolean[];
}

/** A machine, as its border sees it. */
export interface BorderedMachine {
  readonly clock: "host" | "virtual";
  /** Instructions retired by all harts. */
  readonly retired: bigint;
  readonly mtime: bigint;
  setTime(mtime: bigint, ticksPerInstruction: number): void;
  /** Does to the devices what the input says. @throws any error for an input that this machine cannot have */
  apply(input: Input): void;
  /** What the devices ask the clock in one piece, such as alarms that are due. */
  fireAlarms(nowNs: bigint): void;
  now(): bigint;
  /** Lets go of what a machine that goes on from its state would not have. @returns false when it cannot */
  settle(): boolean;
  /** As after a capture. */
  forgetWritten(): void;
  /** Over harts and devices, without RAM; only when nothing is under way. */
  checkHash(): string;
  stateHash(): string;
  context(): Omit<Context, "nowNs">;
  wake(): void;
  halt(halt: Halt): void;
  fail(error: unknown): void;
  /** Resolves when the disks that belong to the machine have done what was asked. */
  drainOwn(): Promise<void>;
  /** Resolves when no device has a request under way. */
  drainAll(): Promise<void>;
}

/** What follows a promise that resolves takes some turns of the job queue: the same number each time. */
const SETTLING_TURNS = 64;

/** Lets everything happen that follows from what was just done, without letting the world in. */
export async function settleJobs(): Promise<void> {
  for (let turn = 0; turn < SETTLING_TURNS; turn++) await null;
}

export const PACE_UNIT = 2 ** 32;

export const NOW: Question<bigint> = {
  name: "now",
  read: (value) => (typeof value === "bigint" ? value : undefined),
  fallback: 0n,
};

/** Ticks an instruction, in units of 2^-32. */
export const PACE: Question<number> = {
  name: "pace",
  read: (value) => (typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined),
  fallback: 0,
};

export function randomOf(byteLength: number): Question<Uint8Array> {
  return {
    name: "random",
    read: (value) => (value instanceof Uint8Array && value.length === byteLength ? value : undefined),
    fallback: new Uint8Array(byteLength),
  };
}
