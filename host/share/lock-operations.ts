import { type Task, wait } from "../util/task.js";
import { EBADF, EINVAL, FolderError } from "./errno.js";
import { openFile } from "./file-operations.js";
import type { LockOwner, LockRange } from "./locks.js";
import {
  LOCK_BLOCKED,
  LOCK_ERROR,
  LOCK_READ,
  LOCK_SUCCESS,
  LOCK_UNLOCK,
  LOCK_WRITE,
  type RequestOf,
} from "./messages.js";
import type { SessionState } from "./session.js";
import type { WireWriter } from "./wire.js";

type LockRequest = RequestOf<"lock"> | RequestOf<"getlock">;

/** A client that may wait asks again after LOCK_BLOCKED: no request waits here. */
export function* lock(session: SessionState, request: RequestOf<"lock">, reply: WireWriter): Task<void> {
  const file = yield* fileOf(session, request);
  const owner = ownerOf(session, request);
  switch (request.lock) {
    case LOCK_UNLOCK:
      session.locks.release(file, owner, rangeOf(request));
      reply.u8(LOCK_SUCCESS);
      return;
    case LOCK_READ:
    case LOCK_WRITE:
      reply.u8(session.locks.acquire(file, owner, rangeOf(request)) ? LOCK_SUCCESS : LOCK_BLOCKED);
      return;
    default:
      reply.u8(LOCK_ERROR);
  }
}

/** Says who is in the way of a lock; LOCK_UNLOCK if nobody is. */
export function* testLock(session: SessionState, request: RequestOf<"getlock">, reply: WireWriter): Task<void> {
  const file = yield* fileOf(session, request);
  const range = rangeOf(request);
  const held = session.locks.conflict(file, ownerOf(session, request), range);
  if (held === undefined) {
    reply.u8(LOCK_UNLOCK);
    reply.u53(request.start);
    reply.u53(Number.isFinite(request.length) ? request.length : 0);
    reply.u32(request.process);
    reply.string(request.client);
    return;
  }
  reply.u8(held.exclusive ? LOCK_WRITE : LOCK_READ);
  reply.u53(held.start);
  reply.u53(Number.isFinite(held.end) ? held.end - held.start : 0);
  reply.u32(held.owner.process);
  reply.string(held.owner.client);
}

function* fileOf(session: SessionState, { fid }: LockRequest): Task<bigint> {
  const { fids } = session;
  const holder = fids.get(fid);
  const { file } = yield* openFile(session, fid);
  const { identity } = yield* wait(file.attributes());
  // Who has given it up meanwhile, or was reset, would keep a lock that nobody gives up any more.
  if (!fids.isCurrent(fid, holder)) throw new FolderError(EBADF);
  return identity;
}

function ownerOf({ identity }: SessionState, { client, process }: LockRequest): LockOwner {
  return { session: identity, client, process };
}

/** A length of 0 means the rest of the file, as does one that no number holds. */
function rangeOf({ start, length, lock }: LockRequest): LockRange {
  if (!Number.isFinite(start)) throw new FolderError(EINVAL);
  return { start, end: length === 0 ? Number.POSITIVE_INFINITY : start + length, exclusive: lock === LOCK_WRITE };
}
