import { constants } from "node:fs";
import { copyFile, rm } from "node:fs/promises";
import { VivariumError } from "../../../util/errors.js";

/**
 * Copies a machine's file while nothing writes to it; the copies share its blocks where the file system can do that.
 *
 * @throws VivariumError `file/exists`, `file/unwritable`; there are no copies then
 */
export async function copyMachineFile(path: string, targets: readonly string[]): Promise<void> {
  const made: string[] = [];
  for (const target of targets) {
    try {
      await copyFile(path, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      made.push(target);
    } catch (error) {
      const isThere = (error as NodeJS.ErrnoException).code === "EEXIST";
      // What a copy that failed halfway has left.
      for (const each of isThere ? made : [...made, target]) await rm(each, { force: true });
      const problem = isThere ? "there is such a file already" : `cannot be made (${(error as Error).message})`;
      throw new VivariumError(isThere ? "file/exists" : "file/unwritable", `${target}: ${problem}`, { file: target });
    }
  }
}
