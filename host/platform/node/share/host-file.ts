import {
  close,
  fchmodSync,
  fchownSync,
  fdatasync,
  fstatSync,
  fsync,
  ftruncateSync,
  futimesSync,
  read,
  readSync,
  write,
  writeSync,
} from "node:fs";
import { EINVAL, FolderError } from "../../../share/errno.js";
import type { AttributeChange, FileAttributes, FolderFile } from "../../../share/shared-folder.js";
import type { Eventual } from "../../../util/task.js";
import { attributesOf, safePermissions, timesOf } from "./host-attributes.js";
import { attempt, refusalOf } from "./host-errno.js";
import type { Owners } from "./owners.js";

/** What is read or written at once, without leaving the processor alone meanwhile: some 20 us from the host's cache. */
const IMMEDIATE_BYTE_LENGTH_MAX = 1 << 16;

/** A regular file of the host that is open. */
export class HostFile implements FolderFile {
  readonly #descriptor: number;
  readonly #rootDevice: bigint;
  readonly #owners: Owners;
  /** Operations under way, which a descriptor must outlive: its number would be another file's. */
  #busyCount = 0;
  #isClosing = false;

  /** @param descriptor of a regular file; closed by `close` */
  constructor(descriptor: number, rootDevice: bigint, owners: Owners) {
    this.#descriptor = descriptor;
    this.#rootDevice = rootDevice;
    this.#owners = owners;
  }

  attributes(): FileAttributes {
    return attempt(() => attributesOf(fstatSync(this.#descriptor, { bigint: true }), this.#rootDevice, this.#owners));
  }

  read(offset: number, into: Uint8Array): Eventual<number> {
    if (into.length <= IMMEDIATE_BYTE_LENGTH_MAX) {
      return attempt(() => readSync(this.#descriptor, into, 0, into.length, offset));
    }
    return this.#later((done) => read(this.#descriptor, into, 0, into.length, offset, done));
  }

  write(offset: number, from: Uint8Array): Eventual<number> {
    if (from.length <= IMMEDIATE_BYTE_LENGTH_MAX) {
      return attempt(() => writeSync(this.#descriptor, from, 0, from.length, offset));
    }
    return this.#later((done) => write(this.#descriptor, from, 0, from.length, offset, done));
  }

  change(change: AttributeChange): void {
    const descriptor = this.#descriptor;
    const { permissions, uid, gid, byteLength } = change;
    attempt(() => {
      if (byteLength !== undefined) {
        if (!Number.isSafeInteger(byteLength)) throw new FolderError(EINVAL);
        ftruncateSync(descriptor, byteLength);
      }
      if ((uid !== undefined || gid !== undefined) && this.#owners.canGive) {
        const stat = fstatSync(descriptor);
        fchownSync(descriptor, uid ?? stat.uid, gid ?? stat.gid);
      }
      if (permissions !== undefined) fchmodSync(descriptor, safePermissions(permissions, false));
      if (change.accessed !== undefined || change.modified !== undefined) {
        futimesSync(descriptor, ...timesOf(change, this.attributes()));
      }
    });
  }

  sync(dataOnly: boolean): Promise<void> {
    return this.#later((done) => (dataOnly ? fdatasync : fsync)(this.#descriptor, (error) => done(error, undefined)));
  }

  close(): void {
    this.#isClosing = true;
    if (this.#busyCount === 0) close(this.#descriptor);
  }

  #later<T>(start: (done: (error: NodeJS.ErrnoException | null, result: T) => void) => void): Promise<T> {
    this.#busyCount++;
    return new Promise((resolve, reject) => {
      start((error, result) => {
        this.#busyCount--;
        if (this.#isClosing && this.#busyCount === 0) close(this.#descriptor);
        if (error === null) resolve(result);
        else reject(refusalOf(error));
      });
    });
  }
}
