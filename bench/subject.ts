/** One thing that is measured inside this process, again and again, by tinybench. */
export interface SmallSubject {
  readonly name: string;
  readonly cases: readonly SmallCase[];
}

export interface SmallCase {
  /** What one operation is, such as "a load that hits the TLB". */
  readonly operation: string;
  /** Makes what is measured. */
  prepare(): Promise<PreparedCase>;
}

export interface PreparedCase {
  /** Operations in one call of `run`, as many as make its own cost disappear. */
  readonly count: number;
  run(): void;
}

/** The time of one operation of a case. */
export interface SmallFigure {
  readonly subject: string;
  readonly operation: string;
  /** Median over the calls. */
  readonly nsPerOperation: number;
  /** Relative margin of error, in percent. */
  readonly marginPercent: number;
}

/** What one system needed for a piece of work in one run. */
export interface Sample {
  /** By the clock of this host, from outside the guest. */
  readonly seconds: number;
  /** By the guest's own clock, where the guest measured itself. */
  readonly guestSeconds: number | null;
}

/** A whole guest's figures: the same work here and in the other systems of the same runs. */
export interface LargeFigure {
  readonly subject: string;
  /** What was done, such as "64 MiB". */
  readonly work: string;
  readonly systems: readonly SystemFigures[];
}

export interface SystemFigures {
  /** "vivarium", or a peer's name. */
  readonly system: string;
  readonly samples: readonly Sample[];
}

/** Something that was to be measured and was not. */
export interface Unmeasured {
  /** "skipped": something is not installed here, and the reason says what. "failed": it went wrong. */
  readonly kind: "skipped" | "failed";
  readonly subject: string;
  /** One line. */
  readonly reason: string;
}
