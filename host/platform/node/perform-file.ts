import { copyFile, constants as fsConstants, rm, stat } from "node:fs/promises";
import { extname } from "node:path";
import type { MachineFileAction } from "../../control/actions.js";
import { formatFileReport } from "../../control/file-summary.js";
import { type ExitReport, STATUS_OK } from "../../control/guest-end.js";
import { reportFile } from "../../snapshot/file-report.js";
import { automaticName } from "../../snapshot/schedule.js";
import { unreachable, VivariumError } from "../../util/errors.js";
import {
  inspectMachineFile,
  nameFile,
  type OpenMachineFile,
  openMachineFile,
} from "./machine-file/open-machine-file.js";
import { performReplay } from "./perform-replay.js";
import { performExport, performImport } from "./perform-stream.js";
import type { StandardStreams } from "./standard-streams.js";

/** Does what was asked for to a machine file whose machine does not run. */
export async function performFileAction(action: MachineFileAction, streams: StandardStreams): Promise<ExitReport> {
  switch (action.action) {
    case "snapshot":
      return changing(action.file, async ({ file }) => {
        await file.name(action.name);
      });
    case "delete-snapshots":
      return changing(action.file, async ({ file }) => {
        await file.delete(action.names.map((name) => file.find(name)));
        await file.shrink();
      });
    case "delete-histories":
      return changing(action.file, async ({ file }) => {
        await file.deleteHistories(file.histories);
        await file.shrink();
      });
    case "restore":
      return changing(action.file, ({ file }) => restore(file, action.name, streams));
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

/** Opens a file, changes it, and closes it. Whatever goes wrong is told with the file's name. */
async function changing(path: string, change: (opened: OpenMachineFile) => Promise<void>): Promise<ExitReport> {
  const opened = await openMachineFile(path);
  try {
    await change(opened);
  } catch (error) {
    throw nameFile(path, error);
  } finally {
    await opened.close();
  }
  return { status: STATUS_OK };
}

/** Where the machine was left gets a name, so that nothing is lost. */
async function restore(file: OpenMachineFile["file"], name: string, { stderr }: StandardStreams): Promise<void> {
  const target = file.find(name);
  const { present, snapshots } = file;
  if (present?.kind === "present") {
    const left = automaticName(
      "left",
      Date.now(),
      snapshots.map((snapshot) => snapshot.name),
    );
    await file.name(left);
    stderr.line(`viv: where the machine was left is now snapshot ${left}`);
  }
  await file.restore(target);
}

/** Copies share their blocks with the original where the file system can do that. */
async function fork(
  { file: path, count, keepIdentity }: Extract<MachineFileAction, { action: "fork" }>,
  { stdout }: StandardStreams,
): Promise<ExitReport> {
  // Held, so that nothing changes in between.
  const original = await openMachineFile(path);
  const made: string[] = [];
  try {
    if (original.file.present === null)
      throw new VivariumError("file/empty", `${path}: there is no machine in this file`);
    for (let index = 1; index <= count; index++) {
      const target = forkName(path, index);
      await copyFile(original.path, target, fsConstants.COPYFILE_EXCL | fsConstants.COPYFILE_FICLONE);
      made.push(target);
      if (!keepIdentity) await changing(target, ({ file }) => file.renewIdentity());
    }
  } catch (error) {
    await Promise.all(made.map((target) => rm(target, { force: true })));
    if ((error as NodeJS.ErrnoException).code === "EEXIST") {
      const target = forkName(path, made.length + 1);
      throw new VivariumError("file/exists", `${target}: there is such a file already`, { file: target });
    }
    throw error;
  } finally {
    await original.close();
  }
  for (const target of made) stdout.write(Buffer.from(`${target}\n`));
  return { status: STATUS_OK };
}

function forkName(path: string, index: number): string {
  const extension = extname(path);
  return `${path.slice(0, path.length - extension.length)}-${index}${extension}`;
}

async function inspect(
  { file: path, json }: Extract<MachineFileAction, { action: "inspect" }>,
  { stdout }: StandardStreams,
): Promise<ExitReport> {
  const opened = await inspectMachineFile(path);
  try {
    const report = reportFile(opened.file);
    const { size: fileByteLength } = await stat(opened.path);
    const lines = json
      ? [JSON.stringify({ file: path, fileByteLength, ...report }, null, 2)]
      : [`${path}:`, ...formatFileReport(report, fileByteLength)];
    stdout.write(Buffer.from(`${lines.join("\n")}\n`));
  } catch (error) {
    throw nameFile(path, error);
  } finally {
    await opened.close();
  }
  return { status: STATUS_OK };
}
