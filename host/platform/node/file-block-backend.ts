import { constants, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { SECTOR_BYTE_LENGTH } from "../../storage/block-backend.js";
import type { BaseImage } from "../../storage/overlay.js";
import { assert, VivariumError } from "../../util/errors.js";

const ZEROES = new Uint8Array(256 * 1024);

/** A disk kept as a raw image in a file of the host. */
export class FileBlockBackend implements BaseImage {
  readonly #handle: FileHandle;
  #closed = false;

  private constructor(
    handle: FileHandle,
    readonly byteLength: number,
    readonly readOnly: boolean,
  ) {
    this.#handle = handle;
  }

  /**
   * @param name how messages call the disk, such as `disk0`
   * @throws VivariumError `drive/unusable` when the file cannot be a disk
   */
  static async open(name: string, file: string, readOnly: boolean): Promise<FileBlockBackend> {
    const handle = await openFile(name, file, readOnly);
    try {
      const stat = await handle.stat();
      if (stat.isDirectory()) throw badDrive(name, file, `${file} is a directory; expected a raw disk image`);
      if (!stat.isFile()) throw badDrive(name, file, `${file} is no regular file; expected a raw disk image`);
      if (stat.size === 0)
        throw badDrive(name, file, `${file} is empty; expected a multiple of ${SECTOR_BYTE_LENGTH} bytes`);
      if (stat.size % SECTOR_BYTE_LENGTH !== 0) {
        throw badDrive(name, file, `${stat.size} bytes is not a multiple of ${SECTOR_BYTE_LENGTH}`);
      }
      return new FileBlockBackend(handle, stat.size, readOnly);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#checkRange(offset, into.length);
    let done = 0;
    while (done < into.length) {
      const { bytesRead } = await this.#handle.read(into, done, into.length - done, offset + done);
      if (bytesRead === 0) throw new Error(`the disk's file has become shorter than ${this.byteLength} bytes`);
      done += bytesRead;
    }
  }

  readNow(offset: number, into: Uint8Array): void {
    this.#checkRange(offset, into.length);
    let done = 0;
    while (done < into.length) {
      const count = readSync(this.#handle.fd, into, done, into.length - done, offset + done);
      if (count === 0) throw new Error(`the disk's file has become shorter than ${this.byteLength} bytes`);
      done += count;
    }
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.#checkWrite(offset, from.length);
    let done = 0;
    while (done < from.length) {
      const { bytesWritten } = await this.#handle.write(from, done, from.length - done, offset + done);
      done += bytesWritten;
    }
  }

  /** Writes the zeros: Node has no call that punches holes, so `unmap` changes nothing. */
  async writeZeroes(offset: number, byteLength: number, _unmap: boolean): Promise<void> {
    this.#checkWrite(offset, byteLength);
    for (let done = 0; done < byteLength; done += ZEROES.length) {
      await this.write(offset + done, ZEROES.subarray(0, Math.min(ZEROES.length, byteLength - done)));
    }
  }

  async discard(offset: number, byteLength: number): Promise<void> {
    this.#checkWrite(offset, byteLength);
  }

  async flush(): Promise<void> {
    if (!this.readOnly) await this.#handle.datasync();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#handle.close();
  }

  /** What tells one file from another under any name. */
  async identity(): Promise<string> {
    const stat = await this.#handle.stat({ bigint: true });
    return `${stat.dev}:${stat.ino}`;
  }

  #checkWrite(offset: number, byteLength: number): void {
    if (this.readOnly) throw new Error("the disk is read-only");
    this.#checkRange(offset, byteLength);
  }

  #checkRange(offset: number, byteLength: number): void {
    const whole = offset % SECTOR_BYTE_LENGTH === 0 && byteLength % SECTOR_BYTE_LENGTH === 0;
    const inside = offset >= 0 && byteLength >= 0 && offset + byteLength <= this.byteLength;
    assert(whole && inside, `disk: ${byteLength} bytes at ${offset} are no sectors of ${this.byteLength} bytes`);
  }
}

async function openFile(name: string, file: string, readOnly: boolean): Promise<FileHandle> {
  try {
    // Without O_NONBLOCK, opening a pipe would wait for somebody at its other end.
    return await open(file, (readOnly ? constants.O_RDONLY : constants.O_RDWR) | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    switch (code) {
      case "ENOENT":
      case "ENOTDIR":
        throw badDrive(name, file, `${file} does not exist; expected a raw disk image`);
      case "EISDIR":
        throw badDrive(name, file, `${file} is a directory; expected a raw disk image`);
      case "EACCES":
      case "EPERM":
      case "EROFS":
        if (readOnly) throw badDrive(name, file, `${file} may not be read`);
        throw badDrive(name, file, `${file} may not be written; expected a writable file, or "${file},readonly"`);
      default:
        throw badDrive(name, file, `${file} cannot be opened (${code ?? String(error)})`);
    }
  }
}

function badDrive(name: string, file: string, problem: string): VivariumError {
  return new VivariumError("drive/unusable", `${name}: ${problem}`, { drive: name, file });
}
