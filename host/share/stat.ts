import { type Task, wait } from "../util/task.js";
import { ENOENT, FolderError } from "./errno.js";
import type { FileNode } from "./file-tree.js";
import { QT_DIR, QT_FILE, QT_SYMLINK } from "./messages.js";
import type { SessionState } from "./session.js";
import { type FileAttributes, type FolderFile, S_IFDIR, S_IFLNK, S_IFMT } from "./shared-folder.js";
import type { Qid } from "./wire.js";

/** The attributes of what is at a place: of the file that is open there, if one is, even without a name. */
export function* attributesOf(session: SessionState, node: FileNode): Task<FileAttributes> {
  const file = openFileOf(node);
  if (file !== undefined) return yield* wait(file.attributes());
  const isRoot = node === session.tree.root;
  const directory = yield* isRoot ? session.tree.directory(node) : session.tree.parentDirectory(node);
  const attributes = yield* wait(directory.find(isRoot ? "." : node.name));
  if (attributes === null) throw new FolderError(ENOENT);
  return attributes;
}

/** A file that was opened at a place which has lost its name since. */
export function openFileOf(node: FileNode): FolderFile | undefined {
  return node.parent === null ? node.openFiles.keys().next().value : undefined;
}

export function qidOf({ identity, mode, modifiedNs, byteLength }: FileAttributes): Qid {
  return { type: qidType(mode), version: versionOf(modifiedNs, byteLength), path: identity };
}

export function qidType(mode: number): number {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return QT_DIR;
    case S_IFLNK:
      return QT_SYMLINK;
    default:
      return QT_FILE;
  }
}

/** Another number for other contents, as far as time and length tell. */
function versionOf(modifiedNs: bigint, byteLength: number): number {
  return (Number(BigInt.asUintN(32, modifiedNs >> 10n)) ^ Math.imul(byteLength, 0x9e37_79b1)) >>> 0;
}
