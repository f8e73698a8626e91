/**
 * Requests to a block device, as the driver writes them. Virtio 1.2 section 5.2.6.
 *
 *     readable: type u32 | reserved u32 | sector u64 | data of OUT, DISCARD, WRITE_ZEROES
 *     writable: data of IN, GET_ID | status u8
 *     a range of DISCARD and WRITE_ZEROES: sector u64 | num_sectors u32 | flags u32 (bit 0: unmap)
 */
import { SECTOR_BYTE_LENGTH } from "../../storage/block-backend.js";
import { dataView } from "../../util/bytes.js";
import type { DescriptorChain } from "./descriptor-chain.js";

export const BLK_T_IN = 0;
export const BLK_T_OUT = 1;
export const BLK_T_FLUSH = 4;
export const BLK_T_GET_ID = 8;
export const BLK_T_DISCARD = 11;
export const BLK_T_WRITE_ZEROES = 13;

export const BLK_S_OK = 0;
export const BLK_S_IOERR = 1;
export const BLK_S_UNSUPP = 2;

export const BLK_HEADER_BYTE_LENGTH = 16;
export const BLK_ID_BYTE_LENGTH = 20;
export const BLK_RANGE_BYTE_LENGTH = 16;
/** Ranges in one DISCARD or WRITE_ZEROES. */
export const BLK_RANGES_MAX = 16;
/** Sectors in one range: 1 GiB. */
export const BLK_RANGE_SECTORS_MAX = 1 << 21;

const STATUS_BYTE_LENGTH = 1;
const RANGE_F_UNMAP = 1;

/** What the driver may ask of the disk. */
export interface DiskLimits {
  readonly byteLength: number;
  readonly readOnly: boolean;
}

/** A part of the disk, in bytes; it lies within the disk. */
export interface DiskRange {
  readonly offset: number;
  readonly byteLength: number;
}

/** A request that has been checked. */
export type BlkRequest =
  | ({ readonly kind: "read" } & DiskRange)
  | ({ readonly kind: "write" } & DiskRange)
  | { readonly kind: "flush" }
  | { readonly kind: "identify" }
  | { readonly kind: "discard"; readonly ranges: readonly DiskRange[] }
  | { readonly kind: "write-zeroes"; readonly ranges: readonly (DiskRange & { readonly unmap: boolean })[] }
  /** The driver gets `status` and nothing happens. */
  | { readonly kind: "refuse"; readonly status: number };

/** @returns null if the chain has no room for a header and a status, so that it cannot be answered */
export function parseBlkRequest(chain: DescriptorChain, disk: DiskLimits): BlkRequest | null {
  if (chain.readable.byteLength < BLK_HEADER_BYTE_LENGTH || chain.writable.byteLength < STATUS_BYTE_LENGTH) return null;
  const header = dataView(chain.readable.bytes(0, BLK_HEADER_BYTE_LENGTH));
  const sector = header.getBigUint64(8, true);
  switch (header.getUint32(0, true)) {
    case BLK_T_IN: {
      const range = diskRange(disk, sector, dataToDriver(chain));
      return range === null ? refuse(BLK_S_IOERR) : { kind: "read", ...range };
    }
    case BLK_T_OUT: {
      const range = diskRange(disk, sector, dataFromDriver(chain));
      return range === null || disk.readOnly ? refuse(BLK_S_IOERR) : { kind: "write", ...range };
    }
    case BLK_T_FLUSH:
      return { kind: "flush" };
    case BLK_T_GET_ID:
      return { kind: "identify" };
    case BLK_T_DISCARD:
      return parseRanges(chain, disk, "discard");
    case BLK_T_WRITE_ZEROES:
      return parseRanges(chain, disk, "write-zeroes");
    default:
      return refuse(BLK_S_UNSUPP);
  }
}

/** Bytes of data that the driver has room for. */
export function dataToDriver(chain: DescriptorChain): number {
  return chain.writable.byteLength - STATUS_BYTE_LENGTH;
}

/** Bytes of data that the driver sends. */
export function dataFromDriver(chain: DescriptorChain): number {
  return chain.readable.byteLength - BLK_HEADER_BYTE_LENGTH;
}

function parseRanges(chain: DescriptorChain, disk: DiskLimits, kind: "discard" | "write-zeroes"): BlkRequest {
  const count = dataFromDriver(chain) / BLK_RANGE_BYTE_LENGTH;
  if (!Number.isInteger(count) || count === 0 || count > BLK_RANGES_MAX || disk.readOnly) return refuse(BLK_S_IOERR);
  const data = dataView(chain.readable.bytes(BLK_HEADER_BYTE_LENGTH, dataFromDriver(chain)));
  const ranges: (DiskRange & { readonly unmap: boolean })[] = [];
  for (let start = 0; start < data.byteLength; start += BLK_RANGE_BYTE_LENGTH) {
    const sectorCount = data.getUint32(start + 8, true);
    const flags = data.getUint32(start + 12, true);
    // A discard has no unmap flag, and no other flag exists (section 5.2.6.2).
    if ((flags & (kind === "discard" ? ~0 : ~RANGE_F_UNMAP)) !== 0) return refuse(BLK_S_UNSUPP);
    const range = diskRange(disk, data.getBigUint64(start, true), sectorCount * SECTOR_BYTE_LENGTH);
    if (range === null || sectorCount > BLK_RANGE_SECTORS_MAX) return refuse(BLK_S_IOERR);
    ranges.push({ ...range, unmap: (flags & RANGE_F_UNMAP) !== 0 });
  }
  return { kind, ranges };
}

/** @returns null unless these are whole sectors of the disk */
function diskRange(disk: DiskLimits, sector: bigint, byteLength: number): DiskRange | null {
  const offset = sector * BigInt(SECTOR_BYTE_LENGTH);
  const fits = byteLength % SECTOR_BYTE_LENGTH === 0 && offset + BigInt(byteLength) <= BigInt(disk.byteLength);
  return fits ? { offset: Number(offset), byteLength } : null;
}

function refuse(status: number): BlkRequest {
  return { kind: "refuse", status };
}
