import { EBADF, EINVAL, ENFILE, FolderError } from "./errno.js";
import type { FileNode, FileTree } from "./file-tree.js";
import type { FileAccess, FolderFile } from "./shared-folder.js";

/** Fids that a client can have: a client that caches has one for each file it knows. */
export const FIDS_MAX = 1 << 18;
/** Files that a client can have open. */
export const OPEN_FILES_MAX = 4096;
/** Names in the listings that are kept for readers of directories. */
const LISTED_NAMES_MAX = 1 << 20;

/** What a fid has been opened as. */
export type Opened =
  /** `file` is null from restoring a saved state until the first use. */
  | { readonly kind: "file"; file: FolderFile | null; readonly access: FileAccess }
  /** The names as they were when reading began: positions in it stay good. */
  | { readonly kind: "directory"; names: readonly string[] | null };

/** What a client calls by a number: a place in the folder, maybe opened. */
export interface Fid {
  node: FileNode;
  /** The user that it was attached for. */
  readonly uid: number;
  opened: Opened | null;
}

/** A client's fids. */
export class FidTable {
  readonly #tree: FileTree;
  readonly #fids = new Map<number, Fid>();
  /** Of the fids that have a listing, the longest unused first. */
  readonly #listings = new Set<Extract<Opened, { kind: "directory" }>>();
  #listedNames = 0;
  #openFileCount = 0;

  constructor(tree: FileTree) {
    this.#tree = tree;
  }

  /** @throws FolderError EBADF */
  get(number: number): Fid {
    const fid = this.#fids.get(number);
    if (fid === undefined) throw new FolderError(EBADF);
    return fid;
  }

  get entries(): IterableIterator<[number, Fid]> {
    return this.#fids.entries();
  }

  has(number: number): boolean {
    return this.#fids.has(number);
  }

  /** Whether the number still stands for this fid: it may have been given up, and taken again, meanwhile. */
  isCurrent(number: number, fid: Fid): boolean {
    return this.#fids.get(number) === fid;
  }

  /** @throws FolderError EINVAL when the number is taken, ENFILE when there are too many */
  add(number: number, node: FileNode, uid: number): Fid {
    if (this.#fids.has(number)) throw new FolderError(EINVAL);
    if (this.#fids.size >= FIDS_MAX) throw new FolderError(ENFILE);
    const fid: Fid = { node, uid, opened: null };
    node.fidCount++;
    this.#fids.set(number, fid);
    return fid;
  }

  /** Lets a fid stand for another place. */
  move(fid: Fid, node: FileNode): void {
    const before = fid.node;
    node.fidCount++;
    before.fidCount--;
    fid.node = node;
    this.#tree.release(before);
  }

  /** @throws FolderError EBADF */
  remove(number: number): void {
    const fid = this.get(number);
    this.#fids.delete(number);
    if (fid.opened?.kind === "file") {
      this.#openFileCount--;
      if (fid.opened.file !== null) {
        fid.node.openFiles.delete(fid.opened.file);
        fid.opened.file.close();
      }
    } else if (fid.opened?.kind === "directory") {
      this.forgetListing(fid.opened);
    }
    fid.node.fidCount--;
    this.#tree.release(fid.node);
  }

  /** @throws FolderError ENFILE when a client has too many files open */
  checkOpenFiles(): void {
    if (this.#openFileCount >= OPEN_FILES_MAX) throw new FolderError(ENFILE);
  }

  openFile(fid: Fid, file: FolderFile | null, access: FileAccess): void {
    fid.opened = { kind: "file", file, access };
    this.#openFileCount++;
    if (file !== null) fid.node.openFiles.set(file, access);
  }

  /** Keeps a listing, and forgets others if there are too many names: their readers list anew. */
  keepListing(opened: Extract<Opened, { kind: "directory" }>, names: readonly string[]): void {
    this.forgetListing(opened);
    opened.names = names;
    this.#listings.add(opened);
    this.#listedNames += names.length;
    for (const oldest of this.#listings) {
      if (this.#listedNames <= LISTED_NAMES_MAX || oldest === opened) break;
      this.forgetListing(oldest);
    }
  }

  forgetListing(opened: Extract<Opened, { kind: "directory" }>): void {
    if (opened.names === null) return;
    this.#listings.delete(opened);
    this.#listedNames -= opened.names.length;
    opened.names = null;
  }

  clear(): void {
    for (const number of [...this.#fids.keys()]) this.remove(number);
  }

  /** Whether a path leads to the fid's place. */
  static isReachable(fid: Fid, root: FileNode): boolean {
    let node = fid.node;
    while (node.parent !== null) node = node.parent;
    return node === root;
  }
}
