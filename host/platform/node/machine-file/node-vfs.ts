/**
 * SQLite's files on Node's file system: an implementation of its OS interface (https://sqlite.org/vfs.html).
 *
 * It locks nothing: who opens a machine file holds its `FileLock`, so SQLite is alone with it. A journal that a killed
 * program left is therefore always "hot", and is rolled back when the file is opened next.
 */
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { SqliteBinding } from "./sqlite-binding.js";

export const NODE_VFS = "node";

const FILE_MODE = 0o600;
const PATH_BYTE_LENGTH_MAX = 4096;
const SECTOR_BYTE_LENGTH = 4096;

interface OpenFile {
  readonly descriptor: number;
  readonly path: string;
  readonly deleteOnClose: boolean;
}

/** Makes the file system known to SQLite under NODE_VFS. */
export function installNodeVfs(sqlite3: SqliteBinding): void {
  const { capi, wasm } = sqlite3;
  const files = new Map<number, OpenFile>();
  const open = (pointer: number): OpenFile => files.get(pointer)!;
  const text = (pointer: number): string => wasm.cstrToJs(pointer) ?? "";

  const io = new capi.sqlite3_io_methods();
  io.$iVersion = 1;
  const vfs = new capi.sqlite3_vfs();
  const standard = new capi.sqlite3_vfs(capi.sqlite3_vfs_find(null));
  vfs.$iVersion = 2;
  vfs.$szOsFile = capi.sqlite3_file.structInfo.sizeof;
  vfs.$mxPathname = PATH_BYTE_LENGTH_MAX;
  vfs.$zName = wasm.allocCString(NODE_VFS);
  // Randomness, sleep and time do not concern files.
  vfs.$xRandomness = standard.$xRandomness;
  vfs.$xSleep = standard.$xSleep;
  vfs.$xCurrentTime = standard.$xCurrentTime;
  vfs.$xCurrentTimeInt64 = standard.$xCurrentTimeInt64;
  vfs.$xGetLastError = standard.$xGetLastError;
  standard.dispose();

  const fileMethods = {
    xClose(file: number): number {
      const { descriptor, path, deleteOnClose } = open(file);
      files.delete(file);
      return attempt(capi.SQLITE_IOERR_CLOSE, () => {
        closeSync(descriptor);
        if (deleteOnClose) unlinkSync(path);
      });
    },
    xRead(file: number, target: number, byteLength: number, offset: bigint): number {
      return attempt(capi.SQLITE_IOERR_READ, () => {
        const into = wasm.heap8u().subarray(target, target + byteLength);
        const found = readFully(open(file).descriptor, into, Number(offset));
        if (found === byteLength) return capi.SQLITE_OK;
        into.fill(0, found);
        return capi.SQLITE_IOERR_SHORT_READ;
      });
    },
    xWrite(file: number, source: number, byteLength: number, offset: bigint): number {
      return attempt(capi.SQLITE_IOERR_WRITE, () => {
        writeFully(open(file).descriptor, wasm.heap8u().subarray(source, source + byteLength), Number(offset));
      });
    },
    xTruncate(file: number, byteLength: bigint): number {
      return attempt(capi.SQLITE_IOERR_TRUNCATE, () => ftruncateSync(open(file).descriptor, Number(byteLength)));
    },
    xSync(file: number): number {
      return attempt(capi.SQLITE_IOERR_FSYNC, () => fsyncSync(open(file).descriptor));
    },
    xFileSize(file: number, result: number): number {
      return attempt(capi.SQLITE_IOERR_FSTAT, () => {
        wasm.poke(result, BigInt(fstatSync(open(file).descriptor).size), "i64");
      });
    },
    xLock: (): number => capi.SQLITE_OK,
    xUnlock: (): number => capi.SQLITE_OK,
    xCheckReservedLock(_file: number, result: number): number {
      wasm.poke(result, 0, "i32");
      return capi.SQLITE_OK;
    },
    xFileControl: (): number => capi.SQLITE_NOTFOUND,
    xSectorSize: (): number => SECTOR_BYTE_LENGTH,
    xDeviceCharacteristics: (): number => 0,
  };

  const systemMethods = {
    xOpen(_vfs: number, name: number, file: number, flags: number, outFlags: number): number {
      const path = text(name);
      return attempt(capi.SQLITE_CANTOPEN, () => {
        const descriptor = openSync(path, modeOf(flags), FILE_MODE);
        files.set(file, { descriptor, path, deleteOnClose: (flags & capi.SQLITE_OPEN_DELETEONCLOSE) !== 0 });
        const structure = new capi.sqlite3_file(file);
        structure.$pMethods = io.pointer;
        structure.dispose();
        if (outFlags !== 0) wasm.poke(outFlags, flags, "i32");
      });
    },
    xDelete(_vfs: number, name: number, syncDirectory: number): number {
      const path = text(name);
      try {
        unlinkSync(path);
      } catch (error) {
        return codeOf(error) === "ENOENT" ? capi.SQLITE_IOERR_DELETE_NOENT : capi.SQLITE_IOERR_DELETE;
      }
      if (syncDirectory === 0) return capi.SQLITE_OK;
      return attempt(capi.SQLITE_IOERR_DIR_FSYNC, () => syncDirectoryOf(path));
    },
    xAccess(_vfs: number, name: number, flags: number, result: number): number {
      const mode = flags === capi.SQLITE_ACCESS_READWRITE ? constants.R_OK | constants.W_OK : constants.F_OK;
      wasm.poke(result, canAccess(text(name), mode) ? 1 : 0, "i32");
      return capi.SQLITE_OK;
    },
    xFullPathname(_vfs: number, name: number, byteLength: number, target: number): number {
      // Names come in absolute.
      return wasm.cstrncpy(target, name, byteLength) < byteLength ? capi.SQLITE_OK : capi.SQLITE_CANTOPEN;
    },
  };

  function attempt(failure: number, work: () => unknown): number {
    try {
      const result = work();
      return typeof result === "number" ? result : capi.SQLITE_OK;
    } catch (error) {
      switch (codeOf(error)) {
        case "ENOSPC":
        case "EDQUOT":
        case "EFBIG":
          return capi.SQLITE_FULL;
        case "EROFS":
          return capi.SQLITE_READONLY;
        default:
          return failure;
      }
    }
  }

  function modeOf(flags: number): number {
    const access = (flags & capi.SQLITE_OPEN_READWRITE) !== 0 ? constants.O_RDWR : constants.O_RDONLY;
    const create = (flags & capi.SQLITE_OPEN_CREATE) !== 0 ? constants.O_CREAT : 0;
    const exclusive = (flags & capi.SQLITE_OPEN_EXCLUSIVE) !== 0 ? constants.O_EXCL : 0;
    return access | create | exclusive | constants.O_NOFOLLOW;
  }

  sqlite3.vfs.installVfs({
    io: { struct: io, methods: fileMethods },
    vfs: { struct: vfs, methods: systemMethods, name: NODE_VFS, asDefault: false },
  });
}

/** Makes the entries of the directory that `path` is in as durable as the files. */
export function syncDirectoryOf(path: string): void {
  const descriptor = openSync(dirname(path), constants.O_RDONLY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function readFully(descriptor: number, into: Uint8Array, offset: number): number {
  let done = 0;
  while (done < into.length) {
    const count = readSync(descriptor, into, done, into.length - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

function writeFully(descriptor: number, from: Uint8Array, offset: number): void {
  let done = 0;
  while (done < from.length) done += writeSync(descriptor, from, done, from.length - done, offset + done);
}

function canAccess(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
