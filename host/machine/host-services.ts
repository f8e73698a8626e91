/** What a machine needs of the program around it: time, sleep, randomness, and its turn. */
export interface HostServices {
  /** Wall clock, in nanoseconds since 1970-01-01T00:00:00Z. */
  nowNs(): bigint;
  /** A clock that is never set: milliseconds since some moment, with fractions. */
  monotonicMs(): number;
  /** `done` resolves after `ms`, or as soon as `wake` is called. */
  sleep(ms: number): { readonly done: Promise<void>; wake(): void };
  /** Lets completed input and output call back, once. */
  yieldToEvents(): Promise<void>;
  randomBytes(into: Uint8Array): void;
}
