import type {
  Action,
  ExecAction,
  KeepRequest,
  MachineRequest,
  OpenAction,
  RelayAction,
  RunAction,
} from "../../control/actions.js";
import { ConsoleSession } from "../../control/console-session.js";
import { ExecSession } from "../../control/exec-session.js";
import { type ExitReport, reportEnd, STATUS_OK, signalStatus } from "../../control/guest-end.js";
import type { RunResult, Session } from "../../control/guest-run.js";
import { RegionDump } from "../../control/region-dump.js";
import { formatRunReport } from "../../control/run-report.js";
import type { GuestMode } from "../../images/command-line.js";
import type { Boot } from "../../machine/boot.js";
import type { HostServices } from "../../machine/host-services.js";
import { VivariumError } from "../../util/errors.js";
import { readBootFiles } from "./boot-files.js";
import { BootedCache } from "./booted-cache.js";
import { type BootedSession, BootedSource, bootedCommand, bootedConsole } from "./booted-source.js";
import { loadCoreModule } from "./core-module.js";
import { createFreshMachine, type MachineMakings, translationOf } from "./fresh-machine.js";
import { type ImageSource, interactiveMode, readImageBoot } from "./guest-image.js";
import { NodeHostServices } from "./host-services.js";
import { connectedTo, createKept, type Kept, openKept } from "./keep.js";
import { nodeFileServices } from "./machine-file/file-services.js";
import { nameFile as nameMachineFile } from "./machine-file/open-machine-file.js";
import { MachineFiles } from "./machine-files.js";
import { Relay } from "./network/relay.js";
import { performFileAction } from "./perform-file.js";
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
    case "open":
      return performOpen(action, streams);
    case "image-list":
    case "image-build":
    case "image-remove":
    case "image-import":
      await performImage(action, streams.stdout, streams.stderr);
      return { status: STATUS_OK };
    case "relay":
      return performRelay(action, streams);
    // What no other command needs is loaded when it is needed.
    case "serve":
      return (await import("./perform-serve.js")).performServe(action, streams);
    case "daemon":
      return (await import("./daemon/perform-daemon.js")).performDaemon(action, streams);
    default:
      return performFileAction(action, streams);
  }
}

/** A session that somebody is connected to. */
interface Connection {
  readonly session: Session & { readonly consoleTail: Uint8Array };
  disconnect(): void;
}

const LINE_FEED = 0x0a;

async function performRun(action: RunAction, streams: StandardStreams): Promise<ExitReport> {
  const mode = interactiveMode(streams.stdout.terminalSize, process.env.TERM);
  const cache = action.keep === undefined && !action.cold ? await BootedCache.for(action.machine, mode) : null;
  if (cache !== null) {
    const connection = openConsole(streams);
    const { session } = connection;
    const result = await runBooted(action.machine, mode, cache, connection, bootedConsole(session), streams);
    return conclude(result, false, false, streams);
  }
  const result = await runFresh(action, mode, streams, (onSnapshot) => openConsole(streams, onSnapshot));
  return conclude(result, action.machine.stats, false, streams);
}

async function performExec(action: ExecAction, streams: StandardStreams): Promise<ExitReport> {
  const { keep, command, machine } = action;
  // A guest that is kept shows its console to whoever opens it next.
  const mode: GuestMode = keep === undefined ? { kind: "agent" } : interactiveMode(null, undefined);
  const cache = keep === undefined && !action.cold ? await BootedCache.for(machine, mode) : null;
  const goesOn = keep !== undefined || cache !== null;
  const session = new ExecSession(command, streams, goesOn ? nodeFileServices : undefined);
  if (cache !== null) {
    const connection = connectExec(session, streams);
    const result = await runBooted(machine, mode, cache, connection, bootedCommand(session), streams);
    return concludeExec(session, result, false, streams);
  }
  const result = await runFresh(action, mode, streams, () => connectExec(session, streams));
  return concludeExec(session, result, machine.stats, streams);
}

async function performOpen(action: OpenAction, streams: StandardStreams): Promise<ExitReport> {
  const { keep, command, stats } = action;
  let kept: Kept | null = null;
  const exec = command === undefined ? null : new ExecSession(command, streams, nodeFileServices);
  const connection = exec === null ? openConsole(streams, () => kept?.machine.snapshot()) : connectExec(exec, streams);
  const { session } = connection;
  const line = (text: string) => streams.stderr.line(text);
  let files = MachineFiles.none;
  try {
    const opening = { isKept: true, warn: (message: string) => line(`viv: ${message}`) };
    files = await MachineFiles.open({ ...action, drives: [] }, opening);
    const { serial, ports } = session;
    const connected = connectedTo({ request: action, files });
    const opened = await openKept(keep, {
      ...connectionsOf(session, streams),
      wires: { ...translationOf(action, line), ...connected, core: await loadCoreModule(), serial, ports },
      discard: action.discard,
      keepIdentity: action.keepIdentity,
      drives: action.drives,
      files,
      line,
    });
    kept = opened;
    if (session instanceof ConsoleSession) session.replay(lastLine(opened.console));
    const result = await runKept(opened, session, streams, () => {
      connection.disconnect();
      files.liftLimits();
    });
    return exec === null ? conclude(result, stats, false, streams) : concludeExec(exec, result, stats, streams);
  } finally {
    connection.disconnect();
    await files.close();
  }
}

/** Runs a machine that need not be booted, because one like it was. */
async function runBooted(
  request: MachineRequest,
  mode: GuestMode,
  cache: BootedCache,
  { session, disconnect }: Connection,
  booted: BootedSession,
  streams: StandardStreams,
): Promise<RunResult> {
  try {
    const core = await loadCoreModule();
    const line = (text: string) => streams.stderr.line(text);
    const source = new BootedSource({
      cache,
      session: booted,
      core,
      translation: translationOf(request, line),
      boot: async (host, connected) => {
        const { boot } = await readImageBoot(
          request.guest as ImageSource,
          request.memoryByteLength,
          mode,
          streams.stderr,
        );
        return createFreshMachine({ request, core, boot, files: MachineFiles.none, session: connected, line }, host);
      },
    });
    const result = await runMachines(source, session, streams);
    disconnect();
    if (result.end.kind !== "signal") await source.close();
    return result;
  } catch (error) {
    // Its file turned out to be damaged when the guest needed something of it.
    if (error instanceof VivariumError && error.code.startsWith("file/")) await cache.forget();
    throw error;
  } finally {
    disconnect();
  }
}

/** Runs a machine that is made for this run, and kept if that was asked for. */
async function runFresh(
  { machine: request, keep }: { readonly machine: MachineRequest; readonly keep?: KeepRequest },
  mode: GuestMode,
  streams: StandardStreams,
  connect: (onSnapshot: (() => void) | undefined) => Connection,
): Promise<RunResult> {
  return withParts(request, keep !== undefined, mode, streams, async (boot, files) => {
    const core = await loadCoreModule();
    let kept: Kept | null = null;
    const connection = connect(keep === undefined ? undefined : () => kept?.machine.snapshot());
    const { session } = connection;
    const line = (text: string) => streams.stderr.line(text);
    const regionDump = request.dumpRegion === undefined ? undefined : new RegionDump(request.dumpRegion);
    const makings: MachineMakings = { request, core, boot, files, session, line, regionDump };
    try {
      if (keep === undefined) {
        const hash = request.stats && request.clock === "virtual";
        return await runMachines({ create: (host) => createFreshMachine(makings, host), hash }, session, streams);
      }
      kept = await createKept(keep, makings, connectionsOf(session, streams), new NodeHostServices());
      return await runKept(kept, session, streams, () => {
        connection.disconnect();
        files.liftLimits();
      });
    } finally {
      connection.disconnect();
      for (const text of regionDump?.lines() ?? []) line(text);
    }
  });
}

/** Runs a machine from its file, and saves it when it is left. */
async function runKept(
  kept: Kept,
  session: Session,
  streams: StandardStreams,
  disconnect: () => void,
): Promise<RunResult> {
  const create = (host: HostServices) =>
    kept.machine.create(host).catch((error: unknown) => {
      throw nameMachineFile(kept.path, error);
    });
  try {
    const result = await runMachines({ create, hash: false }, session, streams);
    disconnect();
    try {
      const record = await kept.machine.conclude(result.end);
      if (record === null) return result;
      return { ...result, report: { ...result.report, recordedTo: record.retired, stateHash: record.stateHash } };
    } catch (error) {
      throw nameMachineFile(kept.path, error);
    }
  } finally {
    await kept.close();
  }
}

function connectionsOf(session: Connection["session"], { stderr }: StandardStreams) {
  return { consoleTail: () => session.consoleTail, notice: (line: string) => stderr.line(line) };
}

function connectExec(session: ExecSession, streams: StandardStreams): Connection {
  return { session, disconnect: connectCommand(session, streams) };
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
  machine: MachineRequest,
  isKept: boolean,
  mode: GuestMode,
  streams: StandardStreams,
  use: (boot: Boot, files: MachineFiles) => Promise<RunResult>,
): Promise<RunResult> {
  const { guest, ownDisk } = machine;
  const readGuest =
    guest.kind === "image"
      ? () => readImageBoot(guest, machine.memoryByteLength, mode, streams.stderr)
      : always({ boot: await readBootFiles(guest), disk: null });
  const warn = (message: string) => streams.stderr.line(`viv: ${message}`);
  const files = await MachineFiles.open(machine, { isKept, warn });
  try {
    const { boot, disk } = await readGuest();
    await files.addImageDisk(disk, ownDisk, isKept);
    return await use(boot, files);
  } finally {
    await files.close();
  }
}

function concludeExec(session: ExecSession, result: RunResult, stats: boolean, streams: StandardStreams): ExitReport {
  if (!session.ready || result.end.kind === "panic") streams.stderr.write(session.consoleTail);
  return conclude(result, stats, true, streams);
}

function conclude(result: RunResult, stats: boolean, command: boolean, streams: StandardStreams): ExitReport {
  if (stats) {
    for (const line of formatRunReport(result.report)) streams.stderr.line(line);
  }
  // Whoever ends the program by a signal does not wait until a slow reader has read everything.
  if (result.end.kind === "signal") {
    streams.stdout.abandon();
    streams.stderr.abandon();
  }
  return reportEnd(result.end, command);
}

/** What stands on the line that the guest was writing. */
function lastLine(console: Uint8Array): Uint8Array {
  return console.subarray(console.lastIndexOf(LINE_FEED) + 1);
}

function always<T>(value: T): () => T {
  return () => value;
}
