import type { Load, Sample, Usage } from "../control/hypervisor/schemas.js";
import type { LaneReading } from "./messages.js";

/**
 * What a host processor that is busy draws, and what a GiB of memory does, in watts: docs/hypervisor.md says where these
 * come from. The estimate is `processorSeconds * PROCESSOR_WATTS + memoryGibSeconds * GIB_WATTS`.
 */
export const PROCESSOR_WATTS = 6;
export const GIB_WATTS = 0.4;

const GIB = 2 ** 30;
const MS_PER_S = 1000;
/** An hour of samples, one every SAMPLE_MS. */
const SAMPLE_MS = 5000;
const SAMPLES_MAX = 720;

export const NO_USAGE: Usage = {
  instructions: 0,
  processorSeconds: 0,
  memoryGibSeconds: 0,
  energyJoules: 0,
  diskReadBytes: 0,
  diskWrittenBytes: 0,
  diskReads: 0,
  diskWrites: 0,
  networkReceivedBytes: 0,
  networkSentBytes: 0,
  networkReceivedFrames: 0,
  networkSentFrames: 0,
};

export const NO_LOAD: Load = {
  processors: 0,
  entitlement: 0,
  steal: 0,
  touchedByteLength: 0,
  balloonByteLength: 0,
  savedByteLength: 0,
};

/** Counts of a worker that only grow while the machine is there. */
const COUNTS = [
  "instructions",
  "diskReadBytes",
  "diskWrittenBytes",
  "diskReads",
  "diskWrites",
  "networkReceivedBytes",
  "networkSentBytes",
  "networkReceivedFrames",
  "networkSentFrames",
] as const satisfies readonly (keyof Usage & keyof LaneReading)[];

/** What one machine has used all its life, and what it uses now. */
export class Meter {
  #usage: Usage;
  #load: Load = NO_LOAD;
  #last: LaneReading | null = null;
  #lastMs = 0;
  #residentByteLength = 0;
  #diskByteLength = 0;
  #spareByteLength: number | null = null;
  /** When the machine last did something that takes time. */
  #activeMs = 0;
  readonly #samples: Sample[] = [];
  #sampledMs = 0;
  #sampled: Usage = NO_USAGE;

  /** @param usage before now */
  constructor(usage: Usage, nowMs: number) {
    this.#usage = usage;
    this.#sampled = usage;
    this.#activeMs = nowMs;
  }

  get usage(): Usage {
    return this.#usage;
  }

  get load(): Load {
    return this.#load;
  }

  /** What the machine had used elsewhere, before it came here. */
  goOnFrom(usage: Usage): void {
    this.#usage = usage;
    this.#sampled = usage;
  }

  /** Memory of the host that the machine takes up. */
  get residentByteLength(): number {
    return this.#residentByteLength;
  }

  /** What its disks take up besides: what the guest has written since they were saved. */
  get diskByteLength(): number {
    return this.#diskByteLength;
  }

  /** What the guest could do without, its balloon included; null of one that has not said. */
  get spareByteLength(): number | null {
    return this.#spareByteLength;
  }

  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /** How much of a processor counts as not idle: a guest's own housekeeping does not. */
  get lastActiveMs(): number {
    return this.#activeMs;
  }

  touch(nowMs: number): void {
    this.#activeMs = nowMs;
  }

  /** The machine has come to a worker, whose counts begin at 0, or to instructions that it had retired before. */
  begin(nowMs: number): void {
    this.#last = null;
    this.#lastMs = nowMs;
    this.#activeMs = nowMs;
  }

  /** The machine is in no worker. */
  end(): void {
    this.#last = null;
    this.#residentByteLength = 0;
    this.#diskByteLength = 0;
    this.#spareByteLength = null;
    this.#load = { ...this.#load, processors: 0, entitlement: 0, steal: 0, touchedByteLength: 0, balloonByteLength: 0 };
  }

  savedByteLength(byteLength: number): void {
    this.#load = { ...this.#load, savedByteLength: byteLength };
  }

  /** @param entitlement processors that the machine has a right to now */
  take(reading: LaneReading, nowMs: number, entitlement: number): void {
    const elapsedMs = Math.max(1, nowMs - this.#lastMs);
    const last = this.#last ?? { ...reading, ...NO_COUNTS, busyMs: 0, stolenMs: 0 };
    const grown = Object.fromEntries(
      COUNTS.map((name) => [name, this.#usage[name] + Math.max(0, reading[name] - last[name])]),
    ) as Pick<Usage, (typeof COUNTS)[number]>;
    const busyMs = Math.max(0, reading.busyMs - last.busyMs);
    const processorSeconds = this.#usage.processorSeconds + busyMs / MS_PER_S;
    const gibSeconds = (reading.touchedByteLength / GIB) * (elapsedMs / MS_PER_S);
    const memoryGibSeconds = this.#usage.memoryGibSeconds + gibSeconds;
    this.#usage = {
      ...grown,
      processorSeconds,
      memoryGibSeconds,
      energyJoules: energyOf(processorSeconds, memoryGibSeconds),
    };
    this.#load = {
      ...this.#load,
      entitlement,
      steal: Math.min(1, Math.max(0, reading.stolenMs - last.stolenMs) / elapsedMs),
      processors: busyMs / elapsedMs,
      touchedByteLength: reading.touchedByteLength,
      balloonByteLength: reading.balloonByteLength,
    };
    this.#residentByteLength = reading.residentByteLength;
    this.#diskByteLength = reading.diskByteLength;
    this.#spareByteLength = reading.spareByteLength;
    if (busyMs > elapsedMs * IDLE_PROCESSORS) this.#activeMs = nowMs;
    this.#last = reading;
    this.#lastMs = nowMs;
  }

  /** To be called about once a second, also while the machine is off. */
  sample(nowMs: number): void {
    const elapsedMs = nowMs - this.#sampledMs;
    if (elapsedMs < SAMPLE_MS) return;
    const isFirst = this.#sampledMs === 0;
    const [now, before] = [this.#usage, this.#sampled];
    this.#sampledMs = nowMs;
    this.#sampled = now;
    if (isFirst) return;
    const perSecond = (total: (usage: Usage) => number) => ((total(now) - total(before)) * MS_PER_S) / elapsedMs;
    this.#samples.push({
      time: nowMs,
      processors: perSecond((usage) => usage.processorSeconds),
      steal: this.#load.steal,
      touchedByteLength: this.#load.touchedByteLength,
      diskBytesPerSecond: perSecond((usage) => usage.diskReadBytes + usage.diskWrittenBytes),
      networkBytesPerSecond: perSecond((usage) => usage.networkReceivedBytes + usage.networkSentBytes),
    });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
  }
}

/** Less than this part of a processor is a guest's own housekeeping. */
const IDLE_PROCESSORS = 0.05;

const NO_COUNTS = Object.fromEntries(COUNTS.map((name) => [name, 0])) as Record<(typeof COUNTS)[number], number>;

function energyOf(processorSeconds: number, memoryGibSeconds: number): number {
  return processorSeconds * PROCESSOR_WATTS + memoryGibSeconds * GIB_WATTS;
}

/** The whole of several machines, as a pool has it. */
export function totalUsage(all: readonly Usage[]): Usage {
  return total(NO_USAGE, all);
}

export function totalLoad(all: readonly Load[]): Load {
  const sum = total(NO_LOAD, all);
  // A part of the time is no sum.
  return { ...sum, steal: all.length === 0 ? 0 : sum.steal / all.length };
}

function total<T extends Record<string, number>>(none: T, all: readonly T[]): T {
  const entries = Object.keys(none).map((name) => [name, all.reduce((sum, each) => sum + each[name]!, 0)]);
  return Object.fromEntries(entries) as T;
}
