/**
 * Disks in VHDX images, fixed or dynamic, read-only: Microsoft, [MS-VHDX]. Numbers are little-endian.
 *
 *     0        "vhdxfile"
 *     64 KiB   header: "head", CRC-32C, sequence number u64; at 48 the GUID of its log; the same again at 128 KiB
 *     192 KiB  region table: "regi", CRC-32C, entries; at 16 each: GUID, place u64, length u32; again at 256 KiB
 *
 * The metadata region says how long disk and blocks are, the BAT where each block is.
 */
import { dataView } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";
import { type BlockBackend, SECTOR_BYTE_LENGTH } from "./block-backend.js";
import { type ByteStore, readOrZeroes } from "./byte-store.js";
import { ExtentDisk, type ExtentReader } from "./extent-disk.js";

const HEADER_OFFSETS = [64 << 10, 128 << 10];
const HEADER_BYTE_LENGTH = 4096;
const HEADER_SIGNATURE = 0x6461_6568;
const HEADER_LOG_GUID = 48;
const REGION_TABLE_OFFSET = 192 << 10;
const REGION_TABLE_BYTE_LENGTH = 64 << 10;
const REGION_SIGNATURE = 0x6967_6572;
const REGIONS_MAX = 2047;
const METADATA_TABLE_BYTE_LENGTH = 64 << 10;
const METADATA_ITEMS_MAX = 2047;
const CHECKSUM = 4;

const BAT_REGION = "2dc27766-f623-4200-9d64-115e9bfd4a08";
const METADATA_REGION = "8b7ca206-4790-4b9a-b8fe-575f050f886e";
const FILE_PARAMETERS = "caa16737-fa36-4d43-b3b6-33f0aa44e76b";
const DISK_SIZE = "2fa54224-cd1b-4876-b211-5dbed83bf4b8";
const LOGICAL_SECTOR_SIZE = "8141bf1d-a96f-4709-ba47-f233a8faab5f";
const HAS_PARENT = 2;

const BLOCK_FULLY_PRESENT = 6;
const BLOCK_PARTIALLY_PRESENT = 7;
const BLOCK_BYTE_LENGTH_MIN = 1 << 20;
const BLOCK_BYTE_LENGTH_MAX = 256 << 20;
/** 64 TiB, the format's own limit. */
const DISK_BYTE_LENGTH_MAX = 2 ** 46;
const BAT_BYTE_LENGTH_MAX = 512 << 20;
const MIB = 1 << 20;

/** A part of the file. */
interface Region {
  readonly offset: number;
  readonly byteLength: number;
}

interface Geometry {
  readonly byteLength: number;
  readonly blockByteLength: number;
  readonly sectorByteLength: number;
}

/**
 * @param store closed with the disk
 * @throws VivariumError `disk/format` when it is no such image, or one whose log must be replayed first
 */
export async function openVhdx(store: ByteStore): Promise<BlockBackend> {
  await checkHeaders(store);
  const regions = await readRegions(store);
  const geometry = await readMetadata(store, requireRegion(regions, METADATA_REGION));
  return new ExtentDisk(new VhdxBlocks(store, geometry, requireRegion(regions, BAT_REGION)));
}

class VhdxBlocks implements ExtentReader {
  readonly byteLength: number;
  readonly #store: ByteStore;
  readonly #blockByteLength: number;
  /** Blocks before the BAT has an entry for the bitmap of their sectors. */
  readonly #chunkRatio: number;
  readonly #bat: Region;

  constructor(store: ByteStore, { byteLength, blockByteLength, sectorByteLength }: Geometry, bat: Region) {
    this.#store = store;
    this.byteLength = byteLength;
    this.#blockByteLength = blockByteLength;
    this.#chunkRatio = (2 ** 23 * sectorByteLength) / blockByteLength;
    this.#bat = bat;
    if (this.#entryOffset(Math.ceil(byteLength / blockByteLength) - 1) + 8 > bat.byteLength) {
      throw badFormat("has a block table that is too short");
    }
  }

  async readSome(offset: number, into: Uint8Array): Promise<number> {
    const within = offset % this.#blockByteLength;
    const part = into.subarray(0, Math.min(into.length, this.#blockByteLength - within));
    const bytes = new Uint8Array(8);
    const block = (offset - within) / this.#blockByteLength;
    await this.#store.read(this.#bat.offset + this.#entryOffset(block), bytes);
    const view = dataView(bytes);
    const state = view.getUint32(0, true) & 7;
    if (state === BLOCK_PARTIALLY_PRESENT) throw badFormat("has a block that is partly in a parent image");
    if (state !== BLOCK_FULLY_PRESENT) {
      part.fill(0);
      return part.length;
    }
    const place = view.getUint32(4, true) * 2 ** 32 + ((view.getUint32(0, true) & ~(MIB - 1)) >>> 0);
    await readOrZeroes(this.#store, place + within, part);
    return part.length;
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  #entryOffset(block: number): number {
    return 8 * (block + Math.floor(block / this.#chunkRatio));
  }
}

/** Of the headers that are whole, the one with the higher number counts. */
async function checkHeaders(store: ByteStore): Promise<void> {
  let newest: DataView | null = null;
  for (const offset of HEADER_OFFSETS) {
    const view = await readChecked(store, offset, HEADER_BYTE_LENGTH, HEADER_SIGNATURE);
    if (view !== null && (newest === null || sequence(view) > sequence(newest))) newest = view;
  }
  if (newest === null) throw badFormat("is no VHDX image");
  for (let at = HEADER_LOG_GUID; at < HEADER_LOG_GUID + 16; at++) {
    if (newest.getUint8(at) !== 0) {
      throw badFormat("was not closed: expected one whose log has been replayed, as qemu-img check -r all does");
    }
  }
}

function sequence(header: DataView): bigint {
  return header.getBigUint64(8, true);
}

async function readRegions(store: ByteStore): Promise<ReadonlyMap<string, Region>> {
  for (const offset of [REGION_TABLE_OFFSET, REGION_TABLE_OFFSET + REGION_TABLE_BYTE_LENGTH]) {
    const view = await readChecked(store, offset, REGION_TABLE_BYTE_LENGTH, REGION_SIGNATURE);
    if (view === null) continue;
    const count = Math.min(view.getUint32(8, true), REGIONS_MAX);
    const regions = new Map<string, Region>();
    for (let at = 16; at < 16 + 32 * count; at += 32) {
      regions.set(guid(view, at), { offset: u64(view, at + 16), byteLength: view.getUint32(at + 24, true) });
    }
    return regions;
  }
  throw badFormat("has no region table");
}

function requireRegion(regions: ReadonlyMap<string, Region>, id: string): Region {
  const region = regions.get(id);
  if (region === undefined) throw badFormat("lacks its metadata or its block table");
  if (region.byteLength > BAT_BYTE_LENGTH_MAX) throw badFormat("has a region of an impossible length");
  return region;
}

async function readMetadata(store: ByteStore, { offset, byteLength }: Region): Promise<Geometry> {
  if (byteLength < METADATA_TABLE_BYTE_LENGTH) throw badFormat("has no metadata");
  const table = new Uint8Array(METADATA_TABLE_BYTE_LENGTH);
  await store.read(offset, table);
  const view = dataView(table);
  const items = new Map<string, Region>();
  const count = Math.min(view.getUint16(10, true), METADATA_ITEMS_MAX);
  for (let at = 32; at < 32 + 32 * count; at += 32) {
    items.set(guid(view, at), { offset: view.getUint32(at + 16, true), byteLength: view.getUint32(at + 20, true) });
  }
  const item = async (id: string): Promise<DataView> => {
    const found = items.get(id);
    if (found === undefined || found.offset + 8 > byteLength) throw badFormat("lacks a part of its metadata");
    const bytes = new Uint8Array(8);
    await store.read(offset + found.offset, bytes);
    return dataView(bytes);
  };
  const parameters = await item(FILE_PARAMETERS);
  if ((parameters.getUint32(4, true) & HAS_PARENT) !== 0) {
    throw badFormat("lies over a parent image, which is not supported for VHDX");
  }
  const geometry = {
    byteLength: u64(await item(DISK_SIZE), 0),
    blockByteLength: parameters.getUint32(0, true),
    sectorByteLength: (await item(LOGICAL_SECTOR_SIZE)).getUint32(0, true),
  };
  checkGeometry(geometry);
  return geometry;
}

function checkGeometry({ byteLength, blockByteLength, sectorByteLength }: Geometry): void {
  const isDisk = byteLength > 0 && byteLength % SECTOR_BYTE_LENGTH === 0 && byteLength <= DISK_BYTE_LENGTH_MAX;
  if (!isDisk) throw badFormat(`has a disk of ${byteLength} bytes`);
  const isPowerOfTwo = (blockByteLength & (blockByteLength - 1)) === 0;
  if (!isPowerOfTwo || blockByteLength < BLOCK_BYTE_LENGTH_MIN || blockByteLength > BLOCK_BYTE_LENGTH_MAX) {
    throw badFormat(`has blocks of ${blockByteLength} bytes`);
  }
  if (sectorByteLength !== 512 && sectorByteLength !== 4096)
    throw badFormat(`has sectors of ${sectorByteLength} bytes`);
}

/** A structure with a signature and a checksum; null when it has not both right. */
async function readChecked(
  store: ByteStore,
  offset: number,
  byteLength: number,
  signature: number,
): Promise<DataView | null> {
  if (offset + byteLength > store.byteLength) return null;
  const bytes = new Uint8Array(byteLength);
  await store.read(offset, bytes);
  const view = dataView(bytes);
  const checksum = view.getUint32(CHECKSUM, true);
  view.setUint32(CHECKSUM, 0, true);
  return view.getUint32(0, true) === signature && crc32c(bytes) === checksum ? view : null;
}

function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) !== 0 ? 0x82f6_3b78 : 0);
  }
  return ~crc >>> 0;
}

/** As it is written: the first three parts are little-endian numbers. */
function guid(view: DataView, at: number): string {
  const order = [3, 2, 1, 0, -1, 5, 4, -1, 7, 6, -1, 8, 9, -1, 10, 11, 12, 13, 14, 15];
  return order
    .map((i) =>
      i < 0
        ? "-"
        : view
            .getUint8(at + i)
            .toString(16)
            .padStart(2, "0"),
    )
    .join("");
}

function u64(view: DataView, at: number): number {
  const value = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
  if (!Number.isSafeInteger(value)) throw badFormat("has a number that is too large");
  return value;
}

function badFormat(problem: string): VivariumError {
  return new VivariumError("disk/format", problem);
}
