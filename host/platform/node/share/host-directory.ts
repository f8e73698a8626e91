import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { EPERM, FolderError } from "../../../share/errno.js";
import {
  type AttributeChange,
  type Creation,
  type FileAccess,
  type FileAttributes,
  type FolderDirectory,
  type FolderFile,
  PERMISSION_MASK,
  S_IFDIR,
  S_IFMT,
} from "../../../share/shared-folder.js";
import type { HeldDirectory } from "./held-directory.js";
import { attributesOf, safePermissions, timesOf } from "./host-attributes.js";
import { attempt } from "./host-errno.js";
import { HostFile } from "./host-file.js";
import { hostPath } from "./host-path.js";
import type { Owners } from "./owners.js";

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_RDONLY, O_RDWR, O_SYNC = 0, O_TRUNC, O_WRONLY } = constants;

/** What the directories of one folder have together. */
export interface HostFolderFacts {
  /** The device that the folder is on. */
  readonly rootDevice: bigint;
  readonly owners: Owners;
}

/**
 * A directory of the host within a shared folder. Its calls do not wait: they are as fast as a trip to another thread and
 * back would be slow, and the guest's driver finds its answer when it looks for the first time.
 */
export class HostDirectory implements FolderDirectory {
  readonly #held: HeldDirectory;
  readonly #facts: HostFolderFacts;

  constructor(held: HeldDirectory, facts: HostFolderFacts) {
    this.#held = held;
    this.#facts = facts;
  }

  find(name: string): FileAttributes | null {
    return attempt(() => {
      const stat = lstatSync(this.#held.at(name), { bigint: true, throwIfNoEntry: false });
      this.#held.check();
      return stat === undefined ? null : attributesOf(stat, this.#facts.rootDevice, this.#facts.owners);
    });
  }

  list(): readonly string[] {
    return attempt(() => {
      const names = readdirSync(this.#held.at("."), { encoding: "latin1" });
      this.#held.check();
      return names;
    });
  }

  openDirectory(name: string): FolderDirectory {
    return attempt(() => new HostDirectory(this.#held.openDirectory(name), this.#facts));
  }

  openFile(name: string, access: FileAccess): FolderFile {
    return attempt(() => this.#file(this.#held.openRegular(name, flagsOf(access))));
  }

  createFile(name: string, access: FileAccess, creation: Creation): FolderFile {
    const permissions = safePermissions(creation.permissions, false);
    return attempt(() => {
      this.#held.check();
      const flags = flagsOf(access) | O_CREAT | O_EXCL | O_NOFOLLOW;
      const descriptor = openSync(this.#held.at(name), flags, permissions);
      try {
        this.#held.check();
        if (this.#facts.owners.canGive) fchownSync(descriptor, creation.uid, creation.gid);
        // This process has a umask of its own.
        if ((fstatSync(descriptor).mode & PERMISSION_MASK) !== permissions) fchmodSync(descriptor, permissions);
        return this.#file(descriptor);
      } catch (error) {
        closeSync(descriptor);
        throw error;
      }
    });
  }

  makeDirectory(name: string, creation: Creation): void {
    attempt(() => {
      this.#held.check();
      mkdirSync(this.#held.at(name), creation.permissions);
      this.#give(name, creation);
      const made = this.find(name);
      if (made !== null && (made.mode & PERMISSION_MASK) !== creation.permissions) {
        this.#held.changePermissions(name, creation.permissions);
      }
    });
  }

  makeLink(name: string, target: string, creation: Creation): void {
    attempt(() => {
      this.#held.check();
      symlinkSync(hostPath(target), this.#held.at(name));
      this.#give(name, creation);
    });
  }

  /** Node cannot make pipes, sockets and devices; devices would be the host's own, too. */
  makeSpecial(): void {
    throw new FolderError(EPERM);
  }

  readLink(name: string): string {
    return attempt(() => {
      const target = readlinkSync(this.#held.at(name), { encoding: "latin1" });
      this.#held.check();
      return target;
    });
  }

  addName(name: string, from: FolderDirectory, fromName: string): void {
    attempt(() => {
      this.#held.check();
      linkSync((from as HostDirectory).#checkedPath(fromName), this.#held.at(name));
    });
  }

  rename(name: string, to: FolderDirectory, toName: string): void {
    attempt(() => {
      this.#held.check();
      renameSync(this.#held.at(name), (to as HostDirectory).#checkedPath(toName));
    });
  }

  removeFile(name: string): void {
    attempt(() => unlinkSync(this.#checkedPath(name)));
  }

  removeDirectory(name: string): void {
    attempt(() => rmdirSync(this.#checkedPath(name)));
  }

  change(name: string, change: AttributeChange): void {
    attempt(() => {
      const { permissions, uid, gid, byteLength, accessed, modified } = change;
      if (byteLength !== undefined) this.#truncate(name, byteLength);
      const before = this.find(name);
      if (before === null) return;
      if ((uid !== undefined || gid !== undefined) && this.#facts.owners.canGive) {
        lchownSync(this.#checkedPath(name), uid ?? before.uid, gid ?? before.gid);
      }
      if (permissions !== undefined) {
        const isDirectory = (before.mode & S_IFMT) === S_IFDIR;
        this.#held.changePermissions(name, safePermissions(permissions, isDirectory));
      }
      if (accessed !== undefined || modified !== undefined) {
        lutimesSync(this.#checkedPath(name), ...timesOf(change, before));
      }
    });
  }

  close(): void {
    this.#held.close();
  }

  #truncate(name: string, byteLength: number): void {
    const file = this.#file(this.#held.openRegular(name, O_WRONLY));
    try {
      file.change({ byteLength });
    } finally {
      file.close();
    }
  }

  /** @throws FolderError when this directory is not what it was */
  #checkedPath(name: string) {
    this.#held.check();
    return this.#held.at(name);
  }

  #give(name: string, { uid, gid }: Creation): void {
    if (this.#facts.owners.canGive) lchownSync(this.#checkedPath(name), uid, gid);
  }

  #file(descriptor: number): HostFile {
    return new HostFile(descriptor, this.#facts.rootDevice, this.#facts.owners);
  }
}

function flagsOf({ read, write, append, truncate, sync }: FileAccess): number {
  const access = write ? (read ? O_RDWR : O_WRONLY) : O_RDONLY;
  return access | (append ? O_APPEND : 0) | (truncate ? O_TRUNC : 0) | (sync ? O_SYNC : 0);
}
