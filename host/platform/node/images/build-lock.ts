import { rmSync } from "node:fs";
import { open, rm, stat, utimes } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

export interface BuildLockOptions {
  /** How often the holder shows that it is alive. */
  readonly heartbeatMs: number;
  /** For how long a holder may be silent before it counts as dead. */
  readonly staleMs: number;
  /** How often one who waits looks again. */
  readonly pollMs: number;
}

const DEFAULTS: BuildLockOptions = { heartbeatMs: 1000, staleMs: 15_000, pollMs: 200 };

/**
 * Runs `action` while holding the lock file at `path`, so that of several processes that want the same thing one does
 * the work. It saves work and no more: a holder that was stopped for a while may find that another has taken over, and
 * what `action` does must be right even then.
 *
 * @param onWait called whenever the lock turns out to be held by another
 */
export async function withBuildLock<T>(
  path: string,
  action: () => Promise<T>,
  onWait: () => void = () => {},
  options: BuildLockOptions = DEFAULTS,
): Promise<T> {
  while (!(await tryLock(path))) {
    if (await isStale(path, options.staleMs)) {
      await rm(path, { force: true });
    } else {
      onWait();
      await sleep(options.pollMs);
    }
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, options.heartbeatMs);
  const removeAtExit = () => rmSync(path, { force: true });
  process.once("exit", removeAtExit);
  try {
    return await action();
  } finally {
    process.off("exit", removeAtExit);
    clearInterval(heartbeat);
    await rm(path, { force: true });
  }
}

/** Creates the lock file; false when it is there already. */
async function tryLock(path: string): Promise<boolean> {
  try {
    await (await open(path, "wx")).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function isStale(path: string, staleMs: number): Promise<boolean> {
  try {
    return Date.now() - (await stat(path)).mtimeMs > staleMs;
  } catch {
    return false; // It is gone: the next attempt to take it will show.
  }
}
