/**
 * Writes the "newc" cpio format, the one Linux unpacks into its root file system at boot.
 *
 * Each entry is a 110-byte header of ASCII text, the path with its NUL, padding to 4 bytes, the content, padding to
 * 4 bytes. Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
 */

import { utf8 } from "../util/bytes.js";

/** What one path of the archive is. `path` is relative: `bin/sh`, not `/bin/sh`. Modes are permission bits. */
export type CpioEntry =
  | { readonly kind: "directory"; readonly path: string; readonly mode: number }
  | { readonly kind: "file"; readonly path: string; readonly mode: number; readonly content: Uint8Array }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string }
  | {
      readonly kind: "character-device";
      readonly path: string;
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

/** A directory that everybody may read. */
export function directory(path: string): CpioEntry {
  return { kind: "directory", path, mode: 0o755 };
}

/** A file of text. */
export function file(path: string, mode: number, text: string): CpioEntry {
  return { kind: "file", path, mode, content: utf8(text) };
}

export function symlink(path: string, target: string): CpioEntry {
  return { kind: "symlink", path, target };
}

const MAGIC = "070701";
const HEADER_LENGTH = 110;
const ALIGNMENT = 4;
const TRAILER = "TRAILER!!!";

const TYPE_DIRECTORY = 0o040000;
const TYPE_CHARACTER_DEVICE = 0o020000;
const TYPE_FILE = 0o100000;
const TYPE_SYMLINK = 0o120000;

/** One header's numbers and bytes: what the archive says of an entry. */
interface Record {
  readonly path: string;
  readonly mode: number;
  readonly linkCount: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly content: Uint8Array;
}

const NO_CONTENT = new Uint8Array();

/**
 * The archive of `entries`, in their order: a directory must stand before what is in it. Owners are root, times are 0
 * and inode numbers count from 1, so equal entries give equal bytes.
 */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const records = [...entries.map(toRecord), trailer()];
  const paths = records.map((record) => utf8(`${record.path}\0`));
  let byteLength = 0;
  records.forEach((record, index) => {
    byteLength = contentOffset(byteLength, paths[index]!) + padded(record.content.length);
  });

  const archive = new Uint8Array(byteLength);
  let offset = 0;
  records.forEach((record, index) => {
    const path = paths[index]!;
    archive.set(utf8(header(record, path.length, index + 1)), offset);
    archive.set(path, offset + HEADER_LENGTH);
    offset = contentOffset(offset, path);
    archive.set(record.content, offset);
    offset += padded(record.content.length);
  });
  return archive;
}

function toRecord(entry: CpioEntry): Record {
  const common = { path: entry.path, linkCount: 1, deviceMajor: 0, deviceMinor: 0, content: NO_CONTENT };
  switch (entry.kind) {
    case "directory":
      return { ...common, mode: TYPE_DIRECTORY | entry.mode, linkCount: 2 };
    case "file":
      return { ...common, mode: TYPE_FILE | entry.mode, content: entry.content };
    case "symlink":
      return { ...common, mode: TYPE_SYMLINK | 0o777, content: utf8(entry.target) };
    case "character-device":
      return {
        ...common,
        mode: TYPE_CHARACTER_DEVICE | entry.mode,
        deviceMajor: entry.major,
        deviceMinor: entry.minor,
      };
  }
}

function trailer(): Record {
  return { path: TRAILER, mode: 0, linkCount: 1, deviceMajor: 0, deviceMinor: 0, content: NO_CONTENT };
}

function header(record: Record, pathByteLength: number, inode: number): string {
  const fields = [
    inode,
    record.mode,
    0, // owner
    0, // group
    record.linkCount,
    0, // time of last change, seconds since 1970
    record.content.length,
    0, // major and minor number of the device that holds the file: only hard links need them
    0,
    record.deviceMajor,
    record.deviceMinor,
    pathByteLength,
    0, // checksum: unused with this magic
  ];
  return MAGIC + fields.map((field) => field.toString(16).padStart(8, "0")).join("");
}

/** Where the content of an entry starts whose header stands at `offset`. */
function contentOffset(offset: number, path: Uint8Array): number {
  return padded(offset + HEADER_LENGTH + path.length);
}

function padded(byteLength: number): number {
  return Math.ceil(byteLength / ALIGNMENT) * ALIGNMENT;
}
