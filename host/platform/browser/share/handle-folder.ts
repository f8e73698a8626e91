import { EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, FolderError } from "../../../share/errno.js";
import {
  type AttributeChange,
  type FileAccess,
  type FileAttributes,
  type FolderDirectory,
  type FolderFile,
  type FolderStatistics,
  S_IFDIR,
  S_IFREG,
  type SharedFolder,
} from "../../../share/shared-folder.js";
import { VivariumError } from "../../../util/errors.js";
import { Mutex } from "../../../util/mutex.js";
import { FileContent } from "./handle-content.js";
import { attempt } from "./handle-errno.js";
import { toBrowserName, toGuestName } from "./handle-name.js";

const BLOCK_BYTE_LENGTH = 4096;
const SECTOR_BYTE_LENGTH = 512;
const DIRECTORY_MODE = S_IFDIR | 0o755;
const FILE_MODE = S_IFREG | 0o644;
const NS_PER_MS = 1_000_000n;
const UNCOMMITTED = ".crswap";

/** Not all declarations have these of the standard's methods. */
type Directory = FileSystemDirectoryHandle & { keys(): AsyncIterable<string> };
type Movable = { move?(parent: FileSystemDirectoryHandle, name: string): Promise<void> };

/** A file or directory that was met, for as long as the folder knows it. */
type Node = DirectoryNode | FileNode;

interface FileNode {
  readonly kind: "file";
  readonly identity: bigint;
  readonly content: FileContent;
}

interface DirectoryNode {
  readonly kind: "directory";
  readonly identity: bigint;
  handle: Directory;
  /** By its name in the browser. */
  readonly children: Map<string, Node>;
  parent: DirectoryNode | null;
  isGone: boolean;
}

/** What the directories of a folder have together. */
class Volume {
  /** What changes names happens one after the other: a browser has no such changes in one step. */
  readonly changes = new Mutex();
  readonly openedMs = Date.now();
  #lastIdentity = 0n;

  nextIdentity(): bigint {
    return ++this.#lastIdentity;
  }

  directory(handle: FileSystemDirectoryHandle, parent: DirectoryNode | null): DirectoryNode {
    const identity = this.nextIdentity();
    return { kind: "directory", identity, handle: handle as Directory, children: new Map(), parent, isGone: false };
  }

  file(handle: FileSystemFileHandle): FileNode {
    return { kind: "file", identity: this.nextIdentity(), content: new FileContent(handle) };
  }
}

/**
 * A folder of a browser's: one in its private file system, or one that a person has chosen. It has files and directories,
 * and of these names, contents and the time of the last change; no links, owners and permissions.
 *
 * Renaming a directory copies what is in it, for browsers move no directories.
 */
export class HandleFolder implements SharedFolder {
  readonly readOnly: boolean;
  readonly #volume = new Volume();
  readonly #root: DirectoryNode;

  private constructor(handle: FileSystemDirectoryHandle, readOnly: boolean) {
    this.readOnly = readOnly;
    this.#root = this.#volume.directory(handle, null);
  }

  /** @throws VivariumError `share/unusable` for what is no handle of a directory, or may not be read */
  static async open(directory: string | object, readOnly: boolean): Promise<HandleFolder> {
    if (!(directory instanceof FileSystemDirectoryHandle)) {
      throw new VivariumError(
        "share/unusable",
        "shares: expected the handle of a directory (FileSystemDirectoryHandle)",
      );
    }
    try {
      for await (const _ of (directory as Directory).keys()) break;
    } catch (error) {
      const message = `shares: ${directory.name} may not be read: ${(error as Error).message}`;
      throw new VivariumError("share/unusable", message);
    }
    return new HandleFolder(directory, readOnly);
  }

  root(): FolderDirectory {
    return new HandleDirectory(this.#root, this.#volume);
  }

  /** What the browser lets the page keep; there are no numbers of a folder that a person has chosen. */
  async statistics(): Promise<FolderStatistics> {
    const { quota = 0, usage = 0 } = await attempt(() => navigator.storage.estimate());
    const blocksOf = (byteLength: number) => BigInt(Math.max(0, Math.floor(byteLength / BLOCK_BYTE_LENGTH)));
    const free = blocksOf(quota - usage);
    return {
      blockByteLength: BLOCK_BYTE_LENGTH,
      blocks: blocksOf(quota),
      freeBlocks: free,
      availableBlocks: free,
      files: free,
      freeFiles: free,
    };
  }
}

class HandleDirectory implements FolderDirectory {
  readonly #node: DirectoryNode;
  readonly #volume: Volume;

  constructor(node: DirectoryNode, volume: Volume) {
    this.#node = node;
    this.#volume = volume;
  }

  async find(name: string): Promise<FileAttributes | null> {
    if (name === ".") return this.#attributesOf(this.#node);
    const node = await attempt(() => this.#find(toBrowserName(name)));
    return node === null ? null : this.#attributesOf(node);
  }

  list(): Promise<readonly string[]> {
    return attempt(async () => {
      return (await namesIn(this.#node.handle)).map(toGuestName);
    });
  }

  async openDirectory(name: string): Promise<FolderDirectory> {
    const node = await this.#get(name);
    if (node.kind !== "directory") throw new FolderError(ENOTDIR);
    return new HandleDirectory(node, this.#volume);
  }

  async openFile(name: string, access: FileAccess): Promise<FolderFile> {
    const node = await this.#get(name);
    if (node.kind !== "file") throw new FolderError(EISDIR);
    if (access.truncate) await node.content.resize(0);
    return new HandleFile(node, access);
  }

  createFile(name: string, access: FileAccess): Promise<FolderFile> {
    return this.#create(name, async (ownName) => {
      const node = this.#volume.file(await this.#node.handle.getFileHandle(ownName, { create: true }));
      this.#node.children.set(ownName, node);
      return new HandleFile(node, access);
    });
  }

  makeDirectory(name: string): Promise<void> {
    return this.#create(name, async (ownName) => {
      const handle = await this.#node.handle.getDirectoryHandle(ownName, { create: true });
      this.#node.children.set(ownName, this.#volume.directory(handle, this.#node));
    });
  }

  makeLink(): never {
    throw new FolderError(EPERM);
  }

  makeSpecial(): never {
    throw new FolderError(EPERM);
  }

  addName(): never {
    throw new FolderError(EPERM);
  }

  async readLink(name: string): Promise<string> {
    await this.#get(name);
    throw new FolderError(EINVAL);
  }

  rename(name: string, to: FolderDirectory, toName: string): Promise<void> {
    const target = (to as HandleDirectory).#node;
    const [ownName, newName] = [toBrowserName(name), toBrowserName(toName)];
    return this.#change(async () => {
      const node = await this.#getOwn(ownName);
      const replaced = await find(target, newName, this.#volume);
      if (replaced === node) return;
      if (node.kind === "directory" && isWithin(target, node)) throw new FolderError(EINVAL);
      if (node.kind === "directory" && replaced?.kind === "file") throw new FolderError(ENOTDIR);
      if (node.kind === "file" && replaced?.kind === "directory") throw new FolderError(EISDIR);
      if (replaced !== null) await remove(target, newName, replaced);
      await move(this.#node, ownName, node, target, newName);
    });
  }

  removeFile(name: string): Promise<void> {
    return this.#remove(name, "file", EISDIR);
  }

  removeDirectory(name: string): Promise<void> {
    return this.#remove(name, "directory", ENOTDIR);
  }

  async change(name: string, { byteLength }: AttributeChange): Promise<void> {
    const node = name === "." ? this.#node : await this.#get(name);
    if (byteLength === undefined) return;
    if (node.kind === "directory") throw new FolderError(EISDIR);
    await node.content.resize(byteLength);
    await node.content.commit();
  }

  close(): void {}

  #change<T>(work: () => Promise<T>): Promise<T> {
    return this.#volume.changes.run(() => attempt(work));
  }

  #create<T>(name: string, make: (ownName: string) => Promise<T>): Promise<T> {
    const ownName = toBrowserName(name);
    return this.#change(async () => {
      if (this.#node.isGone) throw new FolderError(ENOENT);
      if ((await this.#find(ownName)) !== null) throw new FolderError(EEXIST);
      return make(ownName);
    });
  }

  #remove(name: string, kind: Node["kind"], otherwise: number): Promise<void> {
    const ownName = toBrowserName(name);
    return this.#change(async () => {
      const node = await this.#getOwn(ownName);
      if (node.kind !== kind) throw new FolderError(otherwise);
      await remove(this.#node, ownName, node);
    });
  }

  #find(ownName: string): Promise<Node | null> {
    return find(this.#node, ownName, this.#volume);
  }

  #get(name: string): Promise<Node> {
    return attempt(() => this.#getOwn(toBrowserName(name)));
  }

  async #getOwn(ownName: string): Promise<Node> {
    const node = await this.#find(ownName);
    if (node === null) throw new FolderError(ENOENT);
    return node;
  }

  async #attributesOf(node: Node): Promise<FileAttributes> {
    if (node.kind === "file") return fileAttributes(node);
    return attributes(node.identity, DIRECTORY_MODE, BLOCK_BYTE_LENGTH, this.#volume.openedMs);
  }
}

class HandleFile implements FolderFile {
  readonly #node: FileNode;
  readonly #access: FileAccess;
  #isClosed = false;

  constructor(node: FileNode, access: FileAccess) {
    this.#node = node;
    this.#access = access;
    node.content.open();
  }

  attributes(): Promise<FileAttributes> {
    return fileAttributes(this.#node);
  }

  read(offset: number, into: Uint8Array): Promise<number> {
    return this.#node.content.read(offset, into);
  }

  async write(offset: number, from: Uint8Array): Promise<number> {
    await this.#node.content.write(this.#access.append ? null : offset, from);
    if (this.#access.sync) await this.#node.content.commit();
    return from.length;
  }

  async change({ byteLength }: AttributeChange): Promise<void> {
    if (byteLength !== undefined) await this.#node.content.resize(byteLength);
  }

  sync(): Promise<void> {
    return this.#node.content.commit();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#node.content.close();
  }
}

/** What a directory has under a name: what it was before, as long as it is of the same kind. */
async function find(parent: DirectoryNode, name: string, volume: Volume): Promise<Node | null> {
  const known = parent.children.get(name);
  const handle = await handleOf(parent.handle, name, known?.kind ?? "file");
  if (handle === null) {
    parent.children.delete(name);
    return null;
  }
  if (known?.kind === handle.kind) return known;
  const node =
    handle.kind === "file"
      ? volume.file(handle as FileSystemFileHandle)
      : volume.directory(handle as FileSystemDirectoryHandle, parent);
  // Somebody else may have met it meanwhile.
  const met = parent.children.get(name);
  if (met !== undefined && met !== known && met.kind === node.kind) return met;
  parent.children.set(name, node);
  return node;
}

/** @param first the kind that it is likely to be of */
async function handleOf(
  parent: FileSystemDirectoryHandle,
  name: string,
  first: Node["kind"],
): Promise<FileSystemHandle | null> {
  const get = (kind: Node["kind"]) => (kind === "file" ? parent.getFileHandle(name) : parent.getDirectoryHandle(name));
  try {
    return await get(first);
  } catch (error) {
    if ((error as Error).name === "NotFoundError") return null;
    if ((error as Error).name !== "TypeMismatchError") throw error;
    return get(first === "file" ? "directory" : "file");
  }
}

async function remove(parent: DirectoryNode, name: string, node: Node): Promise<void> {
  if (node.kind === "file") {
    await node.content.detach();
    await node.content.whileCommitted(() => parent.handle.removeEntry(name));
  } else {
    if ((await namesIn(node.handle)).length > 0) throw new FolderError(ENOTEMPTY);
    await parent.handle.removeEntry(name);
    node.isGone = true;
  }
  parent.children.delete(name);
}

/** Moves what is there to where nothing is. */
async function move(from: DirectoryNode, name: string, node: Node, to: DirectoryNode, toName: string): Promise<void> {
  if (node.kind === "file") {
    await node.content.whileCommitted(async () => {
      node.content.handle = await moveFile(from.handle, name, node.content.handle, to.handle, toName);
    });
  } else {
    const copy = await to.handle.getDirectoryHandle(toName, { create: true });
    await moveContents(node, copy as Directory);
    await from.handle.removeEntry(name);
    node.handle = copy as Directory;
    node.parent = to;
  }
  from.children.delete(name);
  to.children.set(toName, node);
}

async function moveFile(
  from: FileSystemDirectoryHandle,
  name: string,
  handle: FileSystemFileHandle,
  to: FileSystemDirectoryHandle,
  toName: string,
): Promise<FileSystemFileHandle> {
  const { move } = handle as Movable;
  if (move !== undefined) {
    await move.call(handle, to, toName);
  } else {
    const copy = await to.getFileHandle(toName, { create: true });
    await (await handle.getFile()).stream().pipeTo(await copy.createWritable());
    await from.removeEntry(name);
  }
  return to.getFileHandle(toName);
}

async function moveContents(node: DirectoryNode, to: Directory): Promise<void> {
  for (const name of await namesIn(node.handle)) {
    const known = node.children.get(name);
    const handle = await handleOf(node.handle, name, known?.kind ?? "file");
    if (handle === null) continue;
    if (handle.kind === "file") {
      const moving = () => moveFile(node.handle, name, handle as FileSystemFileHandle, to, name);
      if (known?.kind !== "file") await moving();
      else
        await known.content.whileCommitted(async () => {
          known.content.handle = await moving();
        });
      continue;
    }
    const copy = (await to.getDirectoryHandle(name, { create: true })) as Directory;
    const inner: DirectoryNode =
      known?.kind === "directory" ? known : { ...node, handle: handle as Directory, children: new Map(), parent: node };
    await moveContents(inner, copy);
    await node.handle.removeEntry(name);
    inner.handle = copy;
  }
}

/** What is in a directory, but for the copies that Chromium writes to until they are committed. */
async function namesIn(handle: Directory): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const name of handle.keys()) if (!name.endsWith(UNCOMMITTED)) names.push(name);
  return names;
}

function isWithin(directory: DirectoryNode, ancestor: DirectoryNode): boolean {
  for (let each: DirectoryNode | null = directory; each !== null; each = each.parent) {
    if (each === ancestor) return true;
  }
  return false;
}

async function fileAttributes({ identity, content }: FileNode): Promise<FileAttributes> {
  const { byteLength, modifiedMs } = await content.facts();
  return attributes(identity, FILE_MODE, byteLength, modifiedMs);
}

function attributes(identity: bigint, mode: number, byteLength: number, modifiedMs: number): FileAttributes {
  const modifiedNs = BigInt(Math.floor(modifiedMs)) * NS_PER_MS;
  return {
    identity,
    mode,
    uid: 0,
    gid: 0,
    linkCount: 1,
    deviceNumber: 0n,
    byteLength,
    blockByteLength: BLOCK_BYTE_LENGTH,
    sectorCount: Math.ceil(byteLength / SECTOR_BYTE_LENGTH),
    accessedNs: modifiedNs,
    modifiedNs,
    changedNs: modifiedNs,
  };
}
