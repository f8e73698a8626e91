/** Writes the ar format in which Debian's packages are: deb(5). */

import { utf8 } from "../util/bytes.js";

const MAGIC = "!<arch>\n";
const HEADER_BYTE_LENGTH = 60;
const OWNER_ROOT = "0";

export interface ArMember {
  /** At most 16 characters. */
  readonly name: string;
  readonly content: Uint8Array;
}

/** The archive of `members`, in their order; times are 0 and owners are root, so equal members give equal bytes. */
export function writeAr(members: readonly ArMember[]): Uint8Array {
  const byteLength = members.reduce(
    (sum, { content }) => sum + HEADER_BYTE_LENGTH + even(content.length),
    MAGIC.length,
  );
  const archive = new Uint8Array(byteLength).fill(0x0a);
  archive.set(utf8(MAGIC));
  let offset = MAGIC.length;
  for (const { name, content } of members) {
    archive.set(utf8(header(name, content.length)), offset);
    archive.set(content, offset + HEADER_BYTE_LENGTH);
    offset += HEADER_BYTE_LENGTH + even(content.length);
  }
  return archive;
}

function header(name: string, byteLength: number): string {
  const fields = [
    name.padEnd(16),
    "0".padEnd(12),
    OWNER_ROOT.padEnd(6),
    OWNER_ROOT.padEnd(6),
    "100644".padEnd(8),
    String(byteLength).padEnd(10),
  ];
  return `${fields.join("")}\`\n`;
}

function even(byteLength: number): number {
  return byteLength + (byteLength % 2);
}
