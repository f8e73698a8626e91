import { constants, rmSync } from "node:fs";
import { access, open, realpath, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Identity } from "../../../machine/machine.js";
import type { Database } from "../../../snapshot/database.js";
import { MachineFile } from "../../../snapshot/machine-file.js";
import type { StreamRecord } from "../../../snapshot/stream-format.js";
import { VivariumError } from "../../../util/errors.js";
import { FileLock } from "./file-lock.js";
import { nodeFileServices } from "./file-services.js";
import { syncDirectoryOf } from "./node-vfs.js";
import { openDatabase } from "./sqlite.js";

/** A machine file that is open, and locked against other programs. */
export interface OpenMachineFile {
  readonly file: MachineFile;
  /** Absolute. */
  readonly path: string;
  close(): Promise<void>;
  /** Closes it and deletes it. */
  remove(): Promise<void>;
}

/** "SQLite format 3" and a NUL: https://sqlite.org/fileformat2.html. */
const MAGIC = "SQLite format 3\0";
const HEADER_BYTE_LENGTH = 100;

/**
 * Makes a new file for a machine.
 *
 * @throws VivariumError `file/exists`, `file/unwritable`, `file/in-use` and those of `Database`
 */
export async function createMachineFile(path: string, writtenBy: string): Promise<OpenMachineFile> {
  return creating(path, async (database) => MachineFile.create(database, nodeFileServices, writtenBy));
}

/**
 * Makes a new file out of a stream that `viv export` wrote.
 *
 * @throws VivariumError as `createMachineFile` and `MachineFile.import`; there is no file then
 */
export async function importMachineFile(
  path: string,
  records: AsyncIterable<StreamRecord>,
  options: { readonly writtenBy: string; readonly identity: Identity },
): Promise<OpenMachineFile> {
  return creating(path, (database) => MachineFile.import(records, database, nodeFileServices, options));
}

async function creating(path: string, make: (database: Database) => Promise<MachineFile>): Promise<OpenMachineFile> {
  const absolute = join(await realDirectory(path), basename(path));
  const lock = await FileLock.acquire(absolute);
  try {
    // Before anything else has a name there: exactly one program creates it.
    await (await open(absolute, "wx", 0o600)).close();
  } catch (error) {
    lock.release();
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") {
      const message = `${path}: there is such a file already; expected a new name, or "viv open ${path}" to go on with it`;
      throw new VivariumError("file/exists", message, { file: path });
    }
    throw new VivariumError("file/unwritable", `${path}: cannot be made (${code})`, { file: path });
  }
  const removeAtExit = () => rmSync(absolute, { force: true });
  process.once("exit", removeAtExit);
  try {
    const opened = await opening(path, absolute, lock, make);
    syncDirectoryOf(absolute);
    return opened;
  } catch (error) {
    lock.release();
    await removeFiles(absolute);
    throw error;
  } finally {
    process.off("exit", removeAtExit);
  }
}

/**
 * Opens a machine's file, and nobody else may until it is closed.
 *
 * @throws VivariumError `file/unusable`, `file/in-use` and those of `MachineFile.open`
 */
export async function openMachineFile(path: string): Promise<OpenMachineFile> {
  const absolute = await existingFile(path);
  const lock = await FileLock.acquire(absolute);
  try {
    await checkHeader(path, absolute);
    await checkWritable(path, absolute);
    return await opening(path, absolute, lock, async (database) => MachineFile.open(database, nodeFileServices));
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Opens a machine's file to look at it; also where nothing may be written. */
export async function inspectMachineFile(path: string): Promise<OpenMachineFile> {
  const absolute = await existingFile(path);
  const lock = await acquireIfWritable(absolute);
  try {
    await checkHeader(path, absolute);
    // A file that its program left in the middle of a write is put in order first, which needs the right to write.
    const readOnly = lock === null;
    return await opening(
      path,
      absolute,
      lock,
      async (database) => MachineFile.open(database, nodeFileServices),
      readOnly,
    );
  } catch (error) {
    lock?.release();
    throw error;
  }
}

/** Opens a file that nobody changes any more, as many programs as want to. */
export async function openFinishedMachineFile(path: string): Promise<OpenMachineFile> {
  return opening(path, path, null, async (database) => MachineFile.open(database, nodeFileServices), true);
}

async function opening(
  path: string,
  absolute: string,
  lock: FileLock | null,
  make: (database: Database) => Promise<MachineFile>,
  readOnly = false,
): Promise<OpenMachineFile> {
  try {
    const database = await openDatabase(absolute, { readOnly });
    try {
      const file = await make(database);
      const close = async () => {
        try {
          await file.close();
        } finally {
          lock?.release();
        }
      };
      const remove = async () => {
        await close();
        await removeFiles(absolute);
      };
      return { file, path: absolute, close, remove };
    } catch (error) {
      database.close();
      throw error;
    }
  } catch (error) {
    throw nameFile(path, error);
  }
}

/** Puts the file's name before a message about it. */
export function nameFile(path: string, error: unknown): unknown {
  // What is wrong with a stream is not this file's.
  if (!(error instanceof VivariumError) || error.code.startsWith("stream/")) return error;
  return new VivariumError(error.code, `${path}: ${error.message}`, { ...error.data, file: path });
}

/** A database and the journal of a write that failed. */
async function removeFiles(absolute: string): Promise<void> {
  for (const path of [absolute, `${absolute}-journal`]) await rm(path, { force: true });
}

async function acquireIfWritable(absolute: string): Promise<FileLock | null> {
  try {
    await access(dirname(absolute), constants.W_OK);
    await access(absolute, constants.W_OK);
  } catch {
    return null;
  }
  return FileLock.acquire(absolute);
}

async function existingFile(path: string): Promise<string> {
  try {
    const absolute = await realpath(path);
    const found = await stat(absolute);
    if (found.isFile()) return absolute;
    throw unusable(path, found.isDirectory() ? "is a directory" : "is no regular file");
  } catch (error) {
    if (error instanceof VivariumError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") throw unusable(path, "does not exist");
    throw unusable(path, `cannot be read (${code})`);
  }
}

/** SQLite would take an empty file for an empty database, and any other for a damaged one. */
async function checkHeader(path: string, absolute: string): Promise<void> {
  const handle = await open(absolute, "r").catch((error: NodeJS.ErrnoException) => {
    throw unusable(path, `may not be read (${error.code})`);
  });
  try {
    const header = Buffer.alloc(HEADER_BYTE_LENGTH);
    const { bytesRead } = await handle.read(header, 0, header.length, 0);
    if (bytesRead === header.length && header.toString("latin1", 0, MAGIC.length) === MAGIC) return;
    throw new VivariumError("file/not-a-machine", `${path}: this is no machine file`, { file: path });
  } finally {
    await handle.close();
  }
}

async function checkWritable(path: string, absolute: string): Promise<void> {
  await access(absolute, constants.W_OK).catch(() => {
    throw new VivariumError("file/unwritable", `${path}: may not be written; copy it to where it may`, { file: path });
  });
}

async function realDirectory(path: string): Promise<string> {
  try {
    return await realpath(dirname(path));
  } catch {
    throw new VivariumError("file/unwritable", `${path}: there is no directory ${dirname(path)}`, { file: path });
  }
}

function unusable(path: string, problem: string): VivariumError {
  return new VivariumError("file/unusable", `${path}: ${problem}; expected a machine file`, { file: path });
}
