import { EIO, ESTALE, FolderError } from "../../../share/errno.js";

/** Linux's numbers for what other systems number otherwise. */
const NUMBERS: Readonly<Record<string, number>> = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  ENAMETOOLONG: 36,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENOTSUP: 95,
  EOPNOTSUPP: 95,
  ETIMEDOUT: 110,
  ESTALE: 116,
  EDQUOT: 122,
};

/** What the guest hears when the host refuses something. */
export function refusalOf(error: unknown): FolderError {
  if (error instanceof FolderError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? "";
  // A descriptor of ours that is closed stands for something that is gone.
  if (code === "EBADF") return new FolderError(ESTALE);
  return new FolderError(NUMBERS[code] ?? EIO);
}

/** Does something that the host may refuse. @throws FolderError */
export function attempt<T>(operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    throw refusalOf(error);
  }
}
