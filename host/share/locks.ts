import { ENOLCK, FolderError } from "./errno.js";

/** Ranges that all clients of a folder can have locked. */
export const LOCKS_MAX = 4096;

/** Who holds a lock: a process of a client, known by the fid it came with. */
export interface LockOwner {
  /** Tells sessions apart. */
  readonly session: object;
  readonly client: string;
  readonly process: number;
}

export interface LockRange {
  readonly start: number;
  /** The first byte behind it; Infinity for the rest of the file. */
  readonly end: number;
  readonly exclusive: boolean;
}

export interface HeldLock extends LockRange {
  readonly owner: LockOwner;
}

/**
 * The advisory record locks of a folder's files, as fcntl(2) has them, among all that use the folder through us. The
 * host's own programs neither see nor respect them: Node has no call for that.
 */
export class LockTable {
  readonly #locks = new Map<bigint, HeldLock[]>();
  #count = 0;

  /** The first lock of somebody else that stands in the way. */
  conflict(file: bigint, owner: LockOwner, { start, end, exclusive }: LockRange): HeldLock | undefined {
    return this.#locks
      .get(file)
      ?.find(
        (held) =>
          !isSameOwner(held.owner, owner) && (held.exclusive || exclusive) && held.start < end && start < held.end,
      );
  }

  /** Takes a lock, in place of what the owner had of the range. @returns false when somebody else's is in the way */
  acquire(file: bigint, owner: LockOwner, range: LockRange): boolean {
    if (this.conflict(file, owner, range) !== undefined) return false;
    // Cutting a hole into one makes two of it.
    if (this.#count + 2 > LOCKS_MAX) throw new FolderError(ENOLCK);
    this.release(file, owner, range);
    this.#set(file, [...(this.#locks.get(file) ?? []), { ...range, owner }]);
    return true;
  }

  /** Gives up what the owner has of a range. */
  release(file: bigint, owner: LockOwner, { start, end }: Pick<LockRange, "start" | "end">): void {
    const locks = this.#locks.get(file);
    if (locks === undefined) return;
    this.#set(
      file,
      locks.flatMap((held) => (isSameOwner(held.owner, owner) ? without(held, start, end) : [held])),
    );
  }

  /** What a session has. */
  *heldBy(session: object): Generator<readonly [file: bigint, lock: HeldLock]> {
    for (const [file, locks] of this.#locks) {
      for (const held of locks) if (held.owner.session === session) yield [file, held];
    }
  }

  /** Gives up everything a session has. */
  releaseSession(session: object): void {
    for (const [file, locks] of [...this.#locks]) {
      this.#set(
        file,
        locks.filter(({ owner }) => owner.session !== session),
      );
    }
  }

  #set(file: bigint, locks: HeldLock[]): void {
    this.#count += locks.length - (this.#locks.get(file)?.length ?? 0);
    if (locks.length === 0) this.#locks.delete(file);
    else this.#locks.set(file, locks);
  }
}

function isSameOwner(a: LockOwner, b: LockOwner): boolean {
  return a.session === b.session && a.process === b.process && a.client === b.client;
}

/** What is left of a lock outside of a range. */
function without(held: HeldLock, start: number, end: number): HeldLock[] {
  if (held.end <= start || end <= held.start) return [held];
  const left: HeldLock[] = [];
  if (held.start < start) left.push({ ...held, end: start });
  if (end < held.end) left.push({ ...held, start: end });
  return left;
}
