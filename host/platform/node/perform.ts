import type { Action, ExecAction, MachineAction, RelayAction, RunAction } from "../../control/actions.js";
import { ExecSession } from "../../control/exec-session.js";
import { type ExitReport, reportEnd, STATUS_OK, signalStatus } from "../../control/guest-end.js";
import type { RunResult } from "../../control/guest-run.js";
import { formatRunReport } from "../../control/run-report.js";
import type { GuestMode } from "../../images/command-line.js";
import type { Boot } from "../../machine/boot.js";
import { unreachable } from "../../util/errors.js";
import { readBootFiles } from "./boot-files.js";
import { interactiveMode, readImageBoot } from "./guest-image.js";
import { MachineFiles } from "./machine-files.js";
import { Relay } from "./network/relay.js";
import { performImage } from "./perform-image.js";
import { listenForEnd } from "./process-end.js";
import { runMachines } from "./run-machines.js";
import { connectCommand, openConsole, type StandardStreams } from "./standard-streams.js";

/** Does what was asked for, and says how the program ends. */
export async function perform(action: Action, streams: StandardStreams): Promise<ExitReport> {
  switch (action.action) {
    case "run":
      return performRun(action, streams);
    case "exec":
      return performExec(action, streams);
    case "image-list":
    case "image-build":
    case "image-remove":
    case "image-import":
      await performImage(action, streams.stdout, streams.stderr);
      return { status: STATUS_OK };
    case "relay":
      return performRelay(action, streams);
    default:
      return unreachable(action);
  }
}

async function performRun(action: RunAction, streams: StandardStreams): Promise<ExitReport> {
  const mode = interactiveMode(streams.stdout.terminalSize, process.env.TERM);
  const result = await withParts(action, mode, streams, async (boot, files) => {
    const { session, close } = openConsole(streams);
    try {
      return await runMachines(action.machine, boot, files, session, streams);
    } finally {
      close();
    }
  });
  return conclude(action, result, streams);
}

async function performExec(action: ExecAction, streams: StandardStreams): Promise<ExitReport> {
  const session = new ExecSession(action.command, streams);
  const result = await withParts(action, { kind: "exec" }, streams, async (boot, files) => {
    const disconnect = connectCommand(session, streams);
    try {
      return await runMachines(action.machine, boot, files, session, streams);
    } finally {
      disconnect();
    }
  });
  if (!session.ready || result.end.kind === "panic") streams.stderr.write(session.consoleTail);
  return conclude(action, result, streams);
}

async function performRelay(action: RelayAction, { stderr }: StandardStreams): Promise<ExitReport> {
  const relay = await Relay.open(action);
  stderr.line(`viv: relay at ${relay.url}`);
  const signal = await new Promise<number>((resolve) => listenForEnd(resolve));
  await relay.close();
  return { status: signalStatus(signal) };
}

/** Opens what the machine is made of, the quickly checked first, and closes it after `use`. */
async function withParts(
  { machine }: MachineAction,
  mode: GuestMode,
  streams: StandardStreams,
  use: (boot: Boot, files: MachineFiles) => Promise<RunResult>,
): Promise<RunResult> {
  const { guest, ownDisk } = machine;
  const readGuest =
    guest.kind === "image"
      ? () => readImageBoot(guest, mode, streams.stderr)
      : always({ boot: await readBootFiles(guest), disk: null });
  const files = await MachineFiles.open(machine, (message) => streams.stderr.line(`viv: ${message}`));
  try {
    const { boot, disk } = await readGuest();
    await files.addImageDisk(disk, ownDisk);
    return await use(boot, files);
  } finally {
    await files.close();
  }
}

function conclude(action: MachineAction, result: RunResult, streams: StandardStreams): ExitReport {
  if (action.machine.stats) {
    for (const line of formatRunReport(result.report)) streams.stderr.line(line);
  }
  // Whoever ends the program by a signal does not wait until a slow reader has read everything.
  if (result.end.kind === "signal") {
    streams.stdout.abandon();
    streams.stderr.abandon();
  }
  return reportEnd(result.end, action.action === "exec");
}

function always<T>(value: T): () => T {
  return () => value;
}
