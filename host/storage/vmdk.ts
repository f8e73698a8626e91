/**
 * Disks in VMDK images, read-only: monolithic or split, sparse, stream-optimized or flat. VMware, "Virtual Disk
 * Format", version 5.0. Numbers are little-endian, places and lengths count sectors of 512 bytes.
 *
 * A sparse extent begins with a header:
 *
 * | offset | field                | offset | field                                                 |
 * |--------|----------------------|--------|-------------------------------------------------------|
 * | 0      | magic "KDMV"         | 36     | descriptor: length u64                                |
 * | 4      | version u32          | 44     | entries of a grain table u32                          |
 * | 8      | flags u32            | 48     | second grain directory: place u64                     |
 * | 12     | capacity u64         | 56     | grain directory: place u64                            |
 * | 20     | grain length u64     | 64     | overhead u64                                          |
 * | 28     | descriptor: place u64| 77     | compression u16: 1 is DEFLATE                         |
 *
 * The grain directory has the places of grain tables, which have the places of grains; 0 is a grain of zeros.
 */
import { dataView } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";
import { inflateZlib } from "../util/inflate.js";
import { type BlockBackend, SECTOR_BYTE_LENGTH } from "./block-backend.js";
import { type ByteStore, readOrZeroes } from "./byte-store.js";
import { ExtentDisk, type ExtentReader } from "./extent-disk.js";

const MAGIC = 0x564d_444b;
const HEADER_BYTE_LENGTH = 512;
const FLAG_ZERO_GRAIN = 1 << 2;
const FLAG_COMPRESSED = 1 << 16;
const COMPRESSION_DEFLATE = 1;
const GRAIN_IS_ZERO = 1;
const GD_AT_END = 0xffff_ffff_ffff_ffffn;
const FOOTER_FROM_END = 1024;

const DESCRIPTOR_BYTE_LENGTH_MAX = 1 << 20;
const EXTENTS_MAX = 4096;
const GRAIN_SECTORS_MAX = 4096;
const DIRECTORY_ENTRIES_MAX = 1 << 22;
const TABLE_ENTRIES_MAX = 4096;
/** Grain tables that are kept, and bytes of decompressed grains. */
const TABLES_KEPT = 256;
const GRAINS_KEPT_BYTE_LENGTH = 4 << 20;

/** Opens an extent's file by the name the descriptor gives it. */
export type OpenExtent = (file: string) => Promise<ByteStore>;

/**
 * @param store a descriptor, or a sparse extent with its descriptor in it; closed with the disk
 * @throws VivariumError `disk/format` when it is no such image
 */
export async function openVmdk(store: ByteStore, openExtent: OpenExtent): Promise<BlockBackend> {
  const head = new Uint8Array(Math.min(HEADER_BYTE_LENGTH, store.byteLength));
  await store.read(0, head);
  if (head.length === HEADER_BYTE_LENGTH && dataView(head).getUint32(0, true) === MAGIC) {
    const extent = await SparseExtent.open(store);
    if (extent.hasParent) throw badFormat("lies over a parent image, which is not supported for VMDK");
    return new ExtentDisk(extent);
  }
  if (store.byteLength > DESCRIPTOR_BYTE_LENGTH_MAX) throw badFormat("is no VMDK image");
  const text = new Uint8Array(store.byteLength);
  await store.read(0, text);
  const lines = parseDescriptor(ascii(text));
  const extents: ExtentReader[] = [];
  try {
    for (const line of lines) extents.push(await openExtentLine(line, openExtent));
  } catch (error) {
    await Promise.all(extents.map((extent) => extent.close()));
    throw error;
  }
  return new ExtentDisk(new ExtentList(extents, store));
}

/** A line of a descriptor: `RW 4192256 SPARSE "disk-s001.vmdk"`, or `... FLAT "disk-flat.vmdk" 0`. */
interface ExtentLine {
  readonly kind: "SPARSE" | "FLAT" | "ZERO";
  readonly byteLength: number;
  readonly file: string;
  /** Where the extent begins in its file. */
  readonly offset: number;
}

function parseDescriptor(text: string): readonly ExtentLine[] {
  const parent = /^parentCID\s*=\s*([0-9a-f]+)/im.exec(text)?.[1] ?? "ffffffff";
  if (!/^f+$/i.test(parent)) throw badFormat("lies over a parent image, which is not supported for VMDK");
  const lines = [...text.matchAll(/^(RW|RDONLY|NOACCESS)\s+(\d+)\s+(\w+)(?:\s+"([^"]*)")?(?:\s+(\d+))?\s*$/gm)];
  if (lines.length === 0 || lines.length > EXTENTS_MAX) throw badFormat(`has ${lines.length} extents`);
  return lines.map(([, , sectors, type, file = "", offset = "0"]) => {
    const kind = type === "VMFS" ? "FLAT" : type;
    if (kind !== "SPARSE" && kind !== "FLAT" && kind !== "ZERO") {
      throw badFormat(`has an extent of type ${type}; expected SPARSE, FLAT or ZERO`);
    }
    return { kind, byteLength: sectorsToBytes(Number(sectors)), file, offset: sectorsToBytes(Number(offset)) };
  });
}

async function openExtentLine(line: ExtentLine, openExtent: OpenExtent): Promise<ExtentReader> {
  if (line.kind === "ZERO") return new FlatExtent(null, line);
  const store = await openExtent(line.file);
  try {
    return line.kind === "FLAT" ? new FlatExtent(store, line) : await SparseExtent.open(store, line.byteLength);
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Extents one after the other. */
class ExtentList implements ExtentReader {
  readonly byteLength: number;
  readonly #extents: readonly ExtentReader[];
  readonly #descriptor: ByteStore;

  constructor(extents: readonly ExtentReader[], descriptor: ByteStore) {
    this.#extents = extents;
    this.#descriptor = descriptor;
    this.byteLength = extents.reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (!Number.isSafeInteger(this.byteLength) || this.byteLength === 0) throw badFormat("has an impossible length");
  }

  async readSome(offset: number, into: Uint8Array): Promise<number> {
    let start = 0;
    for (const extent of this.#extents) {
      if (offset < start + extent.byteLength) {
        const within = offset - start;
        return extent.readSome(within, into.subarray(0, Math.min(into.length, extent.byteLength - within)));
      }
      start += extent.byteLength;
    }
    throw new Error("a read beyond the disk's extents");
  }

  async close(): Promise<void> {
    await Promise.all([this.#descriptor.close(), ...this.#extents.map((extent) => extent.close())]);
  }
}

/** An extent whose bytes stand as they are. */
class FlatExtent implements ExtentReader {
  readonly byteLength: number;
  readonly #offset: number;
  readonly #store: ByteStore | null;

  /** @param store null for zeros */
  constructor(store: ByteStore | null, { byteLength, offset }: ExtentLine) {
    if (store !== null && offset + byteLength > store.byteLength) throw badFormat("is shorter than its extent");
    this.#store = store;
    this.byteLength = byteLength;
    this.#offset = offset;
  }

  async readSome(offset: number, into: Uint8Array): Promise<number> {
    if (this.#store === null) into.fill(0);
    else await this.#store.read(this.#offset + offset, into);
    return into.length;
  }

  async close(): Promise<void> {
    await this.#store?.close();
  }
}

interface SparseHeader {
  readonly byteLength: number;
  readonly grainByteLength: number;
  readonly entriesPerTable: number;
  readonly hasZeroGrains: boolean;
  readonly isCompressed: boolean;
  readonly hasParent: boolean;
}

/** An extent in grains. */
class SparseExtent implements ExtentReader {
  readonly #store: ByteStore;
  readonly #header: SparseHeader;
  readonly #directory: DataView;
  readonly #tables = new Map<number, Promise<DataView>>();
  readonly #grains = new Map<number, Promise<Uint8Array>>();

  private constructor(store: ByteStore, header: SparseHeader, directory: DataView) {
    this.#store = store;
    this.#header = header;
    this.#directory = directory;
  }

  static async open(store: ByteStore, byteLength?: number): Promise<SparseExtent> {
    let head = await readHead(store, 0);
    // A stream is written from front to end: its directory stands behind it, and a footer with its place.
    if (dataView(head).getBigUint64(56, true) === GD_AT_END) {
      head = await readHead(store, store.byteLength - FOOTER_FROM_END);
    }
    const view = dataView(head);
    const flags = view.getUint32(8, true);
    const grainSectors = u64(view, 20);
    const entriesPerTable = view.getUint32(44, true);
    const isPowerOfTwo = grainSectors > 0 && (grainSectors & (grainSectors - 1)) === 0;
    if (!isPowerOfTwo || grainSectors > GRAIN_SECTORS_MAX) throw badFormat(`has grains of ${grainSectors} sectors`);
    if (entriesPerTable === 0 || entriesPerTable > TABLE_ENTRIES_MAX) throw badFormat("has grain tables of no length");
    const header = {
      byteLength: byteLength ?? sectorsToBytes(u64(view, 12)),
      grainByteLength: grainSectors * SECTOR_BYTE_LENGTH,
      entriesPerTable,
      hasZeroGrains: (flags & FLAG_ZERO_GRAIN) !== 0,
      isCompressed: (flags & FLAG_COMPRESSED) !== 0,
      hasParent: await namesParent(store, view),
    };
    if (header.byteLength === 0) throw badFormat("has a disk of no length");
    if (header.isCompressed && view.getUint16(77, true) !== COMPRESSION_DEFLATE) {
      throw badFormat("is compressed in an unknown way");
    }
    const entryCount = Math.ceil(header.byteLength / (header.grainByteLength * entriesPerTable));
    if (entryCount > DIRECTORY_ENTRIES_MAX) throw badFormat("has too many grain tables");
    const directory = new Uint8Array(4 * entryCount);
    await store.read(sectorsToBytes(u64(view, 56)), directory);
    return new SparseExtent(store, header, dataView(directory));
  }

  get byteLength(): number {
    return this.#header.byteLength;
  }

  get hasParent(): boolean {
    return this.#header.hasParent;
  }

  async readSome(offset: number, into: Uint8Array): Promise<number> {
    const { grainByteLength, isCompressed } = this.#header;
    const within = offset % grainByteLength;
    const part = into.subarray(0, Math.min(into.length, grainByteLength - within));
    const place = await this.#grainAt((offset - within) / grainByteLength);
    if (place === 0) part.fill(0);
    else if (isCompressed) part.set((await this.#decompressed(place)).subarray(within, within + part.length));
    else await readOrZeroes(this.#store, place + within, part);
    return part.length;
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  /** Where the grain begins in the file; 0 for one of zeros. */
  async #grainAt(grain: number): Promise<number> {
    const { entriesPerTable, hasZeroGrains } = this.#header;
    const table = this.#directory.getUint32(4 * Math.floor(grain / entriesPerTable), true);
    if (table === 0) return 0;
    const entries = await kept(this.#tables, TABLES_KEPT, table, async () => {
      const bytes = new Uint8Array(4 * entriesPerTable);
      await this.#store.read(sectorsToBytes(table), bytes);
      return dataView(bytes);
    });
    const entry = entries.getUint32(4 * (grain % entriesPerTable), true);
    return hasZeroGrains && entry === GRAIN_IS_ZERO ? 0 : sectorsToBytes(entry);
  }

  /** Before a compressed grain stand its number u64 and its length u32. */
  #decompressed(place: number): Promise<Uint8Array> {
    const { grainByteLength } = this.#header;
    return kept(this.#grains, Math.ceil(GRAINS_KEPT_BYTE_LENGTH / grainByteLength), place, async () => {
      const marker = new Uint8Array(12);
      await this.#store.read(place, marker);
      const byteLength = dataView(marker).getUint32(8, true);
      if (byteLength > 2 * grainByteLength + 1024) throw badFormat(`has a compressed grain of ${byteLength} bytes`);
      const compressed = new Uint8Array(byteLength);
      await this.#store.read(place + marker.length, compressed);
      const grain = new Uint8Array(grainByteLength);
      inflateZlib(compressed, grain);
      return grain;
    });
  }
}

async function readHead(store: ByteStore, offset: number): Promise<Uint8Array> {
  const head = new Uint8Array(HEADER_BYTE_LENGTH);
  if (offset < 0 || offset + head.length > store.byteLength) throw badFormat("ends before its footer does");
  await store.read(offset, head);
  if (dataView(head).getUint32(0, true) !== MAGIC) throw badFormat("has no header where it should be");
  return head;
}

/** Whether the descriptor in a sparse extent says that grains which are not there are in another image. */
async function namesParent(store: ByteStore, view: DataView): Promise<boolean> {
  const byteLength = sectorsToBytes(u64(view, 36));
  if (byteLength === 0) return false;
  if (byteLength > DESCRIPTOR_BYTE_LENGTH_MAX) throw badFormat("has a descriptor of an impossible length");
  const text = new Uint8Array(byteLength);
  await store.read(sectorsToBytes(u64(view, 28)), text);
  const parent = /^parentCID\s*=\s*([0-9a-f]+)/im.exec(ascii(text))?.[1] ?? "ffffffff";
  return !/^f+$/i.test(parent);
}

/** What `make` makes for this key, once; the oldest are forgotten. */
function kept<T>(cache: Map<number, Promise<T>>, max: number, key: number, make: () => Promise<T>): Promise<T> {
  const value = cache.get(key) ?? make();
  cache.delete(key);
  cache.set(key, value);
  value.catch(() => cache.delete(key));
  for (const oldest of cache.keys()) {
    if (cache.size <= max) break;
    cache.delete(oldest);
  }
  return value;
}

function sectorsToBytes(sectors: number): number {
  const byteLength = sectors * SECTOR_BYTE_LENGTH;
  if (!Number.isSafeInteger(byteLength)) throw badFormat("has a number that is too large");
  return byteLength;
}

function u64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

function ascii(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function badFormat(problem: string): VivariumError {
  return new VivariumError("disk/format", problem);
}
