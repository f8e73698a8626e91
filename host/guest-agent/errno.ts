import { VivariumError } from "../util/errors.js";
import { STAGE_DIRECTORY, STAGE_PROGRAM, STAGE_TERMINAL } from "./protocol.js";

/** What of Linux's error numbers the messages and programs are told by name: include/uapi/asm-generic/errno*.h. */
const NAMES: ReadonlyMap<number, readonly [name: string, meaning: string]> = new Map([
  [1, ["EPERM", "not permitted"]],
  [2, ["ENOENT", "no such file or directory"]],
  [4, ["EINTR", "interrupted"]],
  [5, ["EIO", "input or output error"]],
  [6, ["ENXIO", "no such device"]],
  [7, ["E2BIG", "arguments too long"]],
  [8, ["ENOEXEC", "not an executable format"]],
  [11, ["EAGAIN", "not possible now"]],
  [12, ["ENOMEM", "out of memory"]],
  [13, ["EACCES", "permission denied"]],
  [16, ["EBUSY", "in use"]],
  [17, ["EEXIST", "exists already"]],
  [18, ["EXDEV", "on another file system"]],
  [20, ["ENOTDIR", "not a directory"]],
  [21, ["EISDIR", "is a directory"]],
  [22, ["EINVAL", "invalid argument"]],
  [23, ["ENFILE", "too many open files in the guest"]],
  [24, ["EMFILE", "too many open files"]],
  [26, ["ETXTBSY", "is being executed"]],
  [27, ["EFBIG", "too large"]],
  [28, ["ENOSPC", "no space left"]],
  [30, ["EROFS", "read-only file system"]],
  [36, ["ENAMETOOLONG", "name too long"]],
  [39, ["ENOTEMPTY", "directory not empty"]],
  [40, ["ELOOP", "too many symbolic links"]],
  [122, ["EDQUOT", "quota exceeded"]],
]);

/** `ENOENT`; a number without a name as `E123`. */
export function errnoName(errno: number): string {
  return NAMES.get(errno)?.[0] ?? `E${errno}`;
}

export function errnoMeaning(errno: number): string {
  return NAMES.get(errno)?.[1] ?? `error ${errno}`;
}

const ENOENT = 2;
const E2BIG = 7;
const ENOEXEC = 8;
const EACCES = 13;
const ENOTDIR = 20;

/**
 * Why a process could not be started: `exec/not-found`, `exec/not-executable`, `exec/too-large`, `exec/directory`,
 * `exec/terminal`, or `exec/failed` for what the guest has run out of. `data` has `program`, `errno` and its name.
 */
export function startFailure(program: string, errno: number, stage: number): VivariumError {
  const data = { program, errno, errnoName: errnoName(errno) };
  const fail = (code: string, problem: string) => new VivariumError(code, `${program}: ${problem}`, data);
  if (stage === STAGE_DIRECTORY) return fail("exec/directory", `its working directory: ${errnoMeaning(errno)}`);
  if (stage === STAGE_TERMINAL) {
    return fail("exec/terminal", `the guest gives it no terminal (/dev/ptmx): ${errnoMeaning(errno)}`);
  }
  if (stage !== STAGE_PROGRAM) return fail("exec/failed", `cannot be started: ${errnoMeaning(errno)}`);
  switch (errno) {
    case ENOENT:
    case ENOTDIR:
      return fail("exec/not-found", "no such program in the guest");
    case EACCES:
    case ENOEXEC:
      return fail("exec/not-executable", errnoMeaning(errno));
    case E2BIG:
      return fail("exec/too-large", "its arguments are longer than Linux takes");
    default:
      return fail("exec/failed", `cannot be started: ${errnoMeaning(errno)}`);
  }
}

/**
 * Why a file operation failed. Codes by which programs tell the usual cases: `file/not-found`, `file/exists`,
 * `file/denied`, `file/is-directory`, `file/not-directory`, `file/not-empty`, `file/no-space`; else `file/failed`.
 */
export function fileFailure(operation: string, path: string, errno: number): VivariumError {
  const name = errnoName(errno);
  const code = FILE_CODES[name] ?? "file/failed";
  const message = `${operation} ${JSON.stringify(path)}: ${errnoMeaning(errno)}`;
  return new VivariumError(code, message, { operation, path, errno, errnoName: name });
}

const FILE_CODES: Readonly<Record<string, string>> = {
  ENOENT: "file/not-found",
  EEXIST: "file/exists",
  EACCES: "file/denied",
  EPERM: "file/denied",
  EROFS: "file/denied",
  EISDIR: "file/is-directory",
  ENOTDIR: "file/not-directory",
  ENOTEMPTY: "file/not-empty",
  ENOSPC: "file/no-space",
  EDQUOT: "file/no-space",
};
