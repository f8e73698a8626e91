import { Alarms } from "../alarms.js";
import {
  type GuestClock,
  HostClock,
  type TimedProcessor,
  VIRTUAL_TICKS_PER_INSTRUCTION,
  type VirtualClock,
} from "../clock.js";
import type { HostServices } from "../host-services.js";
import { type Border, NOW, PACE, PACE_UNIT } from "./border.js";

/**
 * The clock of a machine.
 *
 * @param virtual null for one that follows the host's
 * @param border null for a machine whose history is neither recorded nor run again
 */
export function clockOf(
  processor: TimedProcessor,
  host: HostServices,
  virtual: VirtualClock | null,
  border: Border | null,
): GuestClock {
  if (border === null) return virtual ?? new HostClock(processor, host);
  if (virtual !== null) return new HistoryVirtualClock(virtual, border);
  return new HistoryClock(processor, border, border.isLive ? (watched) => new HostClock(watched, host) : null);
}

/** Time that follows the host's, and what it said is recorded; or that says it again. */
export class HistoryClock implements GuestClock {
  readonly #processor: TimedProcessor;
  readonly #border: Border;
  /** Null where the host's time does not count. */
  readonly #inner: HostClock | null;
  readonly #alarms = new Alarms();

  /** @param inner makes the clock that follows the host's, for a processor that it may set */
  constructor(processor: TimedProcessor, border: Border, inner: ((processor: TimedProcessor) => HostClock) | null) {
    this.#processor = processor;
    this.#border = border;
    this.#inner = inner?.(watched(processor, border)) ?? null;
  }

  now(): bigint {
    return this.#border.ask(NOW, () => this.#inner!.now());
  }

  at(untilNs: bigint, callback: () => void): () => void {
    return this.#alarms.add(untilNs, callback);
  }

  fireAlarms(nowNs: bigint): void {
    this.#alarms.fire(nowNs);
  }

  startSlice(budgetMax: number, granted?: number): number {
    if (this.#alarms.nextNs !== null) this.#alarms.fire(this.now());
    const inner = this.#inner;
    return this.#border.startClock(inner === null ? null : () => inner.startSlice(budgetMax, granted));
  }

  endSlice(retired: number, isBusy: boolean): void {
    this.#inner?.endSlice(retired, isBusy);
    this.#border.endSlice();
  }

  idleMs(): number {
    if (this.#inner === null) return 0;
    const { nextNs } = this.#alarms;
    const alarmMs = nextNs === null ? Number.POSITIVE_INFINITY : Number(nextNs - this.#inner.now()) / 1e6;
    return Math.max(0, Math.min(this.#inner.idleMs(), alarmMs));
  }

  stuckMs(): number {
    return this.#inner?.stuckMs() ?? 0;
  }

  resume(): void {
    this.#inner?.resume();
  }

  setMtime(mtime: bigint): void {
    this.#inner?.setMtime(mtime);
    const pace = this.#border.ask(PACE, () => Math.round(this.#inner!.ticksPerInstruction * PACE_UNIT));
    this.#processor.setTime(mtime, pace / PACE_UNIT);
  }
}

/** Virtual time follows from the machine's state, except how long its guest was left to wait. */
export class HistoryVirtualClock implements GuestClock {
  readonly #inner: VirtualClock;
  readonly #border: Border;

  constructor(inner: VirtualClock, border: Border) {
    this.#inner = inner;
    this.#border = border;
  }

  now(): bigint {
    return this.#inner.now();
  }

  at(untilNs: bigint, callback: () => void): () => void {
    return this.#inner.at(untilNs, callback);
  }

  fireAlarms(nowNs: bigint): void {
    this.#inner.fireAlarms(nowNs);
  }

  startSlice(budgetMax: number): number {
    this.#border.setPace(VIRTUAL_TICKS_PER_INSTRUCTION);
    return this.#border.startClock(() => this.#inner.startSlice(budgetMax));
  }

  endSlice(): void {
    this.#border.endSlice();
  }

  idleMs(): number {
    return this.#border.isLive ? this.#inner.idleMs() : 0;
  }

  stuckMs(): number {
    return this.#border.isLive ? this.#inner.stuckMs() : 0;
  }

  resume(): void {
    this.#inner.resume();
  }

  setMtime(mtime: bigint): void {
    this.#inner.setMtime(mtime);
  }
}

/** Lets the border know at which pace the processor's time runs. */
function watched(processor: TimedProcessor, border: Border): TimedProcessor {
  return {
    get mtime() {
      return processor.mtime;
    },
    get nextTimer() {
      return processor.nextTimer;
    },
    setTime(mtime, ticksPerInstruction) {
      border.setPace(ticksPerInstruction);
      processor.setTime(mtime, ticksPerInstruction);
    },
  };
}
