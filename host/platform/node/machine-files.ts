import type { MachineRequest } from "../../control/actions.js";
import { CommitLogFile } from "./commit-log-file.js";
import { closeDrives, openDrives } from "./drives.js";
import type { FileBlockBackend } from "./file-block-backend.js";
import { HostFolder } from "./share/host-folder.js";
import { VsockSockets } from "./vsock-sockets.js";

/** The files that a run's machines use while they run. */
export class MachineFiles {
  private constructor(
    readonly drives: readonly FileBlockBackend[],
    /** In the order of the request. */
    readonly shares: readonly HostFolder[],
    readonly sockets: VsockSockets | null,
    readonly commitLog: CommitLogFile | null,
  ) {}

  /** @throws VivariumError when one of them cannot be used; then none is open */
  static async open(request: MachineRequest): Promise<MachineFiles> {
    const drives = await openDrives(request.drives);
    const shares: HostFolder[] = [];
    try {
      for (const { directory, readOnly } of request.shares) shares.push(HostFolder.open(directory, readOnly));
      const commitLog = request.commitLog === undefined ? null : new CommitLogFile(request.commitLog);
      const socketPath = request.socket?.path;
      const sockets = socketPath === undefined ? null : await VsockSockets.open(socketPath);
      return new MachineFiles(drives, shares, sockets, commitLog);
    } catch (error) {
      for (const share of shares) share.close();
      await closeDrives(drives);
      throw error;
    }
  }

  async close(): Promise<void> {
    for (const share of this.shares) share.close();
    await this.sockets?.close();
    await closeDrives(this.drives);
    this.commitLog?.close();
  }
}
