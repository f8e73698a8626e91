import { closeSync, mkdirSync, openSync, readFileSync, rmdirSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { VivariumError } from "../../../util/errors.js";

/** Who has a machine file open. */
interface Holder {
  readonly pid: number;
  /** When the process started, in the kernel's ticks since boot: tells it from a later one of the same number. */
  readonly startedTicks: string | null;
  readonly host: string;
  readonly sinceMs: number;
}

/** A lock without contents is being written; an older one was left by a program that was killed right then. */
const UNFINISHED_MS = 5000;
/** A takeover takes no longer, unless it was killed. */
const TAKEOVER_MS = 5000;
const ATTEMPTS = 50;
const PAUSE_MS = 20;

/**
 * Says who has a machine file or a disk image open for writing, in a file beside it, so that nobody else opens it
 * meanwhile. Node has no locks that end with their process; so a lock whose holder does not live any more counts for
 * nothing.
 */
export class FileLock {
  readonly #path: string;
  #isHeld = true;

  private constructor(path: string) {
    this.#path = path;
    process.once("exit", this.#releaseAtExit);
  }

  /**
   * @param file whose symbolic links are resolved
   * @throws VivariumError `file/in-use` naming the holder, `file/unwritable` when no lock can be made there
   */
  static async acquire(file: string): Promise<FileLock> {
    const path = `${file}.lock`;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (tryCreate(path, file)) return new FileLock(path);
      const holder = readHolder(path);
      if (holder !== "unfinished" && holder !== "gone") {
        if (isAlive(holder)) throw inUse(file, path, holder);
        removeStale(path, holder);
      }
      await sleep(PAUSE_MS);
    }
    throw new VivariumError(
      "file/in-use",
      `${file}: ${path} cannot be taken over; delete it if nobody has the file open`,
    );
  }

  /** @throws VivariumError `file/in-use` naming the holder when somebody holds the lock of `file` */
  static refuseHeld(file: string): void {
    const path = `${file}.lock`;
    const holder = readHolder(path);
    if (typeof holder !== "string" && isAlive(holder)) throw inUse(file, path, holder);
  }

  /** A thread of this process that held the lock of `file` has ended without releasing it. */
  static abandon(file: string): void {
    const path = `${file}.lock`;
    const holder = readHolder(path);
    const { pid, host, startedTicks } = ourselves();
    if (typeof holder === "string" || holder.pid !== pid || holder.host !== host) return;
    if (holder.startedTicks === startedTicks) unlinkSync(path);
  }

  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    process.off("exit", this.#releaseAtExit);
    try {
      unlinkSync(this.#path);
    } catch {
      // Whoever removed it took it for that of a dead program; there is nothing left to release.
    }
  }

  readonly #releaseAtExit = (): void => this.release();
}

function tryCreate(path: string, file: string): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(path, "wx", 0o644);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    throw new VivariumError(
      "file/unwritable",
      `${file}: ${path} cannot be made (${code}); expected a writable directory`,
    );
  }
  try {
    writeFileSync(descriptor, JSON.stringify(ourselves()));
  } finally {
    closeSync(descriptor);
  }
  return true;
}

function ourselves(): Holder {
  return {
    pid: process.pid,
    startedTicks: processStat(process.pid)?.[STAT_STARTED] ?? null,
    host: hostname(),
    sinceMs: Date.now(),
  };
}

function readHolder(path: string): Holder | "unfinished" | "gone" {
  try {
    const text = readFileSync(path, "utf8");
    if (text === "") return Date.now() - statSync(path).mtimeMs < UNFINISHED_MS ? "unfinished" : NOBODY;
    const { pid, startedTicks: ticks, host, sinceMs } = JSON.parse(text) as Partial<Holder>;
    if (typeof pid !== "number" || typeof host !== "string" || typeof sinceMs !== "number") return NOBODY;
    return { pid, startedTicks: typeof ticks === "string" ? ticks : null, host, sinceMs };
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "gone" : NOBODY;
  }
}

/** The holder of a lock that says nothing of use. */
const NOBODY: Holder = { pid: 0, startedTicks: null, host: "", sinceMs: 0 };

function isAlive(holder: Holder): boolean {
  if (holder === NOBODY) return false;
  // Of another computer's processes nothing is known.
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
  const stat = processStat(holder.pid);
  // A zombie has ended, though nobody has asked how.
  if (stat === null || holder.startedTicks === null) return true;
  return stat[STAT_STATE] !== "Z" && stat[STAT_STARTED] === holder.startedTicks;
}

/** Positions in the fields of /proc/PID/stat that follow the program's name, which may hold anything: proc(5). */
const STAT_STATE = 0;
const STAT_STARTED = 19;

function processStat(pid: number): readonly string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}

/** Removes a lock if it is still that of `dead`: one program at a time may, or it could be another's new one. */
function removeStale(path: string, dead: Holder): void {
  const guard = `${path}.takeover`;
  try {
    mkdirSync(guard);
  } catch {
    removeOld(guard);
    return;
  }
  try {
    const holder = readHolder(path);
    const isSame = typeof holder !== "string" && JSON.stringify(holder) === JSON.stringify(dead);
    if (isSame) unlinkSync(path);
  } finally {
    rmdirSync(guard);
  }
}

function removeOld(guard: string): void {
  try {
    if (Date.now() - statSync(guard).mtimeMs > TAKEOVER_MS) rmdirSync(guard);
  } catch {
    // Somebody else has removed it.
  }
}

function inUse(file: string, lock: string, holder: Holder): VivariumError {
  const isHere = holder.host === hostname();
  const who = holder.pid === process.pid && isHere ? "this program" : `process ${holder.pid}`;
  const where = isHere ? "" : ` on ${holder.host}`;
  const since = new Date(holder.sinceMs).toISOString();
  const remedy = isHere ? "" : `; if it does not any more, delete ${lock}`;
  const message = `${file}: ${who}${where} has it open since ${since}${remedy}`;
  return new VivariumError("file/in-use", message, { file, pid: holder.pid, host: holder.host });
}
