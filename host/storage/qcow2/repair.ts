/** Counts anew how often each cluster is used, for an image whose writer did not close it. */
import { dataView } from "../../util/bytes.js";
import type { ByteStore } from "../byte-store.js";
import { l2TableOf, mappingOf, readEntry } from "./cluster-map.js";
import { badFormat, HEADER_INCOMPATIBLE, type Qcow2Header, type Table } from "./header.js";
import { rebuildRefcounts } from "./refcounts.js";
import { readSnapshots } from "./snapshots.js";

/** Clusters that an image to be repaired has at most: their counts are kept in memory. */
const CLUSTERS_MAX = 1 << 27;

/**
 * @returns the header as it is now: with another refcount table, and not dirty
 * @throws VivariumError `disk/format` when there is more wrong than the counts
 */
export async function repairRefcounts(store: ByteStore, header: Qcow2Header): Promise<Qcow2Header> {
  const { clusterByteLength } = header;
  const clusterCount = Math.ceil(store.byteLength / clusterByteLength);
  if (clusterCount > CLUSTERS_MAX) throw badFormat("is dirty and too large to be repaired");
  const counts = new Uint32Array(clusterCount);
  /** @returns how often the first of the clusters is used now */
  const use = (offset: number, byteLength: number): number => {
    const end = Math.ceil((offset + byteLength) / clusterByteLength);
    if (end > clusterCount) throw badFormat(`is dirty and uses clusters beyond its end, at ${offset}`);
    for (let cluster = Math.floor(offset / clusterByteLength); cluster < end; cluster++) counts[cluster]!++;
    return counts[Math.floor(offset / clusterByteLength)] ?? 0;
  };
  use(0, 1);
  const { snapshots, byteLength } = await readSnapshots(store, header);
  if (snapshots.length > 0) use(header.snapshots.offset, byteLength);
  for (const l1 of [header.l1, ...snapshots.map((snapshot) => snapshot.l1)]) {
    await countTables(store, header, l1, use);
  }
  const refcountTable = await rebuildRefcounts(store, header, counts);
  await store.write(HEADER_INCOMPATIBLE, incompatibleWithoutDirty(header));
  await store.flush();
  return { ...header, refcountTable, isDirty: false };
}

async function countTables(
  store: ByteStore,
  header: Qcow2Header,
  l1: Table,
  use: (offset: number, byteLength: number) => number,
): Promise<void> {
  const { clusterByteLength } = header;
  const l1Bytes = new Uint8Array(8 * l1.entryCount);
  if (use(l1.offset, l1Bytes.length) > 1) throw badFormat(`has two tables at ${l1.offset}`);
  await store.read(l1.offset, l1Bytes);
  const table = new Uint8Array(clusterByteLength);
  const seen = new Set<number>();
  for (let index = 0; index < l1.entryCount; index++) {
    const { offset } = l2TableOf(readEntry(dataView(l1Bytes), index), header);
    if (offset === 0) continue;
    if (seen.has(offset)) throw badFormat(`has two tables at ${offset}`);
    seen.add(offset);
    use(offset, clusterByteLength);
    await store.read(offset, table);
    for (let entry = 0; entry < clusterByteLength / 8; entry++) {
      const mapping = mappingOf(readEntry(dataView(table), entry), header);
      if (mapping.kind === "compressed") use(mapping.offset, mapping.byteLength);
      else if (mapping.kind !== "unallocated" && mapping.offset !== 0) use(mapping.offset, clusterByteLength);
    }
  }
}

/** The feature bits of a header that is not dirty: which others there can be, its reader has let in. */
function incompatibleWithoutDirty({ compression }: Qcow2Header): Uint8Array {
  const bits = new Uint8Array(8);
  bits[7] = compression === "zstd" ? 8 : 0;
  return bits;
}
