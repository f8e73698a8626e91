import { type Task, wait } from "../util/task.js";
import { EBADF, EFBIG, EINVAL, EIO, EISDIR, ENOENT, ENOTDIR, FolderError } from "./errno.js";
import type { Fid } from "./fids.js";
import {
  L_ACCESS_MASK,
  L_APPEND,
  L_DIRECTORY,
  L_DSYNC,
  L_EXCL,
  L_RDONLY,
  L_RDWR,
  L_SYNC,
  L_TRUNC,
  L_WRONLY,
  type RequestOf,
} from "./messages.js";
import { directoryForNew, requireWritable } from "./operations.js";
import type { SessionState } from "./session.js";
import { type FileAccess, type FolderFile, PERMISSION_MASK, S_IFDIR, S_IFMT } from "./shared-folder.js";
import { attributesOf, qidOf } from "./stat.js";
import type { WireWriter } from "./wire.js";

/** Of an entry: qid, offset, type, and the length of its name. */
const ENTRY_BYTE_LENGTH = 13 + 8 + 1 + 2;
/** Where the count of a reply stands that carries data. */
const COUNT_OFFSET = 0;
/** The client may read and write as much at a time as fits into a message. */
const NO_IO_UNIT = 0;
/** Types of directory entries are the kinds of modes, shifted: readdir(3). */
const ENTRY_TYPE_SHIFT = 12;

export function* open(session: SessionState, request: RequestOf<"lopen">, reply: WireWriter): Task<void> {
  const { fids, tree } = session;
  const fid = fids.get(request.fid);
  if (fid.opened !== null) throw new FolderError(EINVAL);
  const access = accessOf(request.flags);
  if (access.write || access.truncate) requireWritable(session);
  const attributes = yield* attributesOf(session, fid.node);
  if ((attributes.mode & S_IFMT) === S_IFDIR) {
    if (access.write || access.truncate) throw new FolderError(EISDIR);
    requireStill(fid);
    fid.opened = { kind: "directory", names: null };
    reply.qid(qidOf(attributes));
  } else {
    if ((request.flags & L_DIRECTORY) !== 0) throw new FolderError(ENOTDIR);
    fids.checkOpenFiles();
    const directory = yield* tree.parentDirectory(fid.node);
    const file = yield* wait(directory.openFile(fid.node.name, access));
    keep(session, request.fid, fid, file, access);
    reply.qid(qidOf(yield* wait(file.attributes())));
  }
  reply.u32(NO_IO_UNIT);
}

export function* create(session: SessionState, request: RequestOf<"lcreate">, reply: WireWriter): Task<void> {
  const { fids, tree } = session;
  const { directory, fid } = yield* directoryForNew(session, request.fid, request.name);
  requireStill(fid);
  fids.checkOpenFiles();
  const parent = fid.node;
  const { name, flags, mode, gid } = request;
  const access = accessOf(flags);
  const creation = { permissions: mode & PERMISSION_MASK, uid: fid.uid, gid };
  let file: FolderFile;
  if ((flags & L_EXCL) === 0 && (yield* wait(directory.find(name))) !== null) {
    file = yield* wait(directory.openFile(name, access));
  } else {
    file = yield* wait(directory.createFile(name, access, creation));
  }
  keep(session, request.fid, fid, file, access, () => {
    if (fid.node !== parent) throw new FolderError(EBADF);
    fids.move(fid, tree.child(parent, name));
  });
  reply.qid(qidOf(yield* wait(file.attributes())));
  reply.u32(NO_IO_UNIT);
}

/**
 * Lets a fid have the file that was opened for it, unless it is gone or has another since; the file is closed then.
 *
 * @param prepare what may still fail
 */
function keep(
  { fids }: SessionState,
  number: number,
  fid: Fid,
  file: FolderFile,
  access: FileAccess,
  prepare: () => void = () => {},
): void {
  try {
    if (!fids.isCurrent(number, fid) || fid.opened !== null) throw new FolderError(EBADF);
    prepare();
  } catch (error) {
    file.close();
    throw error;
  }
  fids.openFile(fid, file, access);
}

function requireStill(fid: Fid): void {
  if (fid.opened !== null) throw new FolderError(EINVAL);
}

function accessOf(flags: number): FileAccess {
  const mode = flags & L_ACCESS_MASK;
  if (mode !== L_RDONLY && mode !== L_WRONLY && mode !== L_RDWR) throw new FolderError(EINVAL);
  return {
    read: mode !== L_WRONLY,
    write: mode !== L_RDONLY,
    append: (flags & L_APPEND) !== 0,
    truncate: (flags & L_TRUNC) !== 0,
    sync: (flags & (L_SYNC | L_DSYNC)) !== 0,
  };
}

export function* read(session: SessionState, request: RequestOf<"read">, reply: WireWriter): Task<void> {
  const { file, access } = yield* openFile(session, request.fid);
  if (!access.read) throw new FolderError(EBADF);
  if (!Number.isFinite(request.offset)) throw new FolderError(EINVAL);
  reply.u32(0);
  const into = reply.reserve(Math.min(request.count, reply.room));
  const count = yield* wait(file.read(request.offset, into));
  reply.unreserve(into.length - count);
  reply.patchU32(COUNT_OFFSET, count);
}

export function* write(session: SessionState, request: RequestOf<"write">, reply: WireWriter): Task<void> {
  const { file, access } = yield* openFile(session, request.fid);
  if (!access.write) throw new FolderError(EBADF);
  const { offset, data } = request;
  if (!Number.isSafeInteger(offset + data.length)) throw new FolderError(EFBIG);
  let written = 0;
  while (written < data.length) {
    const count = yield* wait(file.write(offset + written, data.subarray(written)));
    if (count <= 0) throw new FolderError(EIO);
    written += count;
  }
  reply.u32(written);
}

export function* sync(session: SessionState, request: RequestOf<"fsync">): Task<void> {
  const { opened } = session.fids.get(request.fid);
  // A directory's names are the host's to keep.
  if (opened?.kind === "directory") return;
  const { file } = yield* openFile(session, request.fid);
  yield* wait(file.sync(request.dataOnly !== 0));
}

/** The open file of a fid, opened again if the fid comes from a saved state. */
export function* openFile(
  session: SessionState,
  number: number,
): Task<{ readonly file: FolderFile; readonly access: FileAccess }> {
  const fid = session.fids.get(number);
  const { opened } = fid;
  if (opened === null) throw new FolderError(EBADF);
  if (opened.kind === "directory") throw new FolderError(EISDIR);
  if (opened.file === null) {
    const directory = yield* session.tree.parentDirectory(fid.node);
    const file = yield* wait(directory.openFile(fid.node.name, { ...opened.access, truncate: false }));
    if (opened.file === null && session.fids.isCurrent(number, fid)) {
      opened.file = file;
      fid.node.openFiles.set(file, opened.access);
    } else {
      file.close();
    }
    if (opened.file === null) throw new FolderError(EBADF);
  }
  return { file: opened.file, access: opened.access };
}

export function* list(session: SessionState, request: RequestOf<"readdir">, reply: WireWriter): Task<void> {
  const { fids, tree } = session;
  const fid = fids.get(request.fid);
  const { opened } = fid;
  if (opened?.kind !== "directory") throw new FolderError(EBADF);
  const directory = yield* tree.directory(fid.node);
  // Reading from the start sees what is there now; further on, positions are those of the names as they were.
  if (opened.names === null || request.offset === 0) {
    const names = yield* wait(directory.list());
    if (!fids.isCurrent(request.fid, fid)) throw new FolderError(EBADF);
    fids.keepListing(opened, [".", "..", ...names]);
  }
  const names = opened.names ?? [];
  reply.u32(0);
  const start = reply.room;
  const end = start - Math.min(request.count, start);
  for (let index = request.offset; index < names.length; index++) {
    const name = names[index]!;
    if (reply.room - end < ENTRY_BYTE_LENGTH + name.length) break;
    const attributes = name === ".." ? yield* attributesAbove(session, fid) : yield* wait(directory.find(name));
    // Removed since.
    if (attributes === null) continue;
    reply.qid(qidOf(attributes));
    reply.u53(index + 1);
    reply.u8((attributes.mode & S_IFMT) >> ENTRY_TYPE_SHIFT);
    reply.string(name);
  }
  reply.patchU32(COUNT_OFFSET, start - reply.room);
}

function* attributesAbove(session: SessionState, { node }: Fid) {
  if (node.parent === null && node !== session.tree.root) throw new FolderError(ENOENT);
  return yield* attributesOf(session, node.parent ?? session.tree.root);
}
