import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  realpathSync,
} from "node:fs";
import { join } from "node:path";
import { EISDIR, ELOOP, ENOTDIR, ENXIO, ESTALE, FolderError } from "../../../share/errno.js";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../../../share/shared-folder.js";
import { type HostPath, hostPath } from "./host-path.js";

/** Of Linux, which Node does not name: a descriptor that stands for a file without opening it. */
const O_PATH = 0o10000000;
const { O_DIRECTORY = 0, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY, O_TRUNC } = constants;

/**
 * A directory of the host that stays what it is while somebody moves it, or puts a link in its place.
 *
 * Node has no openat(2). On Linux, /proc/self/fd/N/NAME is as good: the kernel starts at the directory that descriptor N
 * stands for, whatever its path has become, and NAME is the only component it looks up.
 */
export interface HeldDirectory {
  /** Where the host finds `name`; "." is the directory itself. Only the last component may be a link. */
  at(name: string): HostPath;
  /** @throws when the directory is not what it was: before a change, and before what was read is used */
  check(): void;
  openDirectory(name: string): HeldDirectory;
  /** Opens a regular file. Nothing else is opened, not even for a moment. @returns a descriptor */
  openRegular(name: string, flags: number): number;
  /** @param permissions 12 bits */
  changePermissions(name: string, permissions: number): void;
  close(): void;
}

export function holdDirectory(path: string): HeldDirectory {
  return process.platform === "linux" ? holdByDescriptor(path) : holdByPath(path);
}

/** By a descriptor: Linux. @param path may lead through links */
export function holdByDescriptor(path: string): HeldDirectory {
  return new DescriptorDirectory(openSync(path, O_PATH | O_DIRECTORY));
}

/** By a path that is looked at before and after. @param path may lead through links */
export function holdByPath(path: string): HeldDirectory {
  return PathDirectory.open(realpathSync(path));
}

class DescriptorDirectory implements HeldDirectory {
  #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  at(name: string): HostPath {
    this.check();
    return hostPath(`/proc/self/fd/${this.#descriptor}/${name}`);
  }

  check(): void {
    // The number may be another file's by now.
    if (this.#descriptor < 0) throw new FolderError(ESTALE);
  }

  openDirectory(name: string): HeldDirectory {
    return new DescriptorDirectory(openSync(this.at(name), O_PATH | O_DIRECTORY | O_NOFOLLOW));
  }

  openRegular(name: string, flags: number): number {
    return this.#withPinned(name, (pinned, path) => {
      requireRegular(fstatSync(pinned).mode);
      return openSync(path, flags | O_NONBLOCK);
    });
  }

  changePermissions(name: string, permissions: number): void {
    this.#withPinned(name, (_, path) => chmodSync(path, permissions));
  }

  /** With a descriptor for whatever has this name now, and a path that leads there and nowhere else. */
  #withPinned<T>(name: string, use: (pinned: number, path: string) => T): T {
    const pinned = openSync(this.at(name), O_PATH | O_NOFOLLOW);
    try {
      return use(pinned, `/proc/self/fd/${pinned}`);
    } finally {
      closeSync(pinned);
    }
  }

  close(): void {
    if (this.#descriptor < 0) return;
    closeSync(this.#descriptor);
    this.#descriptor = -1;
  }
}

/**
 * For hosts without /proc/self/fd: the path, and what must be there. Who swaps directories at the right moment can make
 * us change something elsewhere; what is read elsewhere is never handed on.
 */
class PathDirectory implements HeldDirectory {
  readonly #path: string;
  readonly #device: bigint;
  readonly #inode: bigint;

  private constructor(path: string, device: bigint, inode: bigint) {
    this.#path = path;
    this.#device = device;
    this.#inode = inode;
  }

  static open(path: string): PathDirectory {
    const { mode, dev, ino } = lstatSync(path, { bigint: true });
    if ((Number(mode) & S_IFMT) !== S_IFDIR) throw new FolderError(ENOTDIR);
    return new PathDirectory(path, dev, ino);
  }

  at(name: string): HostPath {
    return hostPath(name === "." ? this.#path : join(this.#path, name));
  }

  check(): void {
    // Not by lstat alone: any directory on the way might have become a link.
    if (realpathSync(this.#path) !== this.#path) throw new FolderError(ESTALE);
    const { dev, ino } = lstatSync(this.#path, { bigint: true });
    if (dev !== this.#device || ino !== this.#inode) throw new FolderError(ESTALE);
  }

  openDirectory(name: string): HeldDirectory {
    this.check();
    const directory = PathDirectory.open(join(this.#path, name));
    directory.check();
    return directory;
  }

  openRegular(name: string, flags: number): number {
    this.check();
    const before = lstatSync(this.at(name), { bigint: true });
    requireRegular(Number(before.mode));
    // Nothing must be cut before it is known what was opened.
    const descriptor = openSync(this.at(name), (flags & ~O_TRUNC) | O_NOFOLLOW | O_NONBLOCK);
    try {
      const { dev, ino } = fstatSync(descriptor, { bigint: true });
      if (dev !== before.dev || ino !== before.ino) throw new FolderError(ESTALE);
      this.check();
      if ((flags & O_TRUNC) !== 0) ftruncateSync(descriptor);
      return descriptor;
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  }

  changePermissions(name: string, permissions: number): void {
    this.check();
    const descriptor = openSync(this.at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      this.check();
      fchmodSync(descriptor, permissions);
    } finally {
      closeSync(descriptor);
    }
  }

  close(): void {}
}

/** @throws FolderError unless a mode is that of a regular file */
function requireRegular(mode: number): void {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return;
    case S_IFDIR:
      throw new FolderError(EISDIR);
    case S_IFLNK:
      throw new FolderError(ELOOP);
    default:
      // A pipe would wait for its other end, and a device do who knows what.
      throw new FolderError(ENXIO);
  }
}
