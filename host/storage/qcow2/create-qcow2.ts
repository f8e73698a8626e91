import { dataView, utf8 } from "../../util/bytes.js";
import type { ByteStore } from "../byte-store.js";
import { l1EntriesFor, QCOW2_MAGIC } from "./header.js";

const CLUSTER_BITS = 16;
const CLUSTER_BYTE_LENGTH = 1 << CLUSTER_BITS;
const HEADER_BYTE_LENGTH = 104;
const REFCOUNT_ORDER = 4;
const EXTENSION_BACKING_FORMAT = 0xe279_2aca;

export interface CreateQcow2Options {
  /** The disk's length, a multiple of 512. */
  readonly byteLength: number;
  /** The image that lies below: its file as the header is to name it, and its format. */
  readonly backing?: { readonly file: string; readonly format: string };
}

/** Writes an empty qcow2 image, version 3, into an empty store: header, refcount table, one block of counts, L1 table. */
export async function createQcow2(store: ByteStore, { byteLength, backing }: CreateQcow2Options): Promise<void> {
  const l1EntryCount = l1EntriesFor(byteLength, CLUSTER_BYTE_LENGTH);
  const l1ClusterCount = Math.ceil((8 * l1EntryCount) / CLUSTER_BYTE_LENGTH);
  const image = new Uint8Array((3 + l1ClusterCount) * CLUSTER_BYTE_LENGTH);
  const view = dataView(image);
  view.setUint32(0, QCOW2_MAGIC);
  view.setUint32(4, 3);
  view.setUint32(20, CLUSTER_BITS);
  view.setBigUint64(24, BigInt(byteLength));
  view.setUint32(36, l1EntryCount);
  view.setBigUint64(40, BigInt(3 * CLUSTER_BYTE_LENGTH));
  view.setBigUint64(48, BigInt(CLUSTER_BYTE_LENGTH));
  view.setUint32(56, 1);
  view.setUint32(96, REFCOUNT_ORDER);
  view.setUint32(100, HEADER_BYTE_LENGTH);
  if (backing !== undefined) writeBacking(image, backing.file, backing.format);
  view.setBigUint64(CLUSTER_BYTE_LENGTH, BigInt(2 * CLUSTER_BYTE_LENGTH));
  for (let cluster = 0; cluster < 3 + l1ClusterCount; cluster++) {
    view.setUint16(2 * CLUSTER_BYTE_LENGTH + 2 * cluster, 1);
  }
  await store.write(0, image);
  await store.flush();
}

/** Behind the header: an extension with the format, the end of the extensions, the name. */
function writeBacking(image: Uint8Array, file: string, format: string): void {
  const view = dataView(image);
  const formatBytes = utf8(format);
  const fileBytes = utf8(file);
  view.setUint32(HEADER_BYTE_LENGTH, EXTENSION_BACKING_FORMAT);
  view.setUint32(HEADER_BYTE_LENGTH + 4, formatBytes.length);
  image.set(formatBytes, HEADER_BYTE_LENGTH + 8);
  const nameOffset = HEADER_BYTE_LENGTH + 8 + Math.ceil(formatBytes.length / 8) * 8 + 8;
  image.set(fileBytes, nameOffset);
  view.setBigUint64(8, BigInt(nameOffset));
  view.setUint32(16, fileBytes.length);
}
