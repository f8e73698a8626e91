import { EACCES, EBUSY, EINVAL, EIO, ENOENT, ENOSPC, ENOTDIR, ENOTEMPTY, FolderError } from "../../../share/errno.js";

/** What the exceptions of the File System standard mean to a guest. */
const ERRNOS: ReadonlyMap<string, number> = new Map([
  ["NotFoundError", ENOENT],
  ["TypeMismatchError", ENOTDIR],
  ["InvalidModificationError", ENOTEMPTY],
  ["NoModificationAllowedError", EBUSY],
  ["InvalidStateError", EBUSY],
  ["NotAllowedError", EACCES],
  ["SecurityError", EACCES],
  ["QuotaExceededError", ENOSPC],
  // A name that this browser does not let a file have.
  ["TypeError", EINVAL],
]);

/** Does something with handles. @throws FolderError */
export async function attempt<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (error instanceof FolderError) throw error;
    throw new FolderError(ERRNOS.get((error as Error).name) ?? EIO);
  }
}
