import type { MachineRequest } from "../../control/actions.js";
import { VivariumError } from "../../util/errors.js";
import { CommitLogFile } from "./commit-log-file.js";
import { closeDrives, type OpenDrive, openDisk, openDrives, openOverlay } from "./drives.js";

/** The files that a run's machines use while they run. */
export class MachineFiles {
  private constructor(
    private openDrives: readonly OpenDrive[],
    readonly commitLog: CommitLogFile | null,
  ) {}

  /** In slot order. */
  get drives(): readonly OpenDrive[] {
    return this.openDrives;
  }

  /** @throws VivariumError when one of them cannot be used; then none is open */
  static async open(request: MachineRequest): Promise<MachineFiles> {
    const drives = await openDrives(request.drives);
    try {
      return new MachineFiles(drives, request.commitLog === undefined ? null : new CommitLogFile(request.commitLog));
    } catch (error) {
      await closeDrives(drives);
      throw error;
    }
  }

  /**
   * Makes the image's own disk the first drive. The image stays as it is: what the guest writes goes to a file beside
   * it.
   *
   * @param disk the image's file; null when it has no disk
   * @param ownDisk the file that keeps what is written, made when it is not there; undefined to forget it at the end
   * @throws VivariumError `drive/unusable`
   */
  async addImageDisk(disk: string | null, ownDisk: string | undefined): Promise<void> {
    if (disk === null) {
      if (ownDisk === undefined) return;
      throw new VivariumError("option/invalid", "--disk needs an image that has a disk, such as debian");
    }
    const backend = await (ownDisk === undefined ? openDisk(disk, { snapshot: true }) : openOverlay(disk, ownDisk));
    this.openDrives = [{ backend, serial: "root" }, ...this.openDrives];
  }

  async close(): Promise<void> {
    await closeDrives(this.drives);
    this.commitLog?.close();
  }
}
