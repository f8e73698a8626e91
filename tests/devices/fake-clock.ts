import type { AlarmClock } from "../../host/devices/clock.js";

/** A clock that stands still until it is advanced. */
export class FakeClock implements AlarmClock {
  readonly #alarms = new Set<{ readonly untilNs: bigint; readonly callback: () => void }>();
  #now: bigint;

  constructor(now = 1_700_000_000_000_000_000n) {
    this.#now = now;
  }

  get alarmCount(): number {
    return this.#alarms.size;
  }

  now(): bigint {
    return this.#now;
  }

  at(untilNs: bigint, callback: () => void): () => void {
    const alarm = { untilNs, callback };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  }

  advance(ns: bigint): void {
    this.#now += ns;
    for (const alarm of this.#alarms) {
      if (alarm.untilNs > this.#now) continue;
      this.#alarms.delete(alarm);
      alarm.callback();
    }
  }
}
