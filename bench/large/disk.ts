import { open } from "node:fs/promises";
import { join } from "node:path";
import { DIRECTORY, type GuestSource } from "../guests/build.js";

/** One thing that is done with a disk: see guests/disk.c. */
interface DiskSubject {
  readonly name: string;
  readonly isWrite: boolean;
  readonly depth: number;
  readonly blockByteLength: number;
  readonly count: number;
  readonly isRandom: boolean;
}

const SEQUENTIAL = { depth: 4, blockByteLength: 1 << 20, count: 512, isRandom: false };
const RANDOM = { blockByteLength: 4096, isRandom: true };

const DISK_SUBJECTS: readonly DiskSubject[] = [
  { name: "disk-read", isWrite: false, ...SEQUENTIAL },
  { name: "disk-write", isWrite: true, ...SEQUENTIAL },
  { name: "disk-read-4k-1", isWrite: false, depth: 1, count: 5000, ...RANDOM },
  { name: "disk-read-4k-32", isWrite: false, depth: 32, count: 20_000, ...RANDOM },
  { name: "disk-write-4k-1", isWrite: true, depth: 1, count: 5000, ...RANDOM },
  { name: "disk-write-4k-32", isWrite: true, depth: 32, count: 20_000, ...RANDOM },
];

/** The names of what is done with disks, in their order. */
export const DISK_PROGRAMS: readonly string[] = DISK_SUBJECTS.map(({ name }) => name);

export const DISK_BYTE_LENGTH = 256 << 20;
const PAGE_BYTE_LENGTH = 4096;

/** The program of that name, or null when it is none of these. */
export function diskSource(name: string): GuestSource | null {
  const subject = DISK_SUBJECTS.find((each) => each.name === name);
  if (subject === undefined) return null;
  return {
    name,
    sources: [join(DIRECTORY, "disk.c"), join(DIRECTORY, "bench.c")],
    headers: [join(DIRECTORY, "bench.h")],
    includes: [],
    definitions: [
      `DISK_NAME="${name}"`,
      `DISK_WRITE=${Number(subject.isWrite)}`,
      `DISK_DEPTH=${subject.depth}`,
      `DISK_BLOCK=${subject.blockByteLength}`,
      `DISK_COUNT=${subject.count}`,
      `DISK_RANDOM=${Number(subject.isRandom)}`,
    ],
  };
}

/** Writes a raw disk on which each page begins with its number. */
export async function createNumberedDisk(file: string): Promise<void> {
  const handle = await open(file, "w");
  const piece = Buffer.alloc(1 << 20, 0xa5);
  for (let offset = 0; offset < DISK_BYTE_LENGTH; offset += piece.length) {
    for (let at = 0; at < piece.length; at += PAGE_BYTE_LENGTH) {
      piece.writeBigUInt64LE(BigInt((offset + at) / PAGE_BYTE_LENGTH), at);
    }
    await handle.write(piece, 0, piece.length, offset);
  }
  await handle.close();
}
