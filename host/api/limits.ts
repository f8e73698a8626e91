import { VivariumError } from "../util/errors.js";
import { badOption } from "./arguments.js";
import type { Platform } from "./platform.js";

/** How long somebody is willing to wait. */
export interface Limits {
  /** Gives up after so long, with VivariumError `timeout`. */
  readonly timeoutMs?: number;
  /** Gives up when it aborts, with its reason. */
  readonly signal?: AbortSignal;
}

/** @throws VivariumError `option/invalid` */
function checkSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined) return;
  const isSignal = typeof signal === "object" && signal !== null && typeof signal.addEventListener === "function";
  if (!isSignal) throw badOption("signal", signal, "an AbortSignal");
}

/**
 * Does something that may take long within its limits.
 *
 * @param what for the message: `exec "sleep 9"`
 * @param begin starts it; `giveUp` is called with the error when a limit is reached, and nothing is waited for then
 */
export async function within<T>(
  platform: Platform,
  what: string,
  { timeoutMs, signal }: Limits,
  begin: (onGiveUp: (giveUp: (error: Error) => void) => void) => Promise<T>,
): Promise<T> {
  checkSignal(signal);
  if (signal?.aborted === true) throw signal.reason;
  if (timeoutMs !== undefined && !(typeof timeoutMs === "number" && timeoutMs >= 0)) {
    throw badOption("timeoutMs", timeoutMs, "milliseconds, 0 or more");
  }
  let giveUp = (_error: Error): void => {};
  let cancelTimer = (): void => {};
  let onAbort = (): void => {};
  const limit = new Promise<never>((_, reject) => {
    const end = (error: unknown): void => {
      giveUp(error as Error);
      reject(error);
    };
    if (timeoutMs !== undefined && Number.isFinite(timeoutMs)) {
      const error = new VivariumError("timeout", `${what}: took longer than ${timeoutMs} ms`, { timeoutMs });
      cancelTimer = platform.schedule(() => end(error), timeoutMs);
    }
    onAbort = () => end(signal?.reason);
    signal?.addEventListener("abort", onAbort);
  });
  const done = begin((callback) => {
    giveUp = callback;
  });
  // Whichever comes second has nobody who waits for it.
  done.catch(() => {});
  limit.catch(() => {});
  try {
    return await Promise.race([done, limit]);
  } finally {
    cancelTimer();
    signal?.removeEventListener("abort", onAbort);
  }
}
