import type { MachineRequest } from "../../control/actions.js";
import { CommitLogFile } from "./commit-log-file.js";
import { closeDrives, type OpenDrive, openDrives } from "./drives.js";

/** The files that a run's machines use while they run. */
export class MachineFiles {
  private constructor(
    readonly drives: readonly OpenDrive[],
    readonly commitLog: CommitLogFile | null,
  ) {}

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

  async close(): Promise<void> {
    await closeDrives(this.drives);
    this.commitLog?.close();
  }
}
