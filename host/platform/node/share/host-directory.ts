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
import { ENOENT, EPERM, ESTALE, FolderError } from "../../../share/errno.js";
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
import type { HeldDirectory, PathOf } from "./held-directory.js";
import { attributesOf, safePermissions, timesOf } from "./host-attributes.js";
import { attempt } from "./host-errno.js";
import { HostFile } from "./host-file.js";
import { type HostPath, hostPath } from "./host-path.js";
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
    return this.#attempt((path) => this.#find(path(name)));
  }

  list(): readonly string[] {
    return this.#attempt((path) => readdirSync(path("."), { encoding: "latin1" }));
  }

  openDirectory(name: string): FolderDirectory {
    return attempt(() => new HostDirectory(this.#held.openDirectory(name), this.#facts));
  }

  openFile(name: string, access: FileAccess): FolderFile {
    return attempt(() => this.#file(this.#held.openRegular(name, flagsOf(access))));
  }

  createFile(name: string, access: FileAccess, creation: Creation): FolderFile {
    const permissions = safePermissions(creation.permissions, false);
    return this.#attempt((path) => {
      const descriptor = openSync(path(name), flagsOf(access) | O_CREAT | O_EXCL | O_NOFOLLOW, permissions);
      try {
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
    const made = this.#attempt((path) => {
      mkdirSync(path(name), creation.permissions);
      if (this.#facts.owners.canGive) lchownSync(path(name), creation.uid, creation.gid);
      return this.#find(path(name));
    });
    if (made === null || (made.mode & PERMISSION_MASK) === creation.permissions) return;
    attempt(() => this.#held.changePermissions(name, creation.permissions));
  }

  makeLink(name: string, target: string, creation: Creation): void {
    this.#attempt((path) => {
      symlinkSync(hostPath(target), path(name));
      if (this.#facts.owners.canGive) lchownSync(path(name), creation.uid, creation.gid);
    });
  }

  /** Node cannot make pipes, sockets and devices; devices would be the host's own, too. */
  makeSpecial(): void {
    throw new FolderError(EPERM);
  }

  readLink(name: string): string {
    return this.#attempt((path) => readlinkSync(path(name), { encoding: "latin1" }));
  }

  addName(name: string, from: FolderDirectory, fromName: string): void {
    const meant = from.find(fromName) as FileAttributes | null;
    this.#attempt((path) => {
      linkSync((from as HostDirectory).#held.pathFromElsewhere(fromName), path(name));
      if (this.#find(path(name))?.identity === meant?.identity) return;
      // Somebody has put another file there meanwhile, which need not be one of this folder.
      unlinkSync(path(name));
      throw new FolderError(ESTALE);
    });
  }

  rename(name: string, to: FolderDirectory, toName: string): void {
    this.#attempt((path) => renameSync(path(name), (to as HostDirectory).#held.pathFromElsewhere(toName)));
  }

  removeFile(name: string): void {
    this.#attempt((path) => unlinkSync(path(name)));
  }

  removeDirectory(name: string): void {
    this.#attempt((path) => rmdirSync(path(name)));
  }

  change(name: string, change: AttributeChange): void {
    const { permissions, uid, gid, byteLength, accessed, modified } = change;
    if (byteLength !== undefined) this.#truncate(name, byteLength);
    const before = this.find(name);
    if (before === null) throw new FolderError(ENOENT);
    if ((uid !== undefined || gid !== undefined) && this.#facts.owners.canGive) {
      this.#attempt((path) => lchownSync(path(name), uid ?? before.uid, gid ?? before.gid));
    }
    if (permissions !== undefined) {
      const safe = safePermissions(permissions, (before.mode & S_IFMT) === S_IFDIR);
      attempt(() => this.#held.changePermissions(name, safe));
    }
    if (accessed !== undefined || modified !== undefined) {
      this.#attempt((path) => lutimesSync(path(name), ...timesOf(change, before)));
    }
  }

  close(): void {
    this.#held.close();
  }

  /** @throws FolderError */
  #attempt<T>(operation: (path: PathOf) => T): T {
    return attempt(() => this.#held.within(operation));
  }

  #find(path: HostPath): FileAttributes | null {
    const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? null : attributesOf(stat, this.#facts.rootDevice, this.#facts.owners);
  }

  #truncate(name: string, byteLength: number): void {
    const file = attempt(() => this.#file(this.#held.openRegular(name, O_WRONLY)));
    try {
      file.change({ byteLength });
    } finally {
      file.close();
    }
  }

  #file(descriptor: number): HostFile {
    return new HostFile(descriptor, this.#facts.rootDevice, this.#facts.owners);
  }
}

function flagsOf({ read, write, append, truncate, sync }: FileAccess): number {
  const access = write ? (read ? O_RDWR : O_WRONLY) : O_RDONLY;
  return access | (append ? O_APPEND : 0) | (truncate ? O_TRUNC : 0) | (sync ? O_SYNC : 0);
}
