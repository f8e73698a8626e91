import { type Task, wait } from "../util/task.js";
import { EFBIG, ENOENT, FolderError } from "./errno.js";
import type { FileNode } from "./file-tree.js";
import {
  GETATTR_BASIC,
  type RequestOf,
  SETATTR_ATIME,
  SETATTR_ATIME_SET,
  SETATTR_GID,
  SETATTR_MODE,
  SETATTR_MTIME,
  SETATTR_MTIME_SET,
  SETATTR_SIZE,
  SETATTR_UID,
} from "./messages.js";
import { requireWritable } from "./operations.js";
import type { SessionState } from "./session.js";
import { type AttributeChange, type FolderDirectory, type FolderFile, PERMISSION_MASK } from "./shared-folder.js";
import { attributesOf, openFileOf, qidOf } from "./stat.js";
import type { WireWriter } from "./wire.js";

/** What Linux calls this file system's type. */
const V9FS_MAGIC = 0x0102_1997;
const NAME_BYTE_LENGTH_MAX = 255;
const NS_PER_S = 1_000_000_000n;

export function* getAttributes(session: SessionState, request: RequestOf<"getattr">, reply: WireWriter): Task<void> {
  const attributes = yield* attributesOf(session, session.fids.get(request.fid).node);
  reply.u64(BigInt(GETATTR_BASIC));
  reply.qid(qidOf(attributes));
  reply.u32(attributes.mode);
  reply.u32(attributes.uid);
  reply.u32(attributes.gid);
  reply.u53(attributes.linkCount);
  reply.u64(attributes.deviceNumber);
  reply.u53(attributes.byteLength);
  reply.u53(attributes.blockByteLength);
  reply.u53(attributes.sectorCount);
  for (const time of [attributes.accessedNs, attributes.modifiedNs, attributes.changedNs, 0n]) {
    const nanoseconds = ((time % NS_PER_S) + NS_PER_S) % NS_PER_S;
    reply.u64(BigInt.asUintN(64, (time - nanoseconds) / NS_PER_S));
    reply.u64(nanoseconds);
  }
  // Generation and data version, which are not among the basic attributes.
  reply.u64(0n);
  reply.u64(0n);
}

export function* changeAttributes(session: SessionState, request: RequestOf<"setattr">): Task<void> {
  const { node } = session.fids.get(request.fid);
  requireWritable(session);
  const change = changeOf(request);
  // Whoever has opened a file for writing may cut it, even if nobody could open it any more.
  const open = (change.byteLength === undefined ? undefined : writableFileOf(node)) ?? openFileOf(node);
  if (open !== undefined) {
    yield* wait(open.change(change));
  } else if (node === session.tree.root) {
    yield* wait((yield* session.tree.directory(node)).change(".", change));
  } else {
    yield* wait((yield* session.tree.parentDirectory(node)).change(node.name, change));
  }
}

function writableFileOf(node: FileNode): FolderFile | undefined {
  for (const [file, access] of node.openFiles) if (access.write) return file;
  return undefined;
}

function changeOf(request: RequestOf<"setattr">): AttributeChange {
  const { valid } = request;
  const has = (bit: number) => (valid & bit) !== 0;
  if (has(SETATTR_SIZE) && !Number.isFinite(request.byteLength)) throw new FolderError(EFBIG);
  const accessed = timeOf(request.accessedSeconds, request.accessedNanoseconds, has(SETATTR_ATIME_SET));
  const modified = timeOf(request.modifiedSeconds, request.modifiedNanoseconds, has(SETATTR_MTIME_SET));
  return {
    ...(has(SETATTR_MODE) ? { permissions: request.mode & PERMISSION_MASK } : {}),
    ...(has(SETATTR_UID) ? { uid: request.uid } : {}),
    ...(has(SETATTR_GID) ? { gid: request.gid } : {}),
    ...(has(SETATTR_SIZE) ? { byteLength: request.byteLength } : {}),
    ...(has(SETATTR_ATIME) ? { accessed } : {}),
    ...(has(SETATTR_MTIME) ? { modified } : {}),
  };
}

function timeOf(seconds: bigint, nanoseconds: bigint, isGiven: boolean): bigint | "now" {
  return isGiven ? BigInt.asIntN(64, seconds) * NS_PER_S + (nanoseconds % NS_PER_S) : "now";
}

export function* statistics(session: SessionState, request: RequestOf<"statfs">, reply: WireWriter): Task<void> {
  session.fids.get(request.fid);
  const found = yield* wait(session.folder.statistics());
  reply.u32(V9FS_MAGIC);
  reply.u32(found.blockByteLength);
  for (const count of [found.blocks, found.freeBlocks, found.availableBlocks, found.files, found.freeFiles]) {
    reply.u64(BigInt.asUintN(64, count));
  }
  // The file system's own number: there is none that would mean something to a guest.
  reply.u64(0n);
  reply.u32(NAME_BYTE_LENGTH_MAX);
}

/** The reply to whatever makes something that is not opened. */
export function* makeReply(directory: FolderDirectory, name: string, reply: WireWriter): Task<void> {
  const attributes = yield* wait(directory.find(name));
  if (attributes === null) throw new FolderError(ENOENT);
  reply.qid(qidOf(attributes));
}
