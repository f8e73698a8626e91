/**
 * Reads a newc cpio archive: written for the tests from the format's description in Linux,
 * Documentation/driver-api/early-userspace/buffer-format.rst, apart from the writer.
 */

export interface ReadEntry {
  readonly path: string;
  readonly inode: number;
  readonly mode: number;
  readonly linkCount: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly content: Uint8Array;
}

export function readCpio(archive: Uint8Array): ReadEntry[] {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  const entries: ReadEntry[] = [];
  let offset = 0;
  for (;;) {
    const header = bytes.toString("latin1", offset, offset + 110);
    if (!/^070701[0-9A-Fa-f]{104}$/.test(header)) throw new Error(`no header at ${offset}: ${header}`);
    const field = (index: number): number => Number.parseInt(header.slice(6 + 8 * index, 14 + 8 * index), 16);
    const [pathByteLength, contentByteLength] = [field(11), field(6)];
    const path = bytes.toString("utf8", offset + 110, offset + 110 + pathByteLength);
    if (path.indexOf("\0") !== path.length - 1) throw new Error(`path at ${offset} does not end with its NUL`);
    const contentOffset = align(offset + 110 + pathByteLength);
    const content = bytes.subarray(contentOffset, contentOffset + contentByteLength);
    if (content.length !== contentByteLength) throw new Error(`content at ${contentOffset} is cut off`);
    offset = align(contentOffset + contentByteLength);
    if (path === "TRAILER!!!\0") break;
    entries.push({
      path: path.slice(0, -1),
      inode: field(0),
      mode: field(1),
      linkCount: field(4),
      deviceMajor: field(9),
      deviceMinor: field(10),
      content,
    });
  }
  if (offset !== bytes.length) throw new Error(`${bytes.length - offset} bytes after the trailer`);
  return entries;
}

function align(offset: number): number {
  return offset + ((4 - (offset % 4)) % 4);
}
