/**
 * A machine's history as a list of entries: what happened to it, in order, and what it asked the world meanwhile.
 *
 *     1 slice:  budget n | pace n | time n | retired n | answers
 *     2 input:  value | answers
 *     3 check:  retired n | hash, 16 bytes
 *     4 point:  retired n | time of the clock n | whether a machine can go on from it | hash, 16 bytes | answers
 *     5 end:    retired n | hash, 16 bytes | halt: value
 *     answers:  count n | for each: question, answer, as values
 *
 * Between two entries lie no instructions: a slice is the only entry in which the guest runs. So an entry's moment is
 * its place in the list, and exact to the instruction.
 */
import { fromHex, toHex } from "../../util/bytes.js";
import { unreachable } from "../../util/errors.js";
import { SLICE_BUDGET_MAX } from "../clock.js";
import type { Halt } from "../run-loop.js";
import { type Input, readInput, writeInput } from "./input.js";
import { damagedRecord, fieldsOf, RecordReader, type RecordValue, type RecordWriter } from "./record-value.js";

/** What the world said when the machine asked. */
export interface Answer {
  readonly question: string;
  readonly value: RecordValue;
}

/** The guest ran. */
export interface SliceEntry {
  readonly kind: "slice";
  /** Instructions that it might retire, and that it did. */
  readonly budget: number;
  readonly retired: number;
  /** Ticks that mtime went forward before it, modulo 2^64. */
  readonly ticks: bigint;
  /** Ticks an instruction, in units of 2^-32. */
  readonly pace: number;
  readonly answers: readonly Answer[];
}

/** Something from outside reached a device. */
export interface InputEntry {
  readonly kind: "input";
  readonly input: Input;
  readonly answers: readonly Answer[];
}

/** What harts and devices were, for who runs it again to compare. */
export interface CheckEntry {
  readonly kind: "check";
  readonly retired: bigint;
  readonly hash: string;
}

/** The machine was captured, which its guest could notice: see docs/machine-file.md. */
export interface PointEntry {
  readonly kind: "point";
  readonly retired: bigint;
  /** What the clock said, in nanoseconds since 1970: alarms due by then have gone off. */
  readonly nowNs: bigint;
  /** Whether nothing was under way, so that a machine that goes on from there does as this one. */
  readonly isSettled: boolean;
  readonly hash: string;
  readonly answers: readonly Answer[];
}

export interface EndEntry {
  readonly kind: "end";
  readonly retired: bigint;
  /** Of the whole machine: `Machine.stateHash`. */
  readonly hash: string;
  readonly halt: Halt;
}

export type Entry = SliceEntry | InputEntry | CheckEntry | PointEntry | EndEntry;

const SLICE = 1;
const INPUT = 2;
const CHECK = 3;
const POINT = 4;
const END = 5;

const HASH_BYTE_LENGTH = 16;

export function writeEntry(writer: RecordWriter, entry: Entry): void {
  switch (entry.kind) {
    case "slice":
      writer.byte(SLICE);
      writer.number(entry.budget);
      writer.number(entry.pace);
      writer.large(entry.ticks);
      writer.number(entry.retired);
      writeAnswers(writer, entry.answers);
      return;
    case "input":
      writer.byte(INPUT);
      writer.value(writeInput(entry.input));
      writeAnswers(writer, entry.answers);
      return;
    case "check":
      writer.byte(CHECK);
      writer.large(entry.retired);
      writer.raw(fromHex(entry.hash));
      return;
    case "point":
      writer.byte(POINT);
      writer.large(entry.retired);
      writer.large(entry.nowNs);
      writer.byte(Number(entry.isSettled));
      writer.raw(fromHex(entry.hash));
      writeAnswers(writer, entry.answers);
      return;
    case "end":
      writer.byte(END);
      writer.large(entry.retired);
      writer.raw(fromHex(entry.hash));
      writer.value({ ...entry.halt });
      return;
    default:
      unreachable(entry);
  }
}

/** The entries in a piece of a record, each as it is asked for. @throws VivariumError `file/damaged` */
export function* readEntries(piece: Uint8Array): Generator<Entry> {
  const reader = new RecordReader(piece);
  while (!reader.isAtEnd) yield readEntry(reader);
}

function readEntry(reader: RecordReader): Entry {
  const tag = reader.byte();
  switch (tag) {
    case SLICE: {
      const budget = reader.number();
      const pace = reader.number();
      const ticks = reader.large();
      const retired = reader.number();
      if (budget < 1 || budget > SLICE_BUDGET_MAX || retired > budget) throw damagedRecord(`a slice of ${budget}`);
      return { kind: "slice", budget, pace, ticks, retired, answers: readAnswers(reader) };
    }
    case INPUT: {
      const input = readInput(reader.value());
      if (input === null) throw damagedRecord("an input of no known kind");
      return { kind: "input", input, answers: readAnswers(reader) };
    }
    case CHECK:
      return { kind: "check", retired: reader.large(), hash: readHash(reader) };
    case POINT: {
      const retired = reader.large();
      const nowNs = reader.large();
      const isSettled = reader.byte() === 1;
      return { kind: "point", retired, nowNs, isSettled, hash: readHash(reader), answers: readAnswers(reader) };
    }
    case END:
      return { kind: "end", retired: reader.large(), hash: readHash(reader), halt: readHalt(reader.value()) };
    default:
      throw damagedRecord(`an entry of the unknown kind ${tag}`);
  }
}

function writeAnswers(writer: RecordWriter, answers: readonly Answer[]): void {
  writer.number(answers.length);
  for (const { question, value } of answers) {
    writer.value(question);
    writer.value(value);
  }
}

function readAnswers(reader: RecordReader): Answer[] {
  const answers: Answer[] = [];
  for (let left = reader.number(); left > 0; left--) {
    const question = reader.value();
    if (typeof question !== "string") throw damagedRecord("an answer to no question");
    answers.push({ question, value: reader.value() });
  }
  return answers;
}

function readHash(reader: RecordReader): string {
  return toHex(reader.raw(HASH_BYTE_LENGTH));
}

function readHalt(value: RecordValue): Halt {
  const fields = fieldsOf(value);
  switch (fields?.kind) {
    case "poweroff":
    case "reboot":
    case "stopped":
      return { kind: fields.kind };
    case "fail":
      if (typeof fields.code === "number") return { kind: "fail", code: fields.code };
      break;
    case "htif":
      if (typeof fields.exitCode === "number" && typeof fields.testNumber === "number") {
        return { kind: "htif", exitCode: fields.exitCode, testNumber: fields.testNumber };
      }
  }
  throw damagedRecord("it ends for no known reason");
}
