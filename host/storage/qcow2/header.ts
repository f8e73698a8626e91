/**
 * The header of a qcow2 image, versions 2 and 3: QEMU, docs/interop/qcow2.txt. All numbers are big-endian.
 *
 * | offset | field                        | offset | field (version 3)            |
 * |--------|------------------------------|--------|------------------------------|
 * | 0      | magic "QFI\xfb"              | 72     | incompatible features u64    |
 * | 4      | version u32                  | 80     | compatible features u64      |
 * | 8      | backing file name: offset u64| 88     | autoclear features u64       |
 * | 16     | backing file name: length u32| 96     | refcount order u32           |
 * | 20     | cluster bits u32             | 100    | header length u32            |
 * | 24     | disk size u64                | 104    | compression type u8          |
 * | 32     | encryption method u32        |        |                              |
 * | 36     | L1 table: entries u32        |        | then header extensions:      |
 * | 40     | L1 table: offset u64         |        | type u32, length u32, data   |
 * | 48     | refcount table: offset u64   |        | padded to 8 bytes            |
 * | 56     | refcount table: clusters u32 |        |                              |
 * | 60     | snapshots u32                |        |                              |
 * | 64     | snapshot table: offset u64   |        |                              |
 *
 * An image may come from anywhere: every number is checked before it is used.
 */
import { dataView } from "../../util/bytes.js";
import { VivariumError } from "../../util/errors.js";
import { SECTOR_BYTE_LENGTH } from "../block-backend.js";
import type { ByteStore } from "../byte-store.js";

export const QCOW2_MAGIC = 0x5146_49fb;

export const HEADER_L1_OFFSET = 40;
export const HEADER_REFCOUNT_TABLE = 48;
export const HEADER_INCOMPATIBLE = 72;
export const HEADER_AUTOCLEAR = 88;
const HEADER_V2_BYTE_LENGTH = 72;
const HEADER_V3_BYTE_LENGTH = 104;

const INCOMPATIBLE_DIRTY = 1;
const INCOMPATIBLE_CORRUPT = 2;
const INCOMPATIBLE_COMPRESSION = 8;
const INCOMPATIBLE_NAMES = ["dirty", "corrupt", "an external data file", "a compression type", "extended L2 entries"];

const EXTENSION_END = 0;
const EXTENSION_BACKING_FORMAT = 0xe279_2aca;

const CLUSTER_BITS_MIN = 9;
const CLUSTER_BITS_MAX = 21;
const REFCOUNT_ORDER_MAX = 6;
/** QEMU's limits: 32 MiB of L1 table, 8 MiB of refcount table, 65,536 snapshots. */
const L1_ENTRIES_MAX = 1 << 22;
const REFCOUNT_TABLE_BYTE_LENGTH_MAX = 8 << 20;
const SNAPSHOTS_MAX = 1 << 16;
const BACKING_NAME_MAX = 1023;
const BACKING_FORMAT_MAX = 64;
const HEADER_BYTE_LENGTH_MAX = 1 << 16;

export type Compression = "deflate" | "zstd";

export interface Qcow2Header {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  readonly clusterByteLength: number;
  /** The disk's length. */
  readonly byteLength: number;
  readonly l1: Table;
  readonly refcountTable: Table;
  /** Bits of a reference count, as a power of two. */
  readonly refcountOrder: number;
  readonly snapshots: Table;
  readonly compression: Compression;
  /** The reference counts may be wrong: whoever wrote last did not close the image. */
  readonly isDirty: boolean;
  /** Somebody has found it broken: it may be read, not written. */
  readonly isCorrupt: boolean;
  /** Features that a writer who does not know them must switch off. */
  readonly hasAutoclear: boolean;
  readonly backing: BackingReference | null;
}

/** A table in the image. */
export interface Table {
  readonly offset: number;
  readonly entryCount: number;
}

/** The image that an overlay lies over, as its header names it. */
export interface BackingReference {
  readonly file: string;
  /** Null when the image does not say. */
  readonly format: string | null;
}

/** @throws VivariumError `disk/format` when it is no image that can be opened */
export async function readQcow2Header(store: ByteStore): Promise<Qcow2Header> {
  const bytes = new Uint8Array(Math.min(HEADER_BYTE_LENGTH_MAX, store.byteLength));
  await store.read(0, bytes);
  if (bytes.length < HEADER_V2_BYTE_LENGTH || dataView(bytes).getUint32(0) !== QCOW2_MAGIC) {
    throw badFormat("is no qcow2 image");
  }
  const view = dataView(bytes);
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3) throw badFormat(`is qcow2 version ${version}; expected 2 or 3`);
  if (version === 3 && bytes.length < HEADER_V3_BYTE_LENGTH) throw badFormat("ends within its header");
  if (view.getUint32(32) !== 0) throw badFormat("is encrypted, which is not supported");
  const features = readFeatures(view, version);
  const clusterBits = inRange(view.getUint32(20), CLUSTER_BITS_MIN, CLUSTER_BITS_MAX, "cluster bits");
  const clusterByteLength = 2 ** clusterBits;
  const byteLength = readU64(view, 24);
  const refcountTableEntries = view.getUint32(56) * (clusterByteLength / 8);
  // Header, extensions and backing file name are in the first cluster, which the guest never gets to write.
  const own = bytes.subarray(0, clusterByteLength);
  if (features.headerByteLength > own.length) throw badFormat("has a header longer than a cluster");
  const header = {
    version: version as 2 | 3,
    clusterBits,
    clusterByteLength,
    byteLength,
    l1: readTable(view, 40, view.getUint32(36), clusterByteLength, "L1 table"),
    refcountTable: readTable(view, 48, refcountTableEntries, clusterByteLength, "refcount table"),
    snapshots: readTable(view, 64, view.getUint32(60), 8, "snapshot table"),
    ...features,
    backing: readBacking(own, features.headerByteLength),
  };
  checkSizes(header);
  return header;
}

function readFeatures(view: DataView, version: number) {
  if (version === 2) {
    const headerByteLength = HEADER_V2_BYTE_LENGTH;
    const compression: Compression = "deflate";
    return { refcountOrder: 4, headerByteLength, compression, isDirty: false, isCorrupt: false, hasAutoclear: false };
  }
  const known = INCOMPATIBLE_DIRTY | INCOMPATIBLE_CORRUPT | INCOMPATIBLE_COMPRESSION;
  const incompatible = view.getUint32(HEADER_INCOMPATIBLE + 4);
  const unknown = incompatible & ~known;
  if (unknown !== 0 || view.getUint32(HEADER_INCOMPATIBLE) !== 0) {
    const what = INCOMPATIBLE_NAMES[31 - Math.clz32(unknown & -unknown)] ?? "features from a later time";
    throw badFormat(`uses ${what}, which is not supported`);
  }
  const headerByteLength = inRange(view.getUint32(100), HEADER_V3_BYTE_LENGTH, view.byteLength, "header length");
  const compressionType = headerByteLength > 104 ? view.getUint8(104) : 0;
  const isZstd = (incompatible & INCOMPATIBLE_COMPRESSION) !== 0;
  if (compressionType !== Number(isZstd)) throw badFormat(`has compression type ${compressionType}; expected 0 or 1`);
  return {
    refcountOrder: inRange(view.getUint32(96), 0, REFCOUNT_ORDER_MAX, "refcount order"),
    headerByteLength,
    compression: (isZstd ? "zstd" : "deflate") as Compression,
    isDirty: (incompatible & INCOMPATIBLE_DIRTY) !== 0,
    isCorrupt: (incompatible & INCOMPATIBLE_CORRUPT) !== 0,
    hasAutoclear: readU64(view, HEADER_AUTOCLEAR) !== 0,
  };
}

function readTable(view: DataView, at: number, entryCount: number, alignment: number, what: string): Table {
  const offset = readU64(view, at);
  if (entryCount > 0 && (offset % alignment !== 0 || offset === 0)) throw badFormat(`has its ${what} at ${offset}`);
  return { offset, entryCount };
}

function checkSizes(header: Qcow2Header): void {
  const { byteLength, clusterByteLength, l1, refcountTable, snapshots } = header;
  if (byteLength === 0 || byteLength % SECTOR_BYTE_LENGTH !== 0) {
    throw badFormat(`has a disk of ${byteLength} bytes; expected a multiple of ${SECTOR_BYTE_LENGTH}`);
  }
  const needed = l1EntriesFor(byteLength, clusterByteLength);
  if (needed > L1_ENTRIES_MAX || l1.entryCount > L1_ENTRIES_MAX) throw badFormat("has a larger L1 table than 32 MiB");
  if (l1.entryCount < needed) throw badFormat(`has ${l1.entryCount} L1 entries, and needs ${needed}`);
  if (refcountTable.entryCount * 8 > REFCOUNT_TABLE_BYTE_LENGTH_MAX || refcountTable.entryCount === 0) {
    throw badFormat("has a refcount table of an impossible size");
  }
  if (snapshots.entryCount > SNAPSHOTS_MAX) throw badFormat(`has ${snapshots.entryCount} snapshots`);
}

/** Entries of the L1 table that a disk of this length takes. */
export function l1EntriesFor(byteLength: number, clusterByteLength: number): number {
  return Math.ceil(byteLength / (clusterByteLength * (clusterByteLength / 8)));
}

function readBacking(bytes: Uint8Array, headerByteLength: number): BackingReference | null {
  const view = dataView(bytes);
  const offset = readU64(view, 8);
  const byteLength = view.getUint32(16);
  if (offset === 0) return null;
  if (byteLength === 0 || byteLength > BACKING_NAME_MAX || offset + byteLength > bytes.length) {
    throw badFormat("has a backing file name of an impossible length");
  }
  const file = decodeText(bytes.subarray(offset, offset + byteLength));
  return { file, format: findExtension(bytes, headerByteLength, offset, EXTENSION_BACKING_FORMAT) };
}

/** The text of the header extension of this type; extensions end before the backing file's name. */
function findExtension(bytes: Uint8Array, start: number, end: number, wanted: number): string | null {
  const view = dataView(bytes);
  for (let at = start; at + 8 <= end; ) {
    const type = view.getUint32(at);
    const byteLength = view.getUint32(at + 4);
    if (type === EXTENSION_END) return null;
    if (byteLength > end - at - 8) throw badFormat("has a header extension of an impossible length");
    if (type === wanted && byteLength <= BACKING_FORMAT_MAX) {
      return decodeText(bytes.subarray(at + 8, at + 8 + byteLength));
    }
    at += 8 + Math.ceil(byteLength / 8) * 8;
  }
  return null;
}

/** An unsigned 64-bit number as far as a number can hold it. @throws VivariumError `disk/format` beyond that */
export function readU64(view: DataView, at: number): number {
  const value = view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
  if (value > Number.MAX_SAFE_INTEGER) throw badFormat("has a number that is too large");
  return value;
}

/** Text in UTF-8. */
function decodeText(bytes: Uint8Array): string {
  try {
    return decodeURIComponent(Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""));
  } catch {
    throw badFormat("names its backing file in something else than UTF-8");
  }
}

function inRange(value: number, least: number, most: number, what: string): number {
  if (value < least || value > most) throw badFormat(`has ${what} of ${value}; expected ${least} to ${most}`);
  return value;
}

/** @param problem what the image is or has, as it stands after its name */
export function badFormat(problem: string): VivariumError {
  return new VivariumError("disk/format", problem);
}
