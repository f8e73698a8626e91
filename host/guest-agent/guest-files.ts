import { concatBytes, dataView, fromUtf8, utf8 } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";
import { fileFailure } from "./errno.js";
import type { Argument, CallReply } from "./system-calls.js";

/** Makes one system call after the other, in a process of their own. */
export interface SystemCaller {
  /** @throws VivariumError when the process has ended */
  call(number: number, args: readonly Argument[]): Promise<CallReply>;
}

export type FileKind = "file" | "directory" | "symlink" | "device" | "pipe" | "socket";

export interface FileEntry {
  readonly name: string;
  readonly kind: FileKind;
}

export interface FileStat {
  readonly kind: FileKind;
  readonly byteLength: number;
  /** Permission bits, such as 0o644. */
  readonly mode: number;
  readonly userId: number;
  readonly groupId: number;
  readonly linkCount: number;
  /** Milliseconds since 1970, by the guest's clock. */
  readonly modifiedMs: number;
}

// Linux for riscv64: include/uapi/asm-generic/unistd.h, fcntl.h; include/uapi/linux/stat.h.
const MKDIRAT = 34;
const UNLINKAT = 35;
const SYMLINKAT = 36;
const FCHMODAT = 53;
const OPENAT = 56;
const CLOSE = 57;
const GETDENTS64 = 61;
const READ = 63;
const WRITE = 64;
const READLINKAT = 78;
const RENAMEAT2 = 276;
const STATX = 291;

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const O_WRONLY = 0o1;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_NOCTTY = 0o400;
const O_TRUNC = 0o1000;
const O_APPEND = 0o2000;
/** Neither opening a pipe nor reading from it may wait. */
const O_NONBLOCK = 0o4000;
const O_DIRECTORY = 0o200000;
const O_CLOEXEC = 0o2000000;
const USUAL = O_NOCTTY | O_NONBLOCK | O_CLOEXEC;

const STATX_BASIC_STATS = 0x7ff;
const STATX_BYTE_LENGTH = 256;
const STATX_NLINK = 0x10;
const STATX_UID = 0x14;
const STATX_GID = 0x18;
const STATX_MODE = 0x1c;
const STATX_SIZE = 0x28;
const STATX_MTIME = 0x70;

const S_IFMT = 0o170000;
const KIND_OF_TYPE: ReadonlyMap<number, FileKind> = new Map([
  [0o010000, "pipe"],
  [0o020000, "device"],
  [0o040000, "directory"],
  [0o060000, "device"],
  [0o100000, "file"],
  [0o120000, "symlink"],
  [0o140000, "socket"],
]);

const DIRENT_TYPE = 18;
const DIRENT_NAME = 19;
const DIRENT_LENGTH = 16;
/** d_type is the file type's upper bits. */
const DIRENT_TYPE_SHIFT = 12;

const CHUNK_BYTE_LENGTH = 64 * 1024;
const PATH_BYTE_LENGTH_MAX = 4096;
const EISDIR = 21;
const EEXIST = 17;
const ENOENT = 2;
const ENOTDIR = 20;

/** The guest's files, each operation by system calls that say exactly what went wrong. */
export class GuestFiles {
  readonly #caller: SystemCaller;

  constructor(caller: SystemCaller) {
    this.#caller = caller;
  }

  /** @throws VivariumError `file/too-large` when there is more than `maxByteLength` */
  async read(path: string, maxByteLength: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let byteLength = 0;
    for await (const chunk of this.readChunks(path)) {
      byteLength += chunk.length;
      if (byteLength > maxByteLength) {
        const message = `read ${JSON.stringify(path)}: more than ${maxByteLength} bytes; raise maxByteLength or read it as a stream`;
        throw new VivariumError("file/too-large", message, { path, maxByteLength });
      }
      chunks.push(chunk);
    }
    return chunks.length === 1 ? chunks[0]! : concatBytes(chunks);
  }

  /** The content from its start, piece by piece. */
  async *readChunks(path: string): AsyncGenerator<Uint8Array, void> {
    const fd = await this.#path("read", path, OPENAT, [AT_FDCWD, text(path), USUAL]);
    try {
      for (;;) {
        const output = { outputByteLength: CHUNK_BYTE_LENGTH, asResult: true };
        const reply = await this.#caller.call(READ, [fd, output, CHUNK_BYTE_LENGTH]);
        if (check("read", path, reply.result) === 0) return;
        yield reply.output;
      }
    } finally {
      await this.#caller.call(CLOSE, [fd]);
    }
  }

  /** @param how whether the content replaces what is there, follows it, or must find nothing there */
  async write(path: string, content: Uint8Array, how: "replace" | "append" | "create", mode: number): Promise<void> {
    const writer = await this.openWriter(path, how, mode);
    try {
      await writer.write(content);
    } finally {
      await writer.close();
    }
  }

  async openWriter(path: string, how: "replace" | "append" | "create", mode: number): Promise<FileWriter> {
    const flags = { replace: O_TRUNC, append: O_APPEND, create: O_EXCL }[how] | O_WRONLY | O_CREAT | USUAL;
    const fd = await this.#path("write", path, OPENAT, [AT_FDCWD, text(path), flags, mode]);
    return {
      write: async (bytes) => {
        for (let at = 0; at < bytes.length; ) {
          const input = bytes.subarray(at, at + CHUNK_BYTE_LENGTH);
          const { result } = await this.#caller.call(WRITE, [fd, { input }, input.length]);
          at += check("write", path, result);
        }
      },
      close: async () => {
        check("write", path, (await this.#caller.call(CLOSE, [fd])).result);
      },
    };
  }

  /** What is in a directory, sorted by name, without "." and "..". */
  async list(path: string): Promise<readonly FileEntry[]> {
    const fd = await this.#path("list", path, OPENAT, [AT_FDCWD, text(path), O_DIRECTORY | USUAL]);
    const entries: FileEntry[] = [];
    try {
      for (;;) {
        const output = { outputByteLength: CHUNK_BYTE_LENGTH, asResult: true };
        const reply = await this.#caller.call(GETDENTS64, [fd, output, CHUNK_BYTE_LENGTH]);
        if (check("list", path, reply.result) === 0) break;
        entries.push(...readDirectoryEntries(reply.output));
      }
    } finally {
      await this.#caller.call(CLOSE, [fd]);
    }
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @param follow whether of a symbolic link what it leads to is meant */
  async stat(path: string, follow: boolean): Promise<FileStat> {
    const flags = follow ? 0 : AT_SYMLINK_NOFOLLOW;
    const output = { outputByteLength: STATX_BYTE_LENGTH, asResult: false };
    const args = [AT_FDCWD, text(path), flags, STATX_BASIC_STATS, output];
    const reply = await this.#caller.call(STATX, args);
    check("stat", path, reply.result);
    return readStat(reply.output);
  }

  async exists(path: string): Promise<boolean> {
    try {
      await this.stat(path, true);
      return true;
    } catch (error) {
      if (error instanceof VivariumError && (error.data.errno === ENOENT || error.data.errno === ENOTDIR)) return false;
      throw error;
    }
  }

  /** @param recursive whether of a directory all that is in it, too; what is not there is no error then */
  async remove(path: string, recursive: boolean): Promise<void> {
    const unlink = (flags: number) => this.#caller.call(UNLINKAT, [AT_FDCWD, text(path), flags]);
    const { result } = await unlink(0);
    if (recursive && result === -ENOENT) return;
    if (result !== -EISDIR) {
      check("remove", path, result);
      return;
    }
    if (recursive) for (const { name } of await this.list(path)) await this.remove(`${path}/${name}`, true);
    check("remove", path, (await unlink(AT_REMOVEDIR)).result);
  }

  /** @param recursive whether to make those it is in; one that is there already is no error then */
  async makeDirectory(path: string, recursive: boolean, mode: number): Promise<void> {
    const { result } = await this.#caller.call(MKDIRAT, [AT_FDCWD, text(path), mode]);
    if (!recursive || (result !== -ENOENT && result !== -EEXIST)) {
      check("makeDirectory", path, result);
      return;
    }
    if (result === -EEXIST) {
      if ((await this.stat(path, true)).kind !== "directory") check("makeDirectory", path, result);
      return;
    }
    const parent = path.replace(/\/+[^/]*\/*$/, "");
    if (parent === "" || parent === path) check("makeDirectory", path, result);
    await this.makeDirectory(parent, true, mode);
    await this.makeDirectory(path, true, mode);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#path("rename", from, RENAMEAT2, [AT_FDCWD, text(from), AT_FDCWD, text(to), 0]);
  }

  async setMode(path: string, mode: number): Promise<void> {
    await this.#path("setMode", path, FCHMODAT, [AT_FDCWD, text(path), mode]);
  }

  async makeSymlink(target: string, path: string): Promise<void> {
    await this.#path("makeSymlink", path, SYMLINKAT, [text(target), AT_FDCWD, text(path)]);
  }

  /** Where a symbolic link leads to, as it says. */
  async readSymlink(path: string): Promise<string> {
    const output = { outputByteLength: PATH_BYTE_LENGTH_MAX, asResult: true };
    const reply = await this.#caller.call(READLINKAT, [AT_FDCWD, text(path), output, PATH_BYTE_LENGTH_MAX]);
    check("readSymlink", path, reply.result);
    return fromUtf8(reply.output);
  }

  async #path(operation: string, path: string, number: number, args: readonly Argument[]): Promise<number> {
    return check(operation, path, (await this.#caller.call(number, args)).result);
  }
}

export interface FileWriter {
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** @throws VivariumError `file/path` when no path can look so */
function text(path: string): Argument {
  if (typeof path !== "string") {
    throw new VivariumError("option/invalid", `path: ${String(path)}; expected a text`, { option: "path" });
  }
  if (path === "" || path.includes("\0") || utf8(path).length >= PATH_BYTE_LENGTH_MAX) {
    const message = `a path of 1 to ${PATH_BYTE_LENGTH_MAX - 1} bytes without NUL is expected, got ${JSON.stringify(path.slice(0, 60))}`;
    throw new VivariumError("file/path", message, { path: path.slice(0, 60) });
  }
  return { text: path };
}

function check(operation: string, path: string, result: number): number {
  if (result < 0) throw fileFailure(operation, path, -result);
  return result;
}

function readStat(bytes: Uint8Array): FileStat {
  const view = dataView(bytes);
  const mode = view.getUint16(STATX_MODE, true);
  return {
    kind: kindOf(mode),
    byteLength: Number(view.getBigUint64(STATX_SIZE, true)),
    mode: mode & ~S_IFMT,
    userId: view.getUint32(STATX_UID, true),
    groupId: view.getUint32(STATX_GID, true),
    linkCount: view.getUint32(STATX_NLINK, true),
    modifiedMs: Number(view.getBigInt64(STATX_MTIME, true)) * 1000 + view.getUint32(STATX_MTIME + 8, true) / 1e6,
  };
}

/** Linux, getdents64(2). A guest that says something else has no entries. */
function readDirectoryEntries(bytes: Uint8Array): FileEntry[] {
  const view = dataView(bytes);
  const entries: FileEntry[] = [];
  for (let at = 0; at + DIRENT_NAME < bytes.length; ) {
    const byteLength = view.getUint16(at + DIRENT_LENGTH, true);
    if (byteLength <= DIRENT_NAME) break;
    const named = bytes.subarray(at + DIRENT_NAME, at + byteLength);
    const name = fromUtf8(named.subarray(0, Math.max(named.indexOf(0), 0)));
    const kind = kindOf(bytes[at + DIRENT_TYPE]! << DIRENT_TYPE_SHIFT);
    if (name !== "." && name !== "..") entries.push({ name, kind });
    at += byteLength;
  }
  return entries;
}

function kindOf(mode: number): FileKind {
  return KIND_OF_TYPE.get(mode & S_IFMT) ?? "file";
}
