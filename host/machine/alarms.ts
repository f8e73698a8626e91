/** Callbacks that wait for their time, in nanoseconds since 1970. */
export class Alarms {
  /** In order of time, those of equal time in order of arrival. */
  readonly #alarms: { readonly untilNs: bigint; readonly callback: () => void }[] = [];

  /** @returns a function that cancels the alarm */
  add(untilNs: bigint, callback: () => void): () => void {
    const alarm = { untilNs, callback };
    const later = this.#alarms.findIndex((other) => other.untilNs > untilNs);
    this.#alarms.splice(later < 0 ? this.#alarms.length : later, 0, alarm);
    return () => {
      const index = this.#alarms.indexOf(alarm);
      if (index >= 0) this.#alarms.splice(index, 1);
    };
  }

  /** When the next one is due, or null. */
  get nextNs(): bigint | null {
    return this.#alarms[0]?.untilNs ?? null;
  }

  /** Calls back everything that is due at `nowNs`, also what the callbacks add for that time. */
  fire(nowNs: bigint): void {
    for (;;) {
      const alarm = this.#alarms[0];
      if (alarm === undefined || alarm.untilNs > nowNs) return;
      this.#alarms.shift();
      alarm.callback();
    }
  }
}
