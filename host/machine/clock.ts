/**
 * Guest time. Within a slice of instructions `mtime` is a linear function of retired instructions, which the
 * processor computes; a guest clock decides what it is at the start of each slice and how fast it runs.
 */
import type { AlarmClock } from "../devices/clock.js";
import { type StateOf, schema, u64 } from "../util/schema.js";
import { Alarms } from "./alarms.js";
import type { HostServices } from "./host-services.js";
import { TICK_NS, TIMEBASE_HZ } from "./memory-map.js";

/** The processor's time. */
export interface TimedProcessor {
  /** Ticks of the timebase. */
  readonly mtime: bigint;
  setTime(mtime: bigint, ticksPerInstruction: number): void;
  /** When the earliest armed timer of a waiting hart fires, or null. */
  readonly nextTimer: bigint | null;
}

/** The clock of one machine. */
export interface GuestClock extends AlarmClock {
  /**
   * Sets the processor's time for a slice and calls back the alarms that are due.
   *
   * @param budgetMax instructions
   * @param granted what the machine's turn grants it, in instructions; a clock whose slices are all alike keeps to
   *   its own
   * @returns how many instructions the slice shall have: at least 1, at most `budgetMax`
   */
  startSlice(budgetMax: number, granted?: number): number;
  /** @param retired instructions retired since startSlice, all of them without waiting if `isBusy` */
  endSlice(retired: number, isBusy: boolean): void;
  /**
   * For a machine that waits for an interrupt.
   *
   * @returns how long to wait in milliseconds: 0 when something is due, Infinity when only the outside can wake it
   */
  idleMs(): number;
  /**
   * For a machine whose harts only take traps: lets as much time pass as a slice would.
   *
   * @returns how long to wait in milliseconds
   */
  stuckMs(): number;
  /** mtime has become that of a saved machine: time goes on from there. */
  resume(): void;
  /** The guest sets mtime. */
  setMtime(mtime: bigint): void;
  /** Calls back the alarms that are due at `nowNs`. */
  fireAlarms(nowNs: bigint): void;
}

const TICKS_PER_MS = TIMEBASE_HZ / 1000;

/** How long a slice should take: short enough for a host that does other things, long enough to be cheap. */
const SLICE_MS = 3;

/** Where virtual time begins: 2025-01-01T00:00:00Z. */
const VIRTUAL_EPOCH_NS = 1_735_689_600_000_000_000n;
/** Instructions in a tick of virtual time: 160 million in a second. */
const VIRTUAL_INSTRUCTIONS_PER_TICK = 16;
export const VIRTUAL_TICKS_PER_INSTRUCTION = 1 / VIRTUAL_INSTRUCTIONS_PER_TICK;
/** Instructions in a slice of virtual time. Input from outside arrives between slices only. */
const VIRTUAL_SLICE_BUDGET = 500_000;

const virtualClockSchema = schema("virtual-clock", 1, {
  offset: u64("what the guest has added to mtime by setting it, modulo 2^64"),
});
type VirtualClockState = StateOf<typeof virtualClockSchema.fields>;

/** Time is a function of retired instructions; waiting takes none. */
export class VirtualClock implements GuestClock {
  readonly schema = virtualClockSchema;
  readonly #processor: TimedProcessor;
  readonly #alarms = new Alarms();
  /** What the guest has added to mtime by setting it, modulo 2^64. */
  #offset = 0n;

  constructor(processor: TimedProcessor) {
    this.#processor = processor;
    this.#set(processor.mtime);
  }

  now(): bigint {
    return VIRTUAL_EPOCH_NS + this.#elapsed * TICK_NS;
  }

  at(untilNs: bigint, callback: () => void): () => void {
    return this.#alarms.add(untilNs, callback);
  }

  fireAlarms(nowNs: bigint): void {
    this.#alarms.fire(nowNs);
  }

  startSlice(budgetMax: number): number {
    this.#alarms.fire(this.now());
    const alarm = this.#nextAlarm();
    const budget = Math.min(budgetMax, VIRTUAL_SLICE_BUDGET);
    if (alarm === null) return budget;
    const ticks = Number(alarm - this.#processor.mtime);
    return Math.max(1, Math.min(budget, ticks * VIRTUAL_INSTRUCTIONS_PER_TICK));
  }

  endSlice(): void {}

  resume(): void {}

  reset(): void {
    this.#offset = 0n;
  }

  save(): VirtualClockState {
    return { offset: this.#offset };
  }

  load(state: VirtualClockState): void {
    this.#offset = state.offset;
  }

  idleMs(): number {
    const next = earlier(this.#processor.nextTimer, this.#nextAlarm());
    if (next === null) return Number.POSITIVE_INFINITY;
    if (next > this.#processor.mtime) this.#set(next);
    return 0;
  }

  stuckMs(): number {
    this.#set(this.#processor.mtime + BigInt(VIRTUAL_SLICE_BUDGET / VIRTUAL_INSTRUCTIONS_PER_TICK));
    return SLICE_MS;
  }

  setMtime(mtime: bigint): void {
    this.#offset = BigInt.asUintN(64, this.#offset + mtime - this.#processor.mtime);
    this.#set(mtime);
  }

  /** Ticks since the epoch, whatever the guest has made of mtime. */
  get #elapsed(): bigint {
    return BigInt.asUintN(64, this.#processor.mtime - this.#offset);
  }

  /** The mtime at which the next alarm is due. */
  #nextAlarm(): bigint | null {
    const nextNs = this.#alarms.nextNs;
    if (nextNs === null) return null;
    const due = (nextNs - VIRTUAL_EPOCH_NS + TICK_NS - 1n) / TICK_NS;
    return this.#processor.mtime + due - this.#elapsed;
  }

  #set(mtime: bigint): void {
    this.#processor.setTime(mtime, VIRTUAL_TICKS_PER_INSTRUCTION);
  }
}

const BUDGET_MIN = 1000;
export const SLICE_BUDGET_MAX = 20_000_000;
/** Instructions a millisecond, before anything has been measured. */
const FIRST_SPEED = 100_000;
/** Weight of a new measurement of speed. */
const SPEED_GAIN = 0.25;
/** Shorter measurements say little. */
const MEASURED_MS_MIN = 0.5;

/**
 * What the host took from a guest in the middle of something is caught up within the next slice, in which time runs
 * faster, as long as it is no more than this. GRUB measures the timebase by a delay of a millisecond: a jump of time in
 * it made its seconds ten times as long.
 */
const CAUGHT_UP_TICKS_MAX = BigInt(100 * TICKS_PER_MS);

/** Time follows the host's. */
export class HostClock implements GuestClock {
  readonly #processor: TimedProcessor;
  readonly #host: HostServices;
  readonly #alarms = new Alarms();
  /** mtime at the host's monotonic time 0. */
  #origin: bigint;
  #lastNow = 0n;
  /** Instructions a millisecond. */
  #speed = FIRST_SPEED;
  #sliceStartMs = 0;
  /** Whether the last slice ended in the middle of something. */
  #wasBusy = false;

  constructor(processor: TimedProcessor, host: HostServices) {
    this.#processor = processor;
    this.#host = host;
    this.#origin = processor.mtime - ticks(host.monotonicMs());
  }

  now(): bigint {
    const now = this.#host.nowNs();
    // The host's wall clock can be set back.
    if (now > this.#lastNow) this.#lastNow = now;
    return this.#lastNow;
  }

  at(untilNs: bigint, callback: () => void): () => void {
    return this.#alarms.add(untilNs, callback);
  }

  fireAlarms(nowNs: bigint): void {
    this.#alarms.fire(nowNs);
  }

  startSlice(budgetMax: number, granted?: number): number {
    this.#alarms.fire(this.now());
    this.#sliceStartMs = this.#host.monotonicMs();
    const wanted = granted ?? Math.round(this.#speed * SLICE_MS);
    const budget = Math.min(budgetMax, Math.max(BUDGET_MIN, Math.min(wanted, SLICE_BUDGET_MAX)));
    const durationMs = budget / this.#speed;

    // A slice that went faster than the ones before ran ahead of the host: time stands until the host is there.
    const hostTime = this.#hostTime(this.#sliceStartMs);
    const mayCatchUp = granted === undefined && this.#wasBusy && hostTime - this.#processor.mtime < CAUGHT_UP_TICKS_MAX;
    const start = mayCatchUp ? this.#processor.mtime : later(this.#processor.mtime, hostTime);
    const end = later(start, this.#hostTime(this.#sliceStartMs + durationMs));
    this.#processor.setTime(start, Number(end - start) / budget);
    return budget;
  }

  endSlice(retired: number, isBusy: boolean): void {
    const elapsedMs = this.#host.monotonicMs() - this.#sliceStartMs;
    this.#wasBusy = isBusy;
    if (!isBusy || retired === 0) return;
    // A slice too short to measure only shows that the speed is higher than thought.
    const speed = elapsedMs >= MEASURED_MS_MIN ? retired / elapsedMs : Math.max(this.#speed, retired / MEASURED_MS_MIN);
    this.#speed += (speed - this.#speed) * SPEED_GAIN;
  }

  idleMs(): number {
    const { nextTimer } = this.#processor;
    const timerMs =
      nextTimer === null
        ? Number.POSITIVE_INFINITY
        : Number(nextTimer - this.#hostTime(this.#host.monotonicMs())) / TICKS_PER_MS;
    const { nextNs } = this.#alarms;
    const alarmMs = nextNs === null ? Number.POSITIVE_INFINITY : Number(nextNs - this.now()) / 1e6;
    return Math.max(0, Math.min(timerMs, alarmMs));
  }

  stuckMs(): number {
    return SLICE_MS;
  }

  resume(): void {
    this.#origin = this.#processor.mtime - ticks(this.#host.monotonicMs());
  }

  setMtime(mtime: bigint): void {
    this.#origin += mtime - this.#processor.mtime;
    // The rest of the slice goes on at its pace; the next one finds its own.
    this.#processor.setTime(mtime, this.ticksPerInstruction);
  }

  /** At the speed of the last slices. */
  get ticksPerInstruction(): number {
    return TICKS_PER_MS / this.#speed;
  }

  #hostTime(monotonicMs: number): bigint {
    return this.#origin + ticks(monotonicMs);
  }
}

function ticks(ms: number): bigint {
  return BigInt(Math.round(ms * TICKS_PER_MS));
}

function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function earlier(a: bigint | null, b: bigint | null): bigint | null {
  if (a === null || b === null) return a ?? b;
  return a < b ? a : b;
}
