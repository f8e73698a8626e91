import type { TranslationMode } from "../core/core.js";
import type { Replay, ReplayRequest } from "../snapshot/replay.js";

/** Which of a machine's recorded histories to run again, and how far. */
export interface ReplayPlace {
  /** By its number in the file; the newest unless given. */
  readonly history?: number;
  /** The history that went on from this snapshot, or passed it; from there. */
  readonly from?: string;
  /** The instruction to stop at, counted from power-on; the history's end unless given... */
  readonly until?: bigint;
  /** ...or how many before the end. */
  readonly back?: bigint;
  /** Whether code is translated to Wasm; on unless given. The outcome is the same. */
  readonly translate?: TranslationMode;
}

export interface ReplaySetup extends ReplayRequest {
  readonly translate: TranslationMode;
}

/** How a history that was run again came to its end. */
export interface ReplayReport {
  readonly history: number;
  /** The instruction that it began at: the last point that the recording has before where it stopped. */
  readonly from: bigint;
  /** The history's end, the place to stop at, or where the recording was cut off. */
  readonly reason: "end" | "until" | "cut";
  readonly instructions: bigint;
  /** At the history's end the same as that of the recorded machine. */
  readonly stateHash: string;
  /** Hashes on the way that were compared. */
  readonly checks: number;
}

export function reportReplay({ history, start, end }: Replay): ReplayReport {
  return {
    history: history.id,
    from: start.instructions,
    reason: end.reason,
    instructions: end.retired,
    stateHash: end.stateHash,
    checks: end.checkCount,
  };
}
