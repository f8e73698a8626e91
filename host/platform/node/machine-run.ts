import { performance } from "node:perf_hooks";
import type { MachineRequest } from "../../control/actions.js";
import { type GuestEnd, SIGPIPE } from "../../control/guest-end.js";
import type { RunReport } from "../../control/run-report.js";
import type { ByteSink } from "../../devices/device.js";
import type { Boot } from "../../machine/boot.js";
import { type ConsolePort, type Halt, Machine } from "../../machine/machine.js";
import { CommitLogFile } from "./commit-log-file.js";
import { loadCoreModule } from "./core-module.js";
import { closeDrives, openDrives } from "./drives.js";
import type { FileBlockBackend } from "./file-block-backend.js";
import { NodeHostServices } from "./host-services.js";
import type { Output } from "./output.js";

/** What is connected to the machines of a run. */
export interface Session {
  /** The machine's serial output goes here. */
  readonly serial: ByteSink;
  readonly ports: readonly ConsolePort[];
  /** A machine that has not run yet is the next one. */
  attach(machine: Machine): void;
  /** What the machine's halt means: the end of the run, or null for another machine. */
  conclude(halt: Halt): GuestEnd | null;
}

/** The files behind a run's machines. */
export class MachineFiles {
  private constructor(
    readonly drives: readonly FileBlockBackend[],
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
