import { createReadStream, rmSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import type { MachineFileAction } from "../../control/actions.js";
import { type ExitReport, STATUS_OK } from "../../control/guest-end.js";
import type { MachineFile } from "../../snapshot/machine-file.js";
import { readStream, type StreamRecord, writeStream } from "../../snapshot/stream-format.js";
import { VivariumError } from "../../util/errors.js";
import { readInputFile } from "./input-file.js";
import { writtenBy } from "./keep.js";
import { nodeFileServices } from "./machine-file/file-services.js";
import { importMachineFile, inspectMachineFile, nameFile } from "./machine-file/open-machine-file.js";
import type { StandardStreams } from "./standard-streams.js";

/** Writes a machine file as a stream. */
export async function performExport(
  { file: path, output, passphraseFile }: Extract<MachineFileAction, { action: "export" }>,
  { stdout }: StandardStreams,
): Promise<ExitReport> {
  if (output === undefined && stdout.isTerminal) {
    throw new VivariumError(
      "option/invalid",
      "the stream is no text for a terminal; expected an output file, or a pipe",
    );
  }
  const passphrase = await readPassphrase(passphraseFile);
  const opened = await inspectMachineFile(path);
  try {
    const pieces = writeStream(recordsOf(path, opened.file), nodeFileServices, passphrase);
    if (output === undefined) {
      for await (const piece of pieces) {
        stdout.write(piece);
        if (stdout.congested) await stdout.drained();
        if (stdout.lost) break;
      }
    } else {
      await writeFile(output, pieces);
    }
  } finally {
    await opened.close();
  }
  return { status: STATUS_OK };
}

/** What goes wrong in reading the file is said of it; what goes wrong in writing the stream is not. */
function* recordsOf(path: string, file: MachineFile): Generator<StreamRecord> {
  try {
    yield* file.records();
  } catch (error) {
    throw nameFile(path, error);
  }
}

/** Makes a machine file of a stream. */
export async function performImport(
  { file, input, passphraseFile, keepIdentity }: Extract<MachineFileAction, { action: "import" }>,
  { stdin }: StandardStreams,
): Promise<ExitReport> {
  const passphrase = await readPassphrase(passphraseFile);
  const source = input === undefined ? stdin : createReadStream(input);
  try {
    const records = readStream(source, nodeFileServices, passphrase);
    const identity = keepIdentity ? "kept" : "renewed";
    const { close } = await importMachineFile(file, records, { writtenBy: writtenBy(), identity });
    await close();
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall !== undefined)
      throw new VivariumError("file/unusable", `${input}: cannot be read (${code})`, { file: input ?? "" });
    const isOfStream = error instanceof VivariumError && error.code.startsWith("stream/");
    throw isOfStream
      ? new VivariumError(error.code, `${input ?? "standard input"}: ${error.message}`, error.data)
      : error;
  } finally {
    source.destroy();
  }
  return { status: STATUS_OK };
}

/** The first line of a file. */
export async function readPassphrase(file: string | undefined): Promise<string | null> {
  if (file === undefined) return null;
  const bytes = await readInputFile({ option: "--passphrase-file", file, expected: "a passphrase on its first line" });
  const [line = ""] = Buffer.from(bytes).toString("utf8").split(/\r?\n/);
  if (line !== "") return line;
  throw new VivariumError(
    "option/invalid",
    `--passphrase-file: the first line of ${file} is empty; expected a passphrase`,
  );
}

/** A new file, whole or not at all. */
export async function writeFile(path: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await open(path, "wx", 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST")
      throw new VivariumError("file/exists", `${path}: there is such a file already`, { file: path });
    throw new VivariumError("file/unwritable", `${path}: cannot be made (${code})`, { file: path });
  }
  const removeAtExit = () => rmSync(path, { force: true });
  process.once("exit", removeAtExit);
  try {
    for await (const piece of pieces) await handle.writeFile(piece);
    await handle.sync();
    await handle.close();
  } catch (error) {
    await handle.close();
    await rm(path, { force: true });
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    throw new VivariumError(code === "ENOSPC" ? "file/full" : "file/io", `${path}: cannot be written (${code})`);
  } finally {
    process.off("exit", removeAtExit);
  }
}
