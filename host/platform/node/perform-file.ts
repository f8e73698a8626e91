import { realpath, rm, stat } from "node:fs/promises";
import { extname, resolve } from "node:path";
import type { MachineFileAction } from "../../control/actions.js";
import { formatFileReport } from "../../control/file-summary.js";
import { type ExitReport, STATUS_OK } from "../../control/guest-end.js";
import { type FileReport, reportFile } from "../../snapshot/file-report.js";
import { automaticName } from "../../snapshot/schedule.js";
import { unreachable, VivariumError } from "../../util/errors.js";
import { askMachine, type ControlRequest } from "./machine-file/control-socket.js";
import { copyMachineFile } from "./machine-file/copy-machine-file.js";
import {
  inspectMachineFile,
  nameFile,
  type OpenMachineFile,
  openMachineFile,
} from "./machine-file/open-machine-file.js";
import { performReplay } from "./perform-replay.js";
import { performExport, performImport } from "./perform-stream.js";
import type { StandardStreams } from "./standard-streams.js";

/** Does what was asked for to a machine file, by the program that has it open if its machine runs. */
export async function performFileAction(action: MachineFileAction, streams: StandardStreams): Promise<ExitReport> {
  switch (action.action) {
    case "snapshot":
      return changing(action.file, action, async ({ file }) => {
        await file.name(action.name);
      });
    case "delete-snapshots":
      return changing(action.file, action, async ({ file }) => {
        await file.delete(action.names.map((name) => file.find(name)));
        await file.shrink();
      });
    case "delete-histories":
      return deleteHistories(action.file);
    case "restore":
      return restore(action, streams);
    case "fork":
      return fork(action, streams);
    case "inspect":
      return inspect(action, streams);
    case "replay":
      return performReplay(action, streams);
    case "export":
      return performExport(action, streams);
    case "import":
      return performImport(action, streams);
    default:
      return unreachable(action);
  }
}

/**
 * Opens a file, changes it, and closes it. Whatever goes wrong is told with the file's name.
 *
 * @param asked what is asked of the machine if it runs
 */
async function changing(
  path: string,
  asked: ControlRequest,
  change: (opened: OpenMachineFile) => Promise<unknown>,
  told: (answer: unknown) => void = () => {},
): Promise<ExitReport> {
  await withFile(path, openMachineFile, asked, change, told);
  return { status: STATUS_OK };
}

/** @param told is given the answer of a machine that has the file open */
async function withFile(
  path: string,
  open: (path: string) => Promise<OpenMachineFile>,
  asked: ControlRequest,
  use: (opened: OpenMachineFile) => Promise<unknown>,
  told: (answer: unknown) => void,
): Promise<void> {
  let opened: OpenMachineFile;
  try {
    opened = await open(path);
  } catch (error) {
    if (!(error instanceof VivariumError) || error.code !== "file/in-use") throw error;
    const answer = await askMachine(await realpath(path), asked, error).catch((problem: unknown) => {
      throw problem === error ? error : named(path, problem);
    });
    told(answer);
    return;
  }
  try {
    await use(opened);
  } catch (error) {
    throw named(path, error);
  } finally {
    await opened.close();
  }
}

/** With the file's name before the message, unless that has one. */
function named(path: string, error: unknown): unknown {
  const hasName = error instanceof VivariumError && error.data.file !== undefined;
  return hasName ? error : nameFile(path, error);
}

async function restore(
  action: Extract<MachineFileAction, { action: "restore" }>,
  { stderr }: StandardStreams,
): Promise<ExitReport> {
  const say = (left: string) => stderr.line(`viv: where the machine was left is now snapshot ${left}`);
  return changing(
    action.file,
    action,
    ({ file }) => goBack(file, action.name, say),
    (left) => say(String(left)),
  );
}

async function deleteHistories(path: string): Promise<ExitReport> {
  const opened = await openMachineFile(path);
  try {
    await opened.file.deleteHistories(opened.file.histories);
    await opened.file.shrink();
  } catch (error) {
    throw nameFile(path, error);
  } finally {
    await opened.close();
  }
  return { status: STATUS_OK };
}

/** Where the machine was left gets a name, so that nothing is lost. */
async function goBack(file: OpenMachineFile["file"], name: string, say: (left: string) => void): Promise<void> {
  const target = file.find(name);
  const { present, snapshots } = file;
  if (present?.kind === "present") {
    const left = automaticName(
      "left",
      Date.now(),
      snapshots.map((snapshot) => snapshot.name),
    );
    await file.name(left);
    say(left);
  }
  await file.restore(target);
}

/** Copies share their blocks with the original where the file system can do that. */
async function fork(
  { file: path, count, keepIdentity }: Extract<MachineFileAction, { action: "fork" }>,
  { stdout }: StandardStreams,
): Promise<ExitReport> {
  const targets = Array.from({ length: count }, (_, index) => forkName(path, index + 1));
  const asked: ControlRequest = { action: "fork", targets: targets.map((target) => resolve(target)) };
  // Held, so that nothing changes in between.
  await withFile(
    path,
    openMachineFile,
    asked,
    (original) => copyTo(original, targets),
    () => {},
  );
  try {
    if (!keepIdentity) for (const target of targets) await renewIdentity(target);
  } catch (error) {
    await Promise.all(targets.map((target) => rm(target, { force: true })));
    throw error;
  }
  for (const target of targets) stdout.write(Buffer.from(`${target}\n`));
  return { status: STATUS_OK };
}

async function copyTo(original: OpenMachineFile, targets: readonly string[]): Promise<void> {
  if (original.file.present === null) throw new VivariumError("file/empty", "there is no machine in this file");
  await copyMachineFile(original.path, targets);
}

async function renewIdentity(path: string): Promise<void> {
  const { file, close } = await openMachineFile(path);
  try {
    await file.renewIdentity();
  } finally {
    await close();
  }
}

function forkName(path: string, index: number): string {
  const extension = extname(path);
  return `${path.slice(0, path.length - extension.length)}-${index}${extension}`;
}

async function inspect(
  { file: path, json }: Extract<MachineFileAction, { action: "inspect" }>,
  { stdout }: StandardStreams,
): Promise<ExitReport> {
  const { size: fileByteLength } = await stat(path).catch(() => ({ size: 0 }));
  const show = (report: FileReport) => {
    const lines = json
      ? [JSON.stringify({ file: path, fileByteLength, ...report }, null, 2)]
      : [`${path}:`, ...formatFileReport(report, fileByteLength)];
    stdout.write(Buffer.from(`${lines.join("\n")}\n`));
  };
  await withFile(
    path,
    inspectMachineFile,
    { action: "inspect" },
    async ({ file }) => show(reportFile(file)),
    (report) => show(report as FileReport),
  );
  return { status: STATUS_OK };
}
