import type { MachineRequest } from "../../control/actions.js";
import { CommitLogFile } from "./commit-log-file.js";
import { closeDrives, openDrives } from "./drives.js";
import type { FileBlockBackend } from "./file-block-backend.js";
import { Networks } from "./network/networks.js";

/** The files and networks that a run's machines use while they run. */
export class MachineFiles {
  private constructor(
    readonly drives: readonly FileBlockBackend[],
    readonly networks: Networks,
    readonly commitLog: CommitLogFile | null,
  ) {}

  /**
   * @param warn told what goes wrong later without ending the run
   * @throws VivariumError when one of them cannot be used; then none is open
   */
  static async open(request: MachineRequest, warn: (message: string) => void): Promise<MachineFiles> {
    const drives = await openDrives(request.drives);
    let networks: Networks | null = null;
    try {
      networks = await Networks.open(request.networks, request.capture, warn);
      const commitLog = request.commitLog === undefined ? null : new CommitLogFile(request.commitLog);
      return new MachineFiles(drives, networks, commitLog);
    } catch (error) {
      await networks?.close();
      await closeDrives(drives);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.networks.close();
    await closeDrives(this.drives);
    this.commitLog?.close();
  }
}
