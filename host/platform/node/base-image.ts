import type { DriveRequest } from "../../control/actions.js";
import type { BlockBackend } from "../../storage/block-backend.js";
import { type BaseImage, CapturedDisk } from "../../storage/captured-disk.js";
import { RawDisk } from "../../storage/raw.js";
import { isZero } from "../../util/bytes.js";
import { closeDrives, explained, isUrl, type OpenDrive, openDisk } from "./drives.js";
import { FileStore } from "./file-store.js";

const COPIED_AT_ONCE = 1 << 20;

/** A raw image in a file, below a disk that is captured with its machine. */
class FileBase extends RawDisk implements BaseImage {
  readonly #file: FileStore;

  constructor(file: FileStore) {
    super(file, { readOnly: true });
    this.#file = file;
  }

  readNow(offset: number, into: Uint8Array): void {
    this.#file.readNow(offset, into);
  }
}

/** As `--drive` has it, as far as it matters to who only reads. */
export type BaseRequest = Pick<DriveRequest, "file"> & Partial<DriveRequest>;

/**
 * A disk image of any format, only for reading. One that is not raw is copied to a temporary file: it has to answer at
 * once, and to stay as it is.
 *
 * @param name for messages: `disk0`
 * @throws VivariumError `drive/unusable`
 */
export async function openBase(name: string, request: BaseRequest): Promise<BaseImage> {
  const { file } = request;
  const disk = await openDisk(file, { ...request, readOnly: true, snapshot: false, limits: null }, name);
  if (disk instanceof RawDisk && !isUrl(file)) {
    await disk.close();
    return new FileBase(await explained(name, file, () => FileStore.open(file, { readOnly: true })));
  }
  const copy = await FileStore.temporary();
  try {
    await explained(name, file, () => copyDisk(disk, copy));
    return new FileBase(copy);
  } catch (error) {
    await copy.close();
    throw error;
  } finally {
    await disk.close();
  }
}

/**
 * Opens every drive, or none, for a machine that has its disks for itself: the images are only read.
 *
 * @throws VivariumError `drive/unusable`
 */
export async function openOwnDrives(requests: readonly DriveRequest[]): Promise<readonly OpenDrive[]> {
  const drives: OpenDrive[] = [];
  try {
    for (const [index, request] of requests.entries()) {
      const name = `disk${index}`;
      const backend = CapturedDisk.over(await openBase(name, request), request.readOnly);
      drives.push({ backend, serial: request.serial ?? name, limits: request.limits });
    }
    return drives;
  } catch (error) {
    await closeDrives(drives);
    throw error;
  }
}

/** What reads as zeros stays a hole. */
async function copyDisk(disk: BlockBackend, copy: FileStore): Promise<void> {
  const buffer = new Uint8Array(COPIED_AT_ONCE);
  for (let offset = 0; offset < disk.byteLength; offset += buffer.length) {
    const part = buffer.subarray(0, Math.min(buffer.length, disk.byteLength - offset));
    await disk.read(offset, part);
    const isEnd = offset + part.length === disk.byteLength;
    if (isEnd || !isZero(part)) await copy.write(offset, part);
  }
}
