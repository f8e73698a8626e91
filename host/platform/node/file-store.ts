import { constants, fdatasync, fstatSync, read as readFd, readSync, unlinkSync, write as writeFd } from "node:fs";
import { type FileHandle, mkdtemp, open, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ByteStore } from "../../storage/byte-store.js";
import { VivariumError } from "../../util/errors.js";

/** What the host has in its cache comes in less time. */
const CACHED_READ_MS_MAX = 0.5;
/** After a slower one, so many reads are made in the way that holds nobody up. */
const READS_AFTER_SLOW = 64;

/** The bytes of a file of the host. */
export class FileStore implements ByteStore {
  readonly readOnly: boolean;
  /** Called once when the file has been closed. */
  onClose: () => void = () => {};
  readonly #handle: FileHandle;
  #byteLength: number;
  #isClosed = false;
  /** Reads that shall not be made at once, for the file is on a disk that has to be waited for. */
  #slowReads = 0;
  /** Operations that the host is working on; a file is closed when there are none. */
  readonly #pending = new Set<Promise<void>>();

  private constructor(handle: FileHandle, byteLength: number, readOnly: boolean) {
    this.#handle = handle;
    this.#byteLength = byteLength;
    this.readOnly = readOnly;
  }

  /** @throws VivariumError `disk/file` when there is no file that can be opened so */
  static async open(file: string, { readOnly }: { readonly readOnly: boolean }): Promise<FileStore> {
    const handle = await openFile(file, readOnly);
    try {
      const stat = await handle.stat();
      if (stat.isDirectory()) throw badFile(file, "is a directory; expected a disk image");
      if (!stat.isFile()) throw badFile(file, "is no regular file; expected a disk image");
      return new FileStore(handle, stat.size, readOnly);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** An empty file; null when there is a file of that name. @throws VivariumError `disk/file` when it cannot be made */
  static async create(file: string): Promise<FileStore | null> {
    try {
      return new FileStore(await open(file, "wx+"), 0, false);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EEXIST") return null;
      throw badFile(file, `cannot be made (${code ?? String(error)})`);
    }
  }

  /** A file that nobody else sees and that is gone with us, in the directory for temporary files. */
  static async temporary(): Promise<FileStore> {
    const directory = await mkdtemp(join(tmpdir(), "viv-disk-"));
    const file = join(directory, "overlay");
    const handle = await open(file, "wx+", 0o600);
    unlinkSync(file);
    await rmdir(directory);
    return new FileStore(handle, 0, false);
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  /** What tells one file from another under any name. */
  get identity(): string {
    const { dev, ino } = fstatSync(this.#handle.fd, { bigint: true });
    return `${dev}:${ino}`;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    try {
      this.#checkRead(offset, into);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#run((fd, done) => this.#readAll(fd, offset, into, done));
  }

  tryRead(offset: number, into: Uint8Array): boolean {
    if (this.#slowReads > 0) {
      this.#slowReads--;
      return false;
    }
    const startMs = performance.now();
    this.readNow(offset, into);
    if (performance.now() - startMs > CACHED_READ_MS_MAX) this.#slowReads = READS_AFTER_SLOW;
    return true;
  }

  /** As `read`, but at once. @throws as `read` rejects */
  readNow(offset: number, into: Uint8Array): void {
    this.#checkRead(offset, into);
    for (let done = 0; done < into.length; ) {
      const count = readSync(this.#handle.fd, into, done, into.length - done, offset + done);
      if (count === 0) throw new Error(`the file has become shorter than ${this.#byteLength} bytes`);
      done += count;
    }
  }

  write(offset: number, from: Uint8Array): Promise<void> {
    this.#byteLength = Math.max(this.#byteLength, offset + from.length);
    return this.#run((fd, done) => writeAll(fd, offset, from, done));
  }

  flush(): Promise<void> {
    return this.#run((fd, done) => fdatasync(fd, done));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.allSettled(this.#pending);
    await this.#handle.close();
    this.onClose();
  }

  #checkRead(offset: number, into: Uint8Array): void {
    if (this.#isClosed) throw new Error("the file is closed");
    if (!(offset >= 0) || offset + into.length > this.#byteLength) {
      throw new Error(`bytes ${offset} to ${offset + into.length} of a file of ${this.#byteLength}`);
    }
  }

  /** The callbacks of `node:fs` take half the time of its promises. */
  #run(start: (fd: number, done: Done) => void): Promise<void> {
    if (this.#isClosed) return Promise.reject(new Error("the file is closed"));
    const operation = new Promise<void>((resolve, reject) => {
      start(this.#handle.fd, (error) => {
        this.#pending.delete(operation);
        if (error === null) resolve();
        else reject(error);
      });
    });
    this.#pending.add(operation);
    return operation;
  }

  #readAll(fd: number, offset: number, into: Uint8Array, done: Done): void {
    readFd(fd, into, 0, into.length, offset, (error, byteLength) => {
      if (error !== null) done(error);
      else if (byteLength === into.length) done(null);
      else if (byteLength === 0) done(new Error(`the file has become shorter than ${this.#byteLength} bytes`));
      else this.#readAll(fd, offset + byteLength, into.subarray(byteLength), done);
    });
  }
}

type Done = (error: Error | null) => void;

function writeAll(fd: number, offset: number, from: Uint8Array, done: Done): void {
  writeFd(fd, from, 0, from.length, offset, (error, byteLength) => {
    if (error !== null || byteLength === from.length) done(error);
    else writeAll(fd, offset + byteLength, from.subarray(byteLength), done);
  });
}

async function openFile(file: string, readOnly: boolean): Promise<FileHandle> {
  try {
    // Without O_NONBLOCK, opening a pipe would wait for somebody at its other end.
    return await open(file, (readOnly ? constants.O_RDONLY : constants.O_RDWR) | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    switch (code) {
      case "ENOENT":
      case "ENOTDIR":
        throw badFile(file, "does not exist; expected a disk image");
      case "EISDIR":
        throw badFile(file, "is a directory; expected a disk image");
      case "EACCES":
      case "EPERM":
      case "EROFS":
        if (readOnly) throw badFile(file, "may not be read");
        throw badFile(file, `may not be written; expected a writable file, or "${file},readonly"`);
      default:
        throw badFile(file, `cannot be opened (${code ?? String(error)})`);
    }
  }
}

function badFile(file: string, problem: string): VivariumError {
  return new VivariumError("disk/file", `${file} ${problem}`, { file });
}
