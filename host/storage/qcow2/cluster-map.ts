/** Where the clusters of a disk are in its image: the two levels of tables, as numbers and meanings. */
import { badFormat, type Qcow2Header } from "./header.js";

const COPIED = 0x8000_0000;
const COMPRESSED = 0x4000_0000;
const ZERO = 1;
/** Bits 9 to 55 of an entry are an offset. */
const OFFSET_HIGH = 0x00ff_ffff;
const OFFSET_LOW = 0xffff_fe00;

/** What an entry of an L2 table says about its cluster. */
export type Mapping =
  /** The backing file's contents, or zeros without one. */
  | { readonly kind: "unallocated" }
  /** Zeros; `offset` is the cluster that is kept for it, or 0. */
  | { readonly kind: "zero"; readonly offset: number; readonly isOwn: boolean }
  /** Contents in a cluster; `isOwn` when nobody else uses it, so that it may be written in place. */
  | { readonly kind: "data"; readonly offset: number; readonly isOwn: boolean }
  /** Contents compressed into these bytes. */
  | { readonly kind: "compressed"; readonly offset: number; readonly byteLength: number };

/** An entry as its two halves. */
export interface Entry {
  readonly high: number;
  readonly low: number;
}

export const UNALLOCATED: Entry = { high: 0, low: 0 };
export const ZEROES: Entry = { high: 0, low: ZERO };

export function readEntry(view: DataView, index: number): Entry {
  return { high: view.getUint32(8 * index), low: view.getUint32(8 * index + 4) };
}

export function writeEntry(view: DataView, index: number, { high, low }: Entry): void {
  view.setUint32(8 * index, high);
  view.setUint32(8 * index + 4, low);
}

/** The entry of a table or cluster that nobody else uses. */
export function ownEntry(offset: number): Entry {
  return { high: (Math.floor(offset / 2 ** 32) | COPIED) >>> 0, low: offset % 2 ** 32 };
}

/** The same cluster, reading as zeros. */
export function zeroedEntry(offset: number): Entry {
  const { high, low } = ownEntry(offset);
  return { high, low: (low | ZERO) >>> 0 };
}

/** Offset of the L2 table that an L1 entry names, 0 for none. @throws VivariumError `disk/format` */
export function l2TableOf(
  { high, low }: Entry,
  header: Qcow2Header,
): { readonly offset: number; readonly isOwn: boolean } {
  return { offset: offsetOf(high, low, header), isOwn: (high & COPIED) !== 0 };
}

/** @throws VivariumError `disk/format` when the entry has no meaning */
export function mappingOf({ high, low }: Entry, header: Qcow2Header): Mapping {
  if ((high & COMPRESSED) !== 0) return compressedMapping(high, low, header.clusterBits);
  const offset = offsetOf(high, low, header);
  const isOwn = (high & COPIED) !== 0;
  if ((low & ZERO) !== 0 && header.version === 3) return { kind: "zero", offset, isOwn };
  return offset === 0 ? { kind: "unallocated" } : { kind: "data", offset, isOwn };
}

function offsetOf(high: number, low: number, header: Qcow2Header): number {
  const offset = (high & OFFSET_HIGH) * 2 ** 32 + ((low & OFFSET_LOW) >>> 0);
  if (offset > Number.MAX_SAFE_INTEGER || offset % header.clusterByteLength !== 0) {
    throw badFormat(`has a cluster at ${offset}`);
  }
  return offset;
}

/** Sectors beyond the first stand above the offset, from bit 62 - (cluster bits - 8) on. */
function compressedMapping(high: number, low: number, clusterBits: number): Mapping {
  const offsetBits = 62 - (clusterBits - 8);
  const highOffsetMask = 2 ** (offsetBits - 32) - 1;
  const offset = (high & highOffsetMask) * 2 ** 32 + low;
  const sectors = (high & 0x3fff_ffff) >>> (offsetBits - 32);
  if (offset > Number.MAX_SAFE_INTEGER) throw badFormat(`has a compressed cluster at ${offset}`);
  return { kind: "compressed", offset, byteLength: (sectors + 1) * 512 - (offset % 512) };
}
