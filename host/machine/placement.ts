import { VivariumError } from "../util/errors.js";
import { type ElfImage, type ElfSegment, isElf, parseElf } from "./elf.js";

/** Guest RAM as an extent of physical addresses. */
export interface RamExtent {
  readonly start: number;
  readonly end: number;
}

/** Bytes that go to a physical address. */
export interface Load {
  readonly paddr: number;
  readonly contents: Uint8Array;
}

/** A program with its place in memory. */
export interface Placement {
  readonly what: string;
  readonly loads: readonly Load[];
  /** Physical addresses [start, end), uninitialized data included. */
  readonly start: number;
  readonly end: number;
  readonly entry: number;
  /** What a symbol's value lacks to its physical address, if the program was moved. */
  readonly displacement: bigint;
}

/** Lowest virtual address of the upper half, where kernels are linked. */
const UPPER_HALF = 1n << 63n;

/**
 * Places an ELF file where it asks to be, and anything else as it is at `rawBase`.
 *
 * @param what names the program in error messages: "firmware"
 * @throws VivariumError when the file is broken or its place is not in RAM
 */
export function placeProgram(bytes: Uint8Array, what: string, ram: RamExtent, rawBase: number): Placement {
  if (isElf(bytes)) return placeElf(parseElf(bytes, what), what, ram, rawBase);
  return placeRaw(bytes, what, ram, rawBase, bytes.length);
}

/** Places `bytes` at `base`, with zeros up to `memoryByteLength`. */
export function placeRaw(
  bytes: Uint8Array,
  what: string,
  ram: RamExtent,
  base: number,
  memoryByteLength: number,
): Placement {
  if (bytes.length === 0) throw new VivariumError("boot/empty", `${what}: the file is empty`, { what });
  const end = base + memoryByteLength;
  if (base < ram.start || end > ram.end) throw doesNotFit(what, memoryByteLength, base, ram);
  return { what, loads: [{ paddr: base, contents: bytes }], start: base, end, entry: base, displacement: 0n };
}

/**
 * Places a program's segments at their physical addresses. A program that gives no usable ones is moved as a whole to
 * `movedBase` if it runs there: a kernel that is linked in the upper half (Linux's vmlinux), and one that is position
 * independent (OpenSBI's ELF files).
 */
export function placeElf(elf: ElfImage, what: string, ram: RamExtent, movedBase: number): Placement {
  const lowest = lowestVaddr(elf.segments);
  const fits = (each: ElfSegment): boolean => isInside(each.paddr, each.memoryByteLength, ram);
  const isMovable = lowest >= UPPER_HALF || elf.isPositionIndependent;
  const isMoved = isMovable && !elf.segments.every(fits);
  const displacement = isMoved ? BigInt(movedBase) - lowest : 0n;
  const paddrOf = (each: ElfSegment): bigint => (isMoved ? each.vaddr + displacement : each.paddr);

  const extents = elf.segments.map((segment) => {
    const paddr = paddrOf(segment);
    if (!isInside(paddr, segment.memoryByteLength, ram)) throw outsideMemory(what, paddr, segment, ram);
    const start = Number(paddr);
    return { start, end: start + segment.memoryByteLength, contents: segment.contents };
  });
  extents.sort((a, b) => a.start - b.start);
  refuseSharedBytes(extents, what);
  return {
    what,
    loads: extents.map(({ start, contents }) => ({ paddr: start, contents })),
    start: extents[0]!.start,
    end: extents.reduce((end, extent) => Math.max(end, extent.end), ram.start),
    entry: entryPaddr(elf, what, paddrOf),
    displacement,
  };
}

/**
 * Refuses segments that have different bytes for one address. A segment's zeroed end may lie under the next one's bytes:
 * linkers make such files of scripts that place .data and .bss apart, and QEMU takes them.
 *
 * @param extents ordered by their start
 */
function refuseSharedBytes(extents: readonly { start: number; contents: Uint8Array }[], what: string): void {
  let filledTo = 0;
  for (const { start, contents } of extents) {
    if (contents.length === 0) continue;
    if (start < filledTo) {
      throw new VivariumError("elf/malformed", `${what}: broken ELF: two segments overlap at ${hex(start)}`, { what });
    }
    filledTo = start + contents.length;
  }
}

function lowestVaddr(segments: readonly ElfSegment[]): bigint {
  let lowest = segments[0]!.vaddr;
  for (const { vaddr } of segments) if (vaddr < lowest) lowest = vaddr;
  return lowest;
}

function entryPaddr(elf: ElfImage, what: string, paddrOf: (segment: ElfSegment) => bigint): number {
  for (const segment of elf.segments) {
    const offset = elf.entry - segment.vaddr;
    if (offset >= 0n && offset < BigInt(segment.memoryByteLength)) return Number(paddrOf(segment) + offset);
  }
  throw new VivariumError("elf/malformed", `${what}: broken ELF: its entry ${hex(elf.entry)} is in no segment`, {
    what,
  });
}

function isInside(paddr: bigint, byteLength: number, ram: RamExtent): boolean {
  return paddr >= BigInt(ram.start) && paddr + BigInt(byteLength) <= BigInt(ram.end);
}

function outsideMemory(what: string, paddr: bigint, segment: ElfSegment, ram: RamExtent): VivariumError {
  const last = paddr + BigInt(segment.memoryByteLength) - 1n;
  return new VivariumError(
    "boot/outside-memory",
    `${what}: segment ${hex(paddr)}..${hex(last)} is outside memory, ${hex(ram.start)}..${hex(ram.end - 1)}`,
    { what },
  );
}

/** The error for `byteLength` bytes at `base` that RAM does not hold. */
export function doesNotFit(what: string, byteLength: number, base: number, ram: RamExtent): VivariumError {
  const room = Math.max(0, ram.end - base);
  return new VivariumError(
    "boot/too-large",
    `${what}: needs ${mebibytes(byteLength)} at ${hex(base)}, but memory of ${mebibytes(ram.end - ram.start)} ` +
      `has ${mebibytes(room)} there`,
    { what, byteLength, base },
  );
}

/** A length for a message: `34.2 MiB`, or `12 bytes` when it is small. */
export function mebibytes(byteLength: number): string {
  const unit = 1024 * 1024;
  if (byteLength < unit / 10) return `${byteLength} bytes`;
  return `${(byteLength / unit).toFixed(byteLength % unit === 0 ? 0 : 1)} MiB`;
}

/** An address for a message. */
export function hex(address: number | bigint): string {
  return `0x${address.toString(16)}`;
}

export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

export function alignDown(value: number, alignment: number): number {
  return Math.floor(value / alignment) * alignment;
}
