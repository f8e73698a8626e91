/** A source of time for devices; which clock it follows (host or virtual) is the machine's choice. */
export interface Clock {
  /** Nanoseconds since 1970-01-01T00:00:00Z, not decreasing. */
  now(): bigint;
}

/** A clock that can call back: the machine makes sure that an idle guest still sees the alarm in time. */
export interface AlarmClock extends Clock {
  /** Calls `callback` once when `now()` has reached `untilNs`; returns a function that cancels it. */
  at(untilNs: bigint, callback: () => void): () => void;
}
