import type { Eventual } from "../util/task.js";

/**
 * A folder that guests are given: what it is made of, whoever keeps it.
 *
 * Names and the targets of symbolic links are *byte strings*: one character a byte, 0 to 255, because file names of
 * Linux are bytes in no particular encoding. A name is 1 to 255 bytes without "/" and NUL, and neither "." nor "..".
 *
 * Nothing here follows a symbolic link, and nothing leads out of the folder: a `FolderDirectory` stands for the
 * directory itself, not for a path to it, so that whoever replaces a directory on that path by a link leads nobody
 * astray.
 *
 * Refusals are thrown, or rejected with, as `FolderError`. What can be answered at once should be: a promise costs the
 * guest a trip through its scheduler.
 */
export interface SharedFolder {
  /** Whether everything that changes something is refused. */
  readonly readOnly: boolean;
  root(): Eventual<FolderDirectory>;
  statistics(): Eventual<FolderStatistics>;
}

/** Kinds of files, in the upper bits of a mode: inode(7) of Linux. */
export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;
/** The bits that chmod changes. */
export const PERMISSION_MASK = 0o7777;

export interface FileAttributes {
  /** Another number for each file of the folder, the same as long as the file lives; 64 bits. */
  readonly identity: bigint;
  /** Kind and permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly linkCount: number;
  /** Of a device file: its number, as Linux encodes it. */
  readonly deviceNumber: bigint;
  readonly byteLength: number;
  /** What a program does well to read and write at a time. */
  readonly blockByteLength: number;
  /** Space taken, in units of 512 bytes. */
  readonly sectorCount: number;
  /** Nanoseconds since 1970. */
  readonly accessedNs: bigint;
  readonly modifiedNs: bigint;
  readonly changedNs: bigint;
}

/** What is to be changed of a file's attributes; what is absent stays as it is. */
export interface AttributeChange {
  /** PERMISSION_MASK bits. */
  readonly permissions?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly byteLength?: number;
  /** Nanoseconds since 1970, or now. */
  readonly accessed?: bigint | "now";
  readonly modified?: bigint | "now";
}

/** How a file is opened. */
export interface FileAccess {
  readonly read: boolean;
  readonly write: boolean;
  /** Every write goes to the end, whatever its offset. */
  readonly append: boolean;
  readonly truncate: boolean;
  /** Writes are stable when they are answered. */
  readonly sync: boolean;
}

/** Who makes a file. A folder that cannot keep owners ignores it. */
export interface Creation {
  /** PERMISSION_MASK bits, taken as they are: the guest's umask has been applied. */
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
}

export interface FolderStatistics {
  readonly blockByteLength: number;
  readonly blocks: bigint;
  readonly freeBlocks: bigint;
  /** To users without privileges. */
  readonly availableBlocks: bigint;
  readonly files: bigint;
  readonly freeFiles: bigint;
}

/** A directory that is held open. */
export interface FolderDirectory {
  /** The attributes of the file of this name, or of the directory itself for "."; null when there is none. */
  find(name: string): Eventual<FileAttributes | null>;
  /** The names of everything in it but "." and "..", in any order. */
  list(): Eventual<readonly string[]>;
  openDirectory(name: string): Eventual<FolderDirectory>;
  /** Opens a regular file; anything else is refused with EISDIR, ELOOP or ENXIO. */
  openFile(name: string, access: FileAccess): Eventual<FolderFile>;
  /** Makes a regular file and opens it; one that is there is refused with EEXIST. */
  createFile(name: string, access: FileAccess, creation: Creation): Eventual<FolderFile>;
  makeDirectory(name: string, creation: Creation): Eventual<void>;
  makeLink(name: string, target: string, creation: Creation): Eventual<void>;
  /** Makes a file that is neither regular, directory nor link. @param kind one of S_IF... */
  makeSpecial(name: string, kind: number, deviceNumber: bigint, creation: Creation): Eventual<void>;
  readLink(name: string): Eventual<string>;
  /** Another name for the file `fromName` of `from`, which is a directory of the same folder. */
  addName(name: string, from: FolderDirectory, fromName: string): Eventual<void>;
  /** Gives the file `name` the name `toName` in `to`, in place of what may be there, in one step. */
  rename(name: string, to: FolderDirectory, toName: string): Eventual<void>;
  /** Removes a file that is no directory. */
  removeFile(name: string): Eventual<void>;
  removeDirectory(name: string): Eventual<void>;
  /** Changes the file of this name, or the directory itself for ".". */
  change(name: string, change: AttributeChange): Eventual<void>;
  /** Gives back what holding it open takes. What is under way ends as if nothing had happened. */
  close(): void;
}

/** A regular file that is held open, whether or not it still has a name. */
export interface FolderFile {
  attributes(): Eventual<FileAttributes>;
  /** @returns how many bytes there were from `offset` on, at most `into.length`; 0 at the end */
  read(offset: number, into: Uint8Array): Eventual<number>;
  /** @returns how many bytes were written, at least one */
  write(offset: number, from: Uint8Array): Eventual<number>;
  change(change: AttributeChange): Eventual<void>;
  /** Ends when everything written is stable. @param dataOnly without what only attributes need */
  sync(dataOnly: boolean): Eventual<void>;
  /** What is under way ends as if nothing had happened. */
  close(): void;
}

/** Whether a guest may use such a name for something in a directory. */
export function isFileName(name: string): boolean {
  return name.length > 0 && name.length <= 255 && name !== "." && name !== ".." && !/[/\0]/.test(name);
}
