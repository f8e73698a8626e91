import { assert } from "../util/errors.js";
import { type Task, wait } from "../util/task.js";
import { EBADF, ENAMETOOLONG, ENFILE, ENOENT, FolderError } from "./errno.js";
import type { FileAccess, FolderDirectory, FolderFile, SharedFolder } from "./shared-folder.js";

/** Directories on the way from the root to a file. */
const DEPTH_MAX = 250;
/** Files that a client can refer to, and the directories on the way to them. */
const NODES_MAX = 1 << 18;
/** Directories that are held open between requests: enough for the two longest paths that one request can name. */
const OPEN_DIRECTORIES_MAX = 2 * DEPTH_MAX + 12;

/** A place in the folder that the client refers to: a name in a directory. What is there may change meanwhile. */
export class FileNode {
  parent: FileNode | null;
  name: string;
  /** Children that somebody refers to. */
  readonly children = new Map<string, FileNode>();
  /** How many fids refer to it. */
  fidCount = 0;
  /** Files opened at this place, which go on after it has lost its name. */
  readonly openFiles = new Map<FolderFile, FileAccess>();

  constructor(parent: FileNode | null, name: string) {
    this.parent = parent;
    this.name = name;
  }
}

/**
 * The places of a folder that a client refers to, as a tree, so that renaming a directory moves all that is below it;
 * and their directories, opened when they are needed and the longest unused closed.
 */
export class FileTree {
  readonly root = new FileNode(null, "");
  readonly #folder: SharedFolder;
  /** By place, the longest unused first. */
  readonly #directories = new Map<FileNode, FolderDirectory>();
  #nodeCount = 1;
  /** How often all directories were closed: what was being opened then is not kept. */
  #closings = 0;

  constructor(folder: SharedFolder) {
    this.#folder = folder;
  }

  /** The place `name` in a directory; nothing need be there. @throws FolderError ENFILE, ENAMETOOLONG */
  child(parent: FileNode, name: string): FileNode {
    const known = parent.children.get(name);
    if (known !== undefined) return known;
    if (this.#nodeCount >= NODES_MAX) throw new FolderError(ENFILE);
    if (depthOf(parent) >= DEPTH_MAX) throw new FolderError(ENAMETOOLONG);
    const child = new FileNode(parent, name);
    parent.children.set(name, child);
    this.#nodeCount++;
    return child;
  }

  /** Forgets a place, and those above it, unless somebody refers to it. */
  release(node: FileNode): void {
    for (let each: FileNode | null = node; each !== null && each !== this.root; ) {
      if (each.fidCount > 0 || each.children.size > 0) return;
      const parent: FileNode | null = each.parent;
      this.closeDirectory(each);
      // One that was detached has no place to be removed from, and was counted out already.
      if (parent?.children.get(each.name) === each) {
        parent.children.delete(each.name);
        this.#nodeCount--;
      }
      each = parent;
    }
  }

  /** What was at this place has been removed: who refers to it refers to nothing, unless it is open. */
  detach(parent: FileNode, name: string): void {
    const node = parent.children.get(name);
    if (node === undefined) return;
    parent.children.delete(name);
    node.parent = null;
    this.closeBelow(node);
    // What is below it is counted until nobody refers to it.
    this.#nodeCount--;
    this.release(parent);
  }

  /** What was at one place is now at another, in place of what was there. */
  move(from: FileNode, name: string, to: FileNode, newName: string): void {
    if (from === to && name === newName) return;
    const node = from.children.get(name);
    if (node !== undefined && isWithin(to, node)) {
      // Somebody else has moved the target out of it, so that the client's picture is wrong: it has to look again.
      this.detach(from, name);
      return;
    }
    this.detach(to, newName);
    if (node === undefined) return;
    this.closeBelow(node);
    from.children.delete(name);
    node.parent = to;
    node.name = newName;
    to.children.set(newName, node);
    this.release(from);
  }

  /** The directory at a place, which the caller must not close. @throws FolderError ENOENT when the place is gone */
  *directory(node: FileNode): Task<FolderDirectory> {
    const closings = this.#closings;
    const missing: FileNode[] = [];
    let directory = this.#opened(node);
    for (let each: FileNode = node; directory === undefined && each !== this.root; directory = this.#opened(each)) {
      missing.push(each);
      if (each.parent === null) throw new FolderError(ENOENT);
      each = each.parent;
    }
    if (directory === undefined) {
      directory = yield* wait(this.#folder.root());
      this.#keep(this.root, directory, closings);
    }
    while (missing.length > 0) {
      const next = missing.pop()!;
      directory = yield* wait(directory.openDirectory(next.name));
      this.#keep(next, directory, closings);
    }
    return directory;
  }

  /** The directory in which a place is. @throws FolderError ENOENT when the place is gone */
  *parentDirectory(node: FileNode): Task<FolderDirectory> {
    assert(node !== this.root, "the root of a folder is in no directory of it");
    if (node.parent === null) throw new FolderError(ENOENT);
    return yield* this.directory(node.parent);
  }

  closeDirectory(node: FileNode): void {
    this.#directories.get(node)?.close();
    this.#directories.delete(node);
  }

  /** Closes the directories at and below a place: their path is not what it was. */
  closeBelow(node: FileNode): void {
    const pending = [node];
    for (let each = pending.pop(); each !== undefined; each = pending.pop()) {
      this.closeDirectory(each);
      // One by one: there are more children than a call can have arguments.
      for (const child of each.children.values()) pending.push(child);
    }
  }

  closeAll(): void {
    this.#closings++;
    for (const directory of this.#directories.values()) directory.close();
    this.#directories.clear();
  }

  #opened(node: FileNode): FolderDirectory | undefined {
    const directory = this.#directories.get(node);
    if (directory === undefined) return undefined;
    this.#directories.delete(node);
    this.#directories.set(node, directory);
    return directory;
  }

  /** @throws FolderError EBADF when all were closed since, and this one with them */
  #keep(node: FileNode, directory: FolderDirectory, closings: number): void {
    if (closings !== this.#closings) {
      directory.close();
      throw new FolderError(EBADF);
    }
    this.#directories.get(node)?.close();
    this.#directories.set(node, directory);
    for (const [oldest, opened] of this.#directories) {
      if (this.#directories.size <= OPEN_DIRECTORIES_MAX) break;
      opened.close();
      this.#directories.delete(oldest);
    }
  }
}

/** The names from the root of the tree to a place; of a detached one, from where it was detached. */
export function pathTo(node: FileNode): readonly string[] {
  const names: string[] = [];
  for (let each = node; each.parent !== null; each = each.parent) names.push(each.name);
  return names.reverse();
}

function isWithin(node: FileNode, ancestor: FileNode): boolean {
  for (let each: FileNode | null = node; each !== null; each = each.parent) if (each === ancestor) return true;
  return false;
}

function depthOf(node: FileNode): number {
  let depth = 0;
  for (let each = node; each.parent !== null; each = each.parent) depth++;
  return depth;
}
