/** The snapshots that an image holds. */
import { dataView } from "../../util/bytes.js";
import type { ByteStore } from "../byte-store.js";
import { badFormat, l1EntriesFor, type Qcow2Header, readU64, type Table } from "./header.js";

const ENTRY_BYTE_LENGTH = 40;
const EXTRA_DISK_SIZE = 8;
const TABLE_BYTE_LENGTH_MAX = 16 << 20;
const L1_ENTRIES_MAX = 1 << 22;

/** A state that the disk once had. */
export interface Qcow2Snapshot {
  readonly id: string;
  readonly name: string;
  readonly l1: Table;
  /** The disk's length then. */
  readonly byteLength: number;
}

/** @returns the snapshots, and the length of their table */
export async function readSnapshots(
  store: ByteStore,
  header: Qcow2Header,
): Promise<{ readonly snapshots: readonly Qcow2Snapshot[]; readonly byteLength: number }> {
  const { offset, entryCount } = header.snapshots;
  if (entryCount === 0) return { snapshots: [], byteLength: 0 };
  const bytes = new Uint8Array(Math.max(0, Math.min(TABLE_BYTE_LENGTH_MAX, store.byteLength - offset)));
  await store.read(offset, bytes);
  const snapshots: Qcow2Snapshot[] = [];
  let at = 0;
  for (let index = 0; index < entryCount; index++) {
    if (at + ENTRY_BYTE_LENGTH > bytes.length) throw badFormat("has a snapshot table that does not end");
    const { snapshot, byteLength } = readSnapshot(bytes.subarray(at), header);
    snapshots.push(snapshot);
    at += byteLength;
  }
  return { snapshots, byteLength: Math.min(at, bytes.length) };
}

/**
 * | offset | field                | offset | field                                         |
 * |--------|----------------------|--------|-----------------------------------------------|
 * | 0      | L1 table: offset u64 | 36     | length of extra data u32                      |
 * | 8      | L1 table: entries u32| 40     | extra data: state size u64, disk size u64 ... |
 * | 12     | length of id u16     | then   | id, name, padding to 8 bytes                  |
 * | 14     | length of name u16   |        |                                               |
 */
function readSnapshot(bytes: Uint8Array, header: Qcow2Header) {
  const view = dataView(bytes);
  const extraByteLength = view.getUint32(36);
  const idStart = ENTRY_BYTE_LENGTH + extraByteLength;
  const nameStart = idStart + view.getUint16(12);
  const end = nameStart + view.getUint16(14);
  if (end > bytes.length) throw badFormat("has a snapshot of an impossible length");
  const hasDiskSize = extraByteLength >= EXTRA_DISK_SIZE + 8;
  const byteLength = hasDiskSize ? readU64(view, ENTRY_BYTE_LENGTH + EXTRA_DISK_SIZE) : header.byteLength;
  const l1 = { offset: readU64(view, 0), entryCount: view.getUint32(8) };
  const isSound = byteLength > 0 && byteLength % 512 === 0 && l1.offset % header.clusterByteLength === 0;
  if (!isSound || l1.entryCount > L1_ENTRIES_MAX) throw badFormat("has a snapshot of an impossible size");
  if (l1.entryCount < l1EntriesFor(byteLength, header.clusterByteLength)) {
    throw badFormat("has a snapshot with too few L1 entries");
  }
  const text = (start: number, stop: number) => Array.from(bytes.subarray(start, stop), toCharacter).join("");
  const snapshot: Qcow2Snapshot = { id: text(idStart, nameStart), name: text(nameStart, end), l1, byteLength };
  return { snapshot, byteLength: Math.ceil(end / 8) * 8 };
}

function toCharacter(byte: number): string {
  return String.fromCharCode(byte);
}
