import {
  EEXIST,
  EFBIG,
  EINVAL,
  EISDIR,
  ELOOP,
  EMLINK,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
  ENXIO,
  EPERM,
  FolderError,
} from "./errno.js";
import {
  type AttributeChange,
  type Creation,
  type FileAccess,
  type FileAttributes,
  type FolderDirectory,
  type FolderFile,
  type FolderStatistics,
  PERMISSION_MASK,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  type SharedFolder,
} from "./shared-folder.js";

const BLOCK_BYTE_LENGTH = 4096;
const SECTOR_BYTE_LENGTH = 512;
const LINKS_MAX = 32_000;

export interface MemoryFolderOptions {
  readonly readOnly?: boolean;
  /** Nanoseconds since 1970. */
  readonly nowNs: () => bigint;
  /** Bytes of all files together. */
  readonly capacity?: number;
}

const DEFAULT_CAPACITY = 64 * 1024 * 1024;

/** What all files of a folder have together. */
class Volume {
  readonly nowNs: () => bigint;
  readonly capacity: number;
  used = 0;
  fileCount = 0n;
  #lastIdentity = 0n;

  constructor({ nowNs, capacity = DEFAULT_CAPACITY }: MemoryFolderOptions) {
    this.nowNs = nowNs;
    this.capacity = capacity;
  }

  nextIdentity(): bigint {
    this.fileCount++;
    return ++this.#lastIdentity;
  }

  /** @throws FolderError ENOSPC */
  take(byteLength: number): void {
    if (this.used + byteLength > this.capacity) throw new FolderError(ENOSPC);
    this.used += byteLength;
  }
}

/** One file of any kind, whatever its names. */
class Inode {
  readonly volume: Volume;
  readonly identity: bigint;
  readonly deviceNumber: bigint;
  mode: number;
  uid: number;
  gid: number;
  linkCount = 1;
  accessedNs: bigint;
  modifiedNs: bigint;
  changedNs: bigint;
  /** Of a regular file. */
  bytes = new Uint8Array();
  byteLength = 0;
  /** Of a directory. */
  readonly entries = new Map<string, Inode>();
  /** Of a symbolic link. */
  target = "";

  constructor(volume: Volume, kind: number, { permissions, uid, gid }: Creation, deviceNumber = 0n) {
    this.volume = volume;
    this.identity = volume.nextIdentity();
    this.mode = kind | permissions;
    this.uid = uid;
    this.gid = gid;
    this.deviceNumber = deviceNumber;
    this.accessedNs = this.modifiedNs = this.changedNs = volume.nowNs();
  }

  get kind(): number {
    return this.mode & S_IFMT;
  }

  attributes(): FileAttributes {
    const { identity, mode, uid, gid, linkCount, deviceNumber, accessedNs, modifiedNs, changedNs } = this;
    const byteLength = this.kind === S_IFLNK ? this.target.length : this.byteLength;
    return {
      ...{ identity, mode, uid, gid, linkCount, deviceNumber, accessedNs, modifiedNs, changedNs, byteLength },
      blockByteLength: BLOCK_BYTE_LENGTH,
      sectorCount: Math.ceil(this.bytes.length / SECTOR_BYTE_LENGTH),
    };
  }

  /** Something of a directory or of contents has changed. */
  touch(): void {
    this.modifiedNs = this.changedNs = this.volume.nowNs();
  }

  resize(byteLength: number): void {
    if (byteLength > this.volume.capacity) throw new FolderError(EFBIG);
    this.#reserve(byteLength);
    if (byteLength < this.byteLength) this.bytes.fill(0, byteLength, this.byteLength);
    this.byteLength = byteLength;
    this.touch();
  }

  change({ permissions, uid, gid, byteLength, accessed, modified }: AttributeChange): void {
    const now = this.volume.nowNs();
    if (byteLength !== undefined) {
      if (this.kind !== S_IFREG) throw new FolderError(this.kind === S_IFDIR ? EISDIR : EINVAL);
      this.resize(byteLength);
    }
    if (permissions !== undefined) this.mode = this.kind | (permissions & PERMISSION_MASK);
    if (uid !== undefined) this.uid = uid;
    if (gid !== undefined) this.gid = gid;
    if (accessed !== undefined) this.accessedNs = accessed === "now" ? now : accessed;
    if (modified !== undefined) this.modifiedNs = modified === "now" ? now : modified;
    this.changedNs = now;
  }

  /** It has lost a name; what it takes is given back with the last. */
  unlink(): void {
    this.linkCount--;
    this.changedNs = this.volume.nowNs();
    if (this.linkCount === 0) {
      this.volume.fileCount--;
      this.volume.used -= this.bytes.length;
    }
  }

  #reserve(byteLength: number): void {
    if (byteLength <= this.bytes.length) return;
    const capacity = Math.max(BLOCK_BYTE_LENGTH, 2 ** Math.ceil(Math.log2(byteLength)));
    this.volume.take(capacity - this.bytes.length);
    const grown = new Uint8Array(capacity);
    grown.set(this.bytes.subarray(0, this.byteLength));
    this.bytes = grown;
  }
}

/** A folder in memory, which keeps everything a guest can say of a file. */
export class MemoryFolder implements SharedFolder {
  readonly readOnly: boolean;
  readonly #volume: Volume;
  readonly #root: Inode;

  constructor(options: MemoryFolderOptions) {
    this.readOnly = options.readOnly ?? false;
    this.#volume = new Volume(options);
    this.#root = new Inode(this.#volume, S_IFDIR, { permissions: 0o755, uid: 0, gid: 0 });
    this.#root.linkCount = 2;
  }

  root(): FolderDirectory {
    return new MemoryDirectory(this.#root);
  }

  statistics(): FolderStatistics {
    const { capacity, used, fileCount } = this.#volume;
    const free = BigInt(Math.floor((capacity - used) / BLOCK_BYTE_LENGTH));
    return {
      blockByteLength: BLOCK_BYTE_LENGTH,
      blocks: BigInt(Math.floor(capacity / BLOCK_BYTE_LENGTH)),
      freeBlocks: free,
      availableBlocks: free,
      files: fileCount + free,
      freeFiles: free,
    };
  }
}

class MemoryDirectory implements FolderDirectory {
  readonly #inode: Inode;

  constructor(inode: Inode) {
    this.#inode = inode;
  }

  find(name: string): FileAttributes | null {
    const inode = name === "." ? this.#inode : this.#inode.entries.get(name);
    return inode?.attributes() ?? null;
  }

  list(): readonly string[] {
    return [...this.#inode.entries.keys()];
  }

  openDirectory(name: string): FolderDirectory {
    const inode = this.#get(name);
    if (inode.kind !== S_IFDIR) throw new FolderError(inode.kind === S_IFLNK ? ELOOP : ENOTDIR);
    return new MemoryDirectory(inode);
  }

  openFile(name: string, access: FileAccess): FolderFile {
    const inode = this.#get(name);
    switch (inode.kind) {
      case S_IFREG:
        if (access.truncate) inode.resize(0);
        return new MemoryFile(inode, access);
      case S_IFDIR:
        throw new FolderError(EISDIR);
      case S_IFLNK:
        throw new FolderError(ELOOP);
      default:
        throw new FolderError(ENXIO);
    }
  }

  createFile(name: string, access: FileAccess, creation: Creation): FolderFile {
    return new MemoryFile(this.#add(name, new Inode(this.#inode.volume, S_IFREG, creation)), access);
  }

  makeDirectory(name: string, creation: Creation): void {
    const inode = this.#add(name, new Inode(this.#inode.volume, S_IFDIR, creation));
    inode.linkCount = 2;
    this.#inode.linkCount++;
  }

  makeLink(name: string, target: string, creation: Creation): void {
    const inode = this.#add(name, new Inode(this.#inode.volume, S_IFLNK, { ...creation, permissions: 0o777 }));
    inode.target = target;
  }

  makeSpecial(name: string, kind: number, deviceNumber: bigint, creation: Creation): void {
    this.#add(name, new Inode(this.#inode.volume, kind, creation, deviceNumber));
  }

  readLink(name: string): string {
    const inode = this.#get(name);
    if (inode.kind !== S_IFLNK) throw new FolderError(EINVAL);
    return inode.target;
  }

  addName(name: string, from: FolderDirectory, fromName: string): void {
    const inode = (from as MemoryDirectory).#get(fromName);
    if (inode.kind === S_IFDIR) throw new FolderError(EPERM);
    if (inode.linkCount >= LINKS_MAX) throw new FolderError(EMLINK);
    this.#add(name, inode);
    inode.linkCount++;
    inode.changedNs = inode.volume.nowNs();
  }

  rename(name: string, to: FolderDirectory, toName: string): void {
    const target = (to as MemoryDirectory).#inode;
    const inode = this.#get(name);
    const replaced = target.entries.get(toName);
    if (replaced === inode) return;
    if (inode.kind === S_IFDIR && isWithin(target, inode)) throw new FolderError(EINVAL);
    if (replaced !== undefined) {
      if (inode.kind === S_IFDIR && replaced.kind !== S_IFDIR) throw new FolderError(ENOTDIR);
      if (inode.kind !== S_IFDIR && replaced.kind === S_IFDIR) throw new FolderError(EISDIR);
      (to as MemoryDirectory).#remove(toName, replaced);
    }
    this.#inode.entries.delete(name);
    target.entries.set(toName, inode);
    if (inode.kind === S_IFDIR) {
      this.#inode.linkCount--;
      target.linkCount++;
    }
    this.#inode.touch();
    target.touch();
    inode.changedNs = inode.volume.nowNs();
  }

  removeFile(name: string): void {
    const inode = this.#get(name);
    if (inode.kind === S_IFDIR) throw new FolderError(EISDIR);
    this.#remove(name, inode);
  }

  removeDirectory(name: string): void {
    const inode = this.#get(name);
    if (inode.kind !== S_IFDIR) throw new FolderError(ENOTDIR);
    this.#remove(name, inode);
  }

  change(name: string, change: AttributeChange): void {
    (name === "." ? this.#inode : this.#get(name)).change(change);
  }

  close(): void {}

  #get(name: string): Inode {
    const inode = this.#inode.entries.get(name);
    if (inode === undefined) throw new FolderError(ENOENT);
    return inode;
  }

  #add(name: string, inode: Inode): Inode {
    // A directory that has been removed takes nothing more.
    if (this.#inode.linkCount === 0) throw new FolderError(ENOENT);
    if (this.#inode.entries.has(name)) throw new FolderError(EEXIST);
    this.#inode.entries.set(name, inode);
    this.#inode.touch();
    return inode;
  }

  #remove(name: string, inode: Inode): void {
    if (inode.kind === S_IFDIR) {
      if (inode.entries.size > 0) throw new FolderError(ENOTEMPTY);
      inode.linkCount = 1;
      this.#inode.linkCount--;
    }
    inode.unlink();
    this.#inode.entries.delete(name);
    this.#inode.touch();
  }
}

function isWithin(directory: Inode, ancestor: Inode): boolean {
  const pending = [ancestor];
  for (let each = pending.pop(); each !== undefined; each = pending.pop()) {
    if (each === directory) return true;
    pending.push(...[...each.entries.values()].filter(({ kind }) => kind === S_IFDIR));
  }
  return false;
}

class MemoryFile implements FolderFile {
  readonly #inode: Inode;
  readonly #access: FileAccess;

  constructor(inode: Inode, access: FileAccess) {
    this.#inode = inode;
    this.#access = access;
  }

  attributes(): FileAttributes {
    return this.#inode.attributes();
  }

  read(offset: number, into: Uint8Array): number {
    const { bytes, byteLength } = this.#inode;
    const part = bytes.subarray(Math.min(offset, byteLength), Math.min(offset + into.length, byteLength));
    into.set(part);
    return part.length;
  }

  write(offset: number, from: Uint8Array): number {
    const inode = this.#inode;
    const start = this.#access.append ? inode.byteLength : offset;
    if (start + from.length > inode.byteLength) inode.resize(start + from.length);
    inode.bytes.set(from, start);
    inode.touch();
    return from.length;
  }

  change(change: AttributeChange): void {
    this.#inode.change(change);
  }

  sync(): void {}

  close(): void {}
}
