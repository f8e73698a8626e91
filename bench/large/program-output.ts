import type { Sample } from "../subject.js";

/** What the console of a measured guest has said of one program. */
export interface ProgramResult {
  readonly name: string;
  /** How much was done, in `unit`. */
  readonly work: number;
  readonly unit: string;
  readonly sample: Sample;
}

/** The program that is running, as far as its lines have come. */
interface Progress {
  readonly name: string;
  startMs: number | null;
  stopMs: number | null;
  guestSeconds: number | null;
  work: number | null;
  unit: string;
  isSound: boolean;
}

// The lines of guests/init.sh and guests/bench.h.
const BEGIN = /^bench begin (\S+)$/;
const GO = "bench go";
const STOPPED = /^bench name=(\S+) seconds=([\d.]+)$/;
const RESULT = /^bench name=(\S+) work=(\d+) unit=(\S+) check=(ok|failed)$/;
/** By a tool's own clock, for the time in which it only warms up is not told. */
const TOOL = /^bench tool name=(\S+) seconds=([\d.]+)$/;
const END = /^bench end (\S+) (\d+)$/;

// CoreMark's own words. It chooses its iterations by itself, so that it takes ten seconds.
const COREMARK = "coremark";
const COREMARK_ITERATIONS = /^Iterations +: (\d+)$/;
const COREMARK_SECONDS = /^Total time \(secs\) *: ([\d.]+)$/;
const COREMARK_VALID = "Correct operation validated";
/** What its time is given for. */
const COREMARK_WORK = 1000;

/** Puts a guest's results together from the lines on its console. */
export class ProgramOutput {
  readonly #results: ProgramResult[] = [];
  readonly #failures: string[] = [];
  #running: Progress | null = null;

  get results(): readonly ProgramResult[] {
    return this.#results;
  }
  /** Programs that have ended without a sound result, and why. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  /** @param ms when the line came, by the host's clock */
  line(line: string, ms: number): void {
    const begun = BEGIN.exec(line)?.[1];
    if (begun !== undefined) {
      const nothing = { startMs: null, stopMs: null, guestSeconds: null, work: null, unit: "", isSound: false };
      this.#running = { name: begun, ...nothing };
    }
    const running = this.#running;
    if (running === null) return;
    const end = END.exec(line);
    if (end?.[1] === running.name) {
      this.#running = null;
      this.#conclude(running, Number(end[2]));
    } else if (running.name === COREMARK) readCoremark(running, line);
    else readProgram(running, line, ms);
  }

  #conclude(program: Progress, status: number): void {
    const { name, work, unit, isSound, startMs, stopMs, guestSeconds } = program;
    if (status !== 0 || !isSound || work === null || guestSeconds === null) {
      const result = isSound ? "right" : "wrong or missing";
      this.#failures.push(`${name} ended with status ${status}, its result ${result}`);
    } else if (name === COREMARK) {
      const seconds = (guestSeconds / work) * COREMARK_WORK;
      this.#results.push({ name, work: COREMARK_WORK, unit, sample: { seconds, guestSeconds: seconds } });
    } else if (startMs !== null && stopMs !== null) {
      this.#results.push({ name, work, unit, sample: { seconds: (stopMs - startMs) / 1000, guestSeconds } });
    }
  }
}

function readProgram(program: Progress, line: string, ms: number): void {
  if (line === GO) program.startMs = ms;
  const stopped = STOPPED.exec(line);
  if (stopped?.[1] === program.name) {
    program.stopMs = ms;
    program.guestSeconds = Number(stopped[2]);
  }
  const tool = TOOL.exec(line);
  if (tool?.[1] === program.name) {
    program.guestSeconds = Number(tool[2]);
    program.startMs = 0;
    program.stopMs = program.guestSeconds * 1000;
  }
  const result = RESULT.exec(line);
  if (result?.[1] === program.name) {
    program.work = Number(result[2]);
    program.unit = result[3]!;
    program.isSound = result[4] === "ok";
  }
}

function readCoremark(program: Progress, line: string): void {
  const iterations = COREMARK_ITERATIONS.exec(line);
  if (iterations !== null) {
    program.work = Number(iterations[1]);
    program.unit = "iterations";
  }
  const seconds = COREMARK_SECONDS.exec(line);
  if (seconds !== null) program.guestSeconds = Number(seconds[1]);
  if (line.startsWith(COREMARK_VALID)) program.isSound = true;
}
