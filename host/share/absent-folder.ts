import { EIO, FolderError } from "./errno.js";
import type { SharedFolder } from "./shared-folder.js";

/** A folder that the guest was given once, and that is not there any more: whatever it asks is an I/O error. */
export const ABSENT_FOLDER: SharedFolder = {
  readOnly: true,
  root: refuse,
  statistics: refuse,
};

function refuse(): never {
  throw new FolderError(EIO);
}
