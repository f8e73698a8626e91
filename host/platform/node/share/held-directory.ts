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
  statSync,
} from "node:fs";
import { join } from "node:path";
import { EISDIR, ELOOP, ENOTDIR, ENXIO, ESTALE, FolderError } from "../../../share/errno.js";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../../../share/shared-folder.js";
import { type HostPath, hostPath } from "./host-path.js";

/** Of Linux, which Node does not name: a descriptor that stands for a file without opening it. */
const O_PATH = 0o10000000;
const { O_DIRECTORY = 0, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY, O_TRUNC } = constants;

/** Where the host finds a name of a directory; "." is the directory itself. Only the last component may be a link. */
export type PathOf = (name: string) => HostPath;

/**
 * A directory of the host that stays what it is while somebody moves it, or puts a link in its place.
 *
 * Node has no openat(2), so a path must begin at the directory itself by other means.
 */
export interface HeldDirectory {
  /** Does something with the names of this directory. The paths are good during the call. */
  within<T>(use: (path: PathOf) => T): T;
  /** A path that is good while `within` of another directory is running. */
  pathFromElsewhere(name: string): HostPath;
  openDirectory(name: string): HeldDirectory;
  /** Opens a regular file. Nothing else is opened, not even for a moment. @returns a descriptor */
  openRegular(name: string, flags: number): number;
  /** @param permissions 12 bits */
  changePermissions(name: string, permissions: number): void;
  close(): void;
}

export function holdDirectory(path: string): HeldDirectory {
  return process.platform === "linux" ? holdByDescriptor(path) : holdByWorkingDirectory(path);
}

/** Linux: by a descriptor and /proc. @param path may lead through links */
export function holdByDescriptor(path: string): HeldDirectory {
  return new DescriptorDirectory(openSync(path, O_PATH | O_DIRECTORY));
}

/** Other hosts, not in a worker thread: by this process's working directory. @param path may lead through links */
export function holdByWorkingDirectory(path: string): HeldDirectory {
  const real = realpathSync(path);
  return new VisitedDirectory(real, lstatSync(real, { bigint: true }));
}

/**
 * By /proc/self/fd/N/NAME: the kernel starts at the directory that descriptor N stands for, whatever its path has become,
 * and NAME is the only component it looks up.
 */
class DescriptorDirectory implements HeldDirectory {
  #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  within<T>(use: (path: PathOf) => T): T {
    return use((name) => this.pathFromElsewhere(name));
  }

  pathFromElsewhere(name: string): HostPath {
    // The number may be another file's by now.
    if (this.#descriptor < 0) throw new FolderError(ESTALE);
    return hostPath(`/proc/self/fd/${this.#descriptor}/${name}`);
  }

  openDirectory(name: string): HeldDirectory {
    return new DescriptorDirectory(openSync(this.pathFromElsewhere(name), O_PATH | O_DIRECTORY | O_NOFOLLOW));
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

  close(): void {
    if (this.#descriptor < 0) return;
    closeSync(this.#descriptor);
    this.#descriptor = -1;
  }

  /** With a descriptor for whatever has this name now, and a path that leads there and nowhere else. */
  #withPinned<T>(name: string, use: (pinned: number, path: string) => T): T {
    const pinned = openSync(this.pathFromElsewhere(name), O_PATH | O_NOFOLLOW);
    try {
      return use(pinned, `/proc/self/fd/${pinned}`);
    } finally {
      closeSync(pinned);
    }
  }
}

/**
 * By going there: a process's working directory is a directory, not a path, and relative names start at it. Whoever
 * swaps directories can only make us arrive elsewhere, which is seen before anything is done. The process is back where
 * it was before anything else runs in this thread; what other threads do meanwhile must not use relative paths.
 *
 * What needs two directories at once (a rename or a link from one to the other) has a path for one of them, and a moment
 * between check and use.
 */
class VisitedDirectory implements HeldDirectory {
  readonly #path: string;
  readonly #device: bigint;
  readonly #inode: bigint;

  constructor(path: string, { dev, ino }: { readonly dev: bigint; readonly ino: bigint }) {
    this.#path = path;
    this.#device = dev;
    this.#inode = ino;
  }

  within<T>(use: (path: PathOf) => T): T {
    const home = process.cwd();
    try {
      process.chdir(this.#path);
      this.#requireHere();
      return use((name) => hostPath(`./${name}`));
    } finally {
      process.chdir(home);
    }
  }

  pathFromElsewhere(name: string): HostPath {
    if (realpathSync(this.#path) !== this.#path) throw new FolderError(ESTALE);
    const { dev, ino } = lstatSync(this.#path, { bigint: true });
    if (dev !== this.#device || ino !== this.#inode) throw new FolderError(ESTALE);
    return hostPath(join(this.#path, name));
  }

  openDirectory(name: string): HeldDirectory {
    return this.within((path) => {
      const { mode } = lstatSync(path(name));
      if ((mode & S_IFMT) !== S_IFDIR) throw new FolderError(ENOTDIR);
      process.chdir(path(name).toString());
      // The kernel's own word for where this is: through a link it is elsewhere.
      const expected = name === "." ? this.#path : join(this.#path, path(name).toString());
      if (process.cwd() !== expected) throw new FolderError(ELOOP);
      return new VisitedDirectory(expected, statSync(".", { bigint: true }));
    });
  }

  openRegular(name: string, flags: number): number {
    return this.within((path) => {
      const before = lstatSync(path(name), { bigint: true });
      requireRegular(Number(before.mode));
      // Nothing must be cut before it is known what was opened.
      const descriptor = openSync(path(name), (flags & ~O_TRUNC) | O_NOFOLLOW | O_NONBLOCK);
      try {
        const { dev, ino } = fstatSync(descriptor, { bigint: true });
        if (dev !== before.dev || ino !== before.ino) throw new FolderError(ESTALE);
        if ((flags & O_TRUNC) !== 0) ftruncateSync(descriptor);
        return descriptor;
      } catch (error) {
        closeSync(descriptor);
        throw error;
      }
    });
  }

  changePermissions(name: string, permissions: number): void {
    this.within((path) => {
      const descriptor = openSync(path(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      try {
        fchmodSync(descriptor, permissions);
      } finally {
        closeSync(descriptor);
      }
    });
  }

  close(): void {}

  #requireHere(): void {
    const { dev, ino } = statSync(".", { bigint: true });
    if (dev !== this.#device || ino !== this.#inode) throw new FolderError(ESTALE);
  }
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
