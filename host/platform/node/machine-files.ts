import type { MachineRequest } from "../../control/actions.js";
import { CommitLogFile } from "./commit-log-file.js";
import { closeDrives, openDrives } from "./drives.js";
import type { FileBlockBackend } from "./file-block-backend.js";

/** The files that a run's machines use while they run. */
export class MachineFiles {
  static readonly none = new MachineFiles([], null);

  private constructor(
    readonly drives: readonly FileBlockBackend[],
    readonly commitLog: CommitLogFile | null,
  ) {}

  /**
   * @param asBases whether the drives are only read, whatever was asked for: a machine that is kept has its own
   * @throws VivariumError when one of them cannot be used; then none is open
   */
  static async open(request: MachineRequest, { asBases }: { readonly asBases: boolean }): Promise<MachineFiles> {
    const drives = await openDrives(
      asBases ? request.drives.map(({ file }) => ({ file, readOnly: true })) : request.drives,
    );
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
