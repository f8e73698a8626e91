import { performance } from "node:perf_hooks";
import type { MachineRequest } from "../../control/actions.js";
import { type GuestEnd, SIGPIPE } from "../../control/guest-end.js";
import { formatRunReport } from "../../control/run-report.js";
import type { ByteSink } from "../../devices/device.js";
import type { Boot } from "../../machine/boot.js";
import type { ConsolePort, Halt, Machine } from "../../machine/machine.js";
import { CommitLogFile } from "./commit-log-file.js";
import { loadCoreModule } from "./core-module.js";
import { closeDrives, openDrives } from "./drives.js";
import type { FileBlockBackend } from "./file-block-backend.js";
import { NodeHostServices } from "./host-services.js";
import { listenForEnd } from "./operator-terminal.js";
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
