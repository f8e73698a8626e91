/** What each request does; a failed one throws FolderError. */
import { unreachable } from "../util/errors.js";
import { type Task, wait } from "../util/task.js";
import { changeAttributes, getAttributes, makeReply, statistics } from "./attribute-operations.js";
import { EBUSY, EEXIST, EINVAL, ENOENT, ENOTDIR, EOPNOTSUPP, EPERM, EROFS, FolderError } from "./errno.js";
import type { Fid } from "./fids.js";
import { create, list, open, read, sync, write } from "./file-operations.js";
import type { FileNode } from "./file-tree.js";
import { lock, testLock } from "./lock-operations.js";
import { AT_REMOVEDIR, NO_FID, type Request, type RequestOf } from "./messages.js";
import type { SessionState } from "./session.js";
import {
  type FileAttributes,
  type FolderDirectory,
  isFileName,
  PERMISSION_MASK,
  S_IFDIR,
  S_IFMT,
  S_IFREG,
} from "./shared-folder.js";
import { attributesOf, qidOf } from "./stat.js";
import type { WireWriter } from "./wire.js";

/** Names in one walk. */
const WALK_NAMES_MAX = 16;

/** Does what was asked for, and writes what the reply says. */
export function perform(session: SessionState, request: Request, reply: WireWriter): Task<void> {
  switch (request.kind) {
    case "statfs":
      return statistics(session, request, reply);
    case "lopen":
      return open(session, request, reply);
    case "lcreate":
      return create(session, request, reply);
    case "symlink":
      return makeLink(session, request, reply);
    case "mknod":
      return makeNode(session, request, reply);
    case "mkdir":
      return makeDirectory(session, request, reply);
    case "rename":
      return renameFid(session, request);
    case "renameat":
      return renameAt(session, request);
    case "readlink":
      return readLink(session, request, reply);
    case "getattr":
      return getAttributes(session, request, reply);
    case "setattr":
      return changeAttributes(session, request);
    case "xattrwalk":
    case "xattrcreate":
    case "auth":
      // Node cannot reach extended attributes. Programs take this answer as "there are none here".
      throw new FolderError(EOPNOTSUPP);
    case "readdir":
      return list(session, request, reply);
    case "fsync":
      return sync(session, request);
    case "lock":
      return lock(session, request, reply);
    case "getlock":
      return testLock(session, request, reply);
    case "link":
      return addName(session, request);
    case "unlinkat":
      return unlinkAt(session, request);
    case "attach":
      return attach(session, request, reply);
    case "flush":
      // Requests are answered before those that flush them: then nothing is left to be done.
      return nothing();
    case "walk":
      return walk(session, request, reply);
    case "read":
      return read(session, request, reply);
    case "write":
      return write(session, request, reply);
    case "clunk":
      session.fids.remove(request.fid);
      return nothing();
    case "remove":
      return remove(session, request);
    case "version":
      throw new FolderError(EINVAL);
    default:
      return unreachable(request);
  }
}

/** @throws FolderError EROFS when the folder is read-only */
export function requireWritable({ folder }: SessionState): void {
  if (folder.readOnly) throw new FolderError(EROFS);
}

/** @throws FolderError ENOENT for the empty name, EINVAL for what is no name of a file */
export function requireName(name: string): void {
  if (name === "") throw new FolderError(ENOENT);
  if (!isFileName(name)) throw new FolderError(EINVAL);
}

function* attach(session: SessionState, request: RequestOf<"attach">, reply: WireWriter): Task<void> {
  if (request.authFid !== NO_FID) throw new FolderError(EINVAL);
  const { tree, fids } = session;
  const directory = yield* tree.directory(tree.root);
  const attributes = yield* wait(directory.find("."));
  if (attributes === null) throw new FolderError(ENOENT);
  fids.add(request.fid, tree.root, request.uid);
  reply.qid(qidOf(attributes));
}

function* nothing(): Task<void> {}

function* walk(session: SessionState, request: RequestOf<"walk">, reply: WireWriter): Task<void> {
  const { fids } = session;
  const fid = fids.get(request.fid);
  if (request.names.length > WALK_NAMES_MAX) throw new FolderError(EINVAL);
  if (request.newFid !== request.fid && fids.has(request.newFid)) throw new FolderError(EINVAL);
  const found: FileAttributes[] = [];
  const start = fid.node;
  let node = start;
  try {
    for (const name of request.names) {
      const next = yield* tryStep(session, node, name, found.length > 0);
      if (next === null) break;
      // Not to be forgotten while the walk goes on.
      next.node.fidCount++;
      leave(session, node, start);
      node = next.node;
      found.push(next.attributes);
    }
    if (found.length === request.names.length) {
      if (request.newFid !== request.fid) fids.add(request.newFid, node, fid.uid);
      else fids.move(fid, node);
    }
  } finally {
    leave(session, node, start);
  }
  reply.u16(found.length);
  for (const attributes of found) reply.qid(qidOf(attributes));
}

/** Takes back the reference that a walk has to a place on its way. */
function leave({ tree }: SessionState, node: FileNode, start: FileNode): void {
  if (node === start) return;
  node.fidCount--;
  tree.release(node);
}

interface Step {
  readonly node: FileNode;
  readonly attributes: FileAttributes;
}

/** A walk that gets somewhere says how far; only the first step's failure is the walk's. */
function* tryStep(session: SessionState, from: FileNode, name: string, mayFail: boolean): Task<Step | null> {
  try {
    return yield* step(session, from, name);
  } catch (error) {
    if (mayFail) return null;
    throw error;
  }
}

function* step(session: SessionState, from: FileNode, name: string): Task<Step> {
  const { tree } = session;
  if (name === "." || name === "..") {
    // Above the root there is the root.
    const node = name === ".." ? (from.parent ?? tree.root) : from;
    if (from.parent === null && from !== tree.root) throw new FolderError(ENOENT);
    return { node, attributes: yield* attributesOf(session, node) };
  }
  requireName(name);
  const directory = yield* tree.directory(from);
  const attributes = yield* wait(directory.find(name));
  if (attributes === null) throw new FolderError(ENOENT);
  return { node: tree.child(from, name), attributes };
}

function* makeLink(session: SessionState, request: RequestOf<"symlink">, reply: WireWriter): Task<void> {
  const { directory, fid } = yield* directoryForNew(session, request.fid, request.name);
  const { name, target, gid } = request;
  if (target === "" || target.includes("\0")) throw new FolderError(ENOENT);
  yield* wait(directory.makeLink(name, target, { permissions: 0o777, uid: fid.uid, gid }));
  yield* makeReply(directory, name, reply);
}

function* makeDirectory(session: SessionState, request: RequestOf<"mkdir">, reply: WireWriter): Task<void> {
  const { directory, fid } = yield* directoryForNew(session, request.fid, request.name);
  const { name, mode, gid } = request;
  yield* wait(directory.makeDirectory(name, { permissions: mode & PERMISSION_MASK, uid: fid.uid, gid }));
  yield* makeReply(directory, name, reply);
}

function* makeNode(session: SessionState, request: RequestOf<"mknod">, reply: WireWriter): Task<void> {
  const { directory, fid } = yield* directoryForNew(session, request.fid, request.name);
  const { name, mode, gid, major, minor } = request;
  const creation = { permissions: mode & PERMISSION_MASK, uid: fid.uid, gid };
  const kind = mode & S_IFMT;
  if (kind === S_IFREG) {
    const access = { read: false, write: true, append: false, truncate: false, sync: false };
    (yield* wait(directory.createFile(name, access, creation))).close();
  } else {
    yield* wait(directory.makeSpecial(name, kind, deviceNumber(major, minor), creation));
  }
  yield* makeReply(directory, name, reply);
}

/** As Linux numbers devices. */
function deviceNumber(major: number, minor: number): bigint {
  return (BigInt(major) << 20n) | BigInt(minor & 0xf_ffff);
}

/** The directory of a fid, in which something is to be made. */
export function* directoryForNew(
  session: SessionState,
  number: number,
  name: string,
): Task<{ readonly directory: FolderDirectory; readonly fid: Fid }> {
  const fid = session.fids.get(number);
  if (name === "." || name === "..") throw new FolderError(EEXIST);
  requireName(name);
  requireWritable(session);
  return { directory: yield* session.tree.directory(fid.node), fid };
}

function* readLink(session: SessionState, request: RequestOf<"readlink">, reply: WireWriter): Task<void> {
  const { node } = session.fids.get(request.fid);
  if (node === session.tree.root) throw new FolderError(EINVAL);
  const directory = yield* session.tree.parentDirectory(node);
  reply.string(yield* wait(directory.readLink(node.name)));
}

function* addName(session: SessionState, request: RequestOf<"link">): Task<void> {
  const { node } = session.fids.get(request.fid);
  if (node === session.tree.root) throw new FolderError(EPERM);
  const { directory } = yield* directoryForNew(session, request.directory, request.name);
  const from = yield* session.tree.parentDirectory(node);
  yield* wait(directory.addName(request.name, from, node.name));
}

function* renameFid(session: SessionState, request: RequestOf<"rename">): Task<void> {
  const { node } = session.fids.get(request.fid);
  const target = session.fids.get(request.newDirectory).node;
  if (node === session.tree.root) throw new FolderError(EBUSY);
  if (node.parent === null) throw new FolderError(ENOENT);
  yield* rename(session, node.parent, node.name, target, request.name);
}

function* renameAt(session: SessionState, request: RequestOf<"renameat">): Task<void> {
  const from = session.fids.get(request.directory).node;
  const to = session.fids.get(request.newDirectory).node;
  yield* rename(session, from, request.name, to, request.newName);
}

function* rename(session: SessionState, from: FileNode, name: string, to: FileNode, newName: string): Task<void> {
  for (const each of [name, newName]) {
    if (each === "." || each === "..") throw new FolderError(EBUSY);
    requireName(each);
  }
  requireWritable(session);
  const { tree } = session;
  const source = yield* tree.directory(from);
  const target = yield* tree.directory(to);
  const before = yield* wait(source.find(name));
  const replaced = yield* wait(target.find(newName));
  yield* wait(source.rename(name, target, newName));
  // Two names of one file: rename(2) leaves both.
  if (before === null || before.identity === replaced?.identity) return;
  tree.move(from, name, to, newName);
}

function* unlinkAt(session: SessionState, request: RequestOf<"unlinkat">): Task<void> {
  const { node } = session.fids.get(request.directory);
  if (request.name === "." || request.name === "..") throw new FolderError(EINVAL);
  requireName(request.name);
  if ((request.flags & ~AT_REMOVEDIR) !== 0) throw new FolderError(EINVAL);
  yield* unlink(session, node, request.name, (request.flags & AT_REMOVEDIR) !== 0);
}

function* unlink(session: SessionState, parent: FileNode, name: string, isDirectory: boolean): Task<void> {
  requireWritable(session);
  const directory = yield* session.tree.directory(parent);
  yield* wait(isDirectory ? directory.removeDirectory(name) : directory.removeFile(name));
  session.tree.detach(parent, name);
}

/** Removes what a fid stands for, and the fid, even if the former fails. */
function* remove(session: SessionState, request: RequestOf<"remove">): Task<void> {
  const { node } = session.fids.get(request.fid);
  try {
    if (node === session.tree.root) throw new FolderError(EBUSY);
    if (node.parent === null) throw new FolderError(ENOENT);
    const { mode } = yield* attributesOf(session, node);
    yield* unlink(session, node.parent, node.name, (mode & S_IFMT) === S_IFDIR);
  } finally {
    if (session.fids.has(request.fid)) session.fids.remove(request.fid);
  }
}

/** @throws FolderError ENOTDIR */
export function requireDirectory({ mode }: FileAttributes): void {
  if ((mode & S_IFMT) !== S_IFDIR) throw new FolderError(ENOTDIR);
}
