/**
 * How often each cluster of an image is used: a table of blocks of counts. A cluster is free when its count is 0.
 *
 * Every change happens under the disk's lock for its tables; `writeBack` makes it last.
 */
import { dataView } from "../../util/bytes.js";
import type { ByteStore } from "../byte-store.js";
import { badFormat, HEADER_REFCOUNT_TABLE, type Qcow2Header, type Table } from "./header.js";
import type { MetadataMap } from "./metadata-map.js";
import { type CachedTable, TableCache } from "./table-cache.js";

const OFFSET_MASK_LOW = ~0x1ff;

/** Clusters in a row. */
export interface ClusterRun {
  /** Number of the first. */
  readonly cluster: number;
  readonly count: number;
}

export class Refcounts {
  readonly #store: ByteStore;
  readonly #metadata: MetadataMap;
  readonly #clusterByteLength: number;
  readonly #bits: number;
  /** Counts in a block. */
  readonly #perBlock: number;
  readonly #blocks: TableCache;
  #tableOffset: number;
  /** Offsets of the blocks; 0 where there is none. */
  #table: number[];
  readonly #dirtyEntries = new Set<number>();
  /** No cluster before this one is free. */
  #cursor = 0;

  private constructor(store: ByteStore, header: Qcow2Header, metadata: MetadataMap, table: number[]) {
    this.#store = store;
    this.#metadata = metadata;
    this.#clusterByteLength = header.clusterByteLength;
    this.#bits = 2 ** header.refcountOrder;
    this.#perBlock = (8 * header.clusterByteLength) / this.#bits;
    this.#blocks = new TableCache(store, header.clusterByteLength);
    this.#tableOffset = header.refcountTable.offset;
    this.#table = table;
  }

  /** @throws VivariumError `disk/format` when the refcount table cannot be */
  static async open(store: ByteStore, header: Qcow2Header, metadata: MetadataMap): Promise<Refcounts> {
    const { offset, entryCount } = header.refcountTable;
    const bytes = new Uint8Array(entryCount * 8);
    await store.read(offset, bytes);
    metadata.add(offset, bytes.length);
    const view = dataView(bytes);
    const table = Array.from({ length: entryCount }, (_, index) => {
      const block = view.getUint32(8 * index) * 2 ** 32 + ((view.getUint32(8 * index + 4) & OFFSET_MASK_LOW) >>> 0);
      if (block === 0) return 0;
      if (block % header.clusterByteLength !== 0 || block + header.clusterByteLength > store.byteLength) {
        throw badFormat(`has a refcount block at ${block}`);
      }
      // Counted twice, one block would make the search for free clusters longer than the image.
      if (metadata.has(block / header.clusterByteLength)) throw badFormat(`has two tables at ${block}`);
      metadata.add(block, header.clusterByteLength);
      return block;
    });
    return new Refcounts(store, header, metadata, table);
  }

  /** Whether changes wait to be written. */
  get hasDirty(): boolean {
    return this.#blocks.hasDirty || this.#dirtyEntries.size > 0;
  }

  get isCrowded(): boolean {
    return this.#blocks.isCrowded;
  }

  /** Takes free clusters in a row, `maxCount` or as many as there are before the next used one. */
  async allocate(maxCount: number): Promise<ClusterRun> {
    let cluster = await this.#firstFree();
    // A cluster without a count gets one with its block, which may take just that place.
    while (!this.#hasCount(cluster)) {
      await this.#addBlock(cluster);
      this.#cursor = cluster;
      cluster = await this.#firstFree();
    }
    let count = 0;
    do {
      await this.#set(cluster + count, 1);
      count++;
    } while (count < maxCount && this.#hasCount(cluster + count) && (await this.#isFree(cluster + count)));
    this.#cursor = cluster + count;
    return { cluster, count };
  }

  /** The first cluster from the cursor on that is not used. */
  async #firstFree(): Promise<number> {
    for (let cluster = this.#cursor; ; ) {
      const block = await this.#block(cluster);
      const end = (Math.floor(cluster / this.#perBlock) + 1) * this.#perBlock;
      for (; cluster < end; cluster++) {
        const count = block === null ? 0 : readCount(block.view, cluster % this.#perBlock, this.#bits);
        if (count === 0 && !this.#metadata.has(cluster)) return cluster;
      }
    }
  }

  /** Counts one use less of a cluster, which may be free then. */
  async release(cluster: number): Promise<void> {
    const count = await this.get(cluster);
    if (count === 0) throw badFormat(`uses cluster ${cluster}, which it says is free`);
    await this.#set(cluster, count - 1);
    if (count === 1) this.#cursor = Math.min(this.#cursor, cluster);
  }

  async get(cluster: number): Promise<number> {
    const block = await this.#block(cluster);
    return block === null ? 0 : readCount(block.view, cluster % this.#perBlock, this.#bits);
  }

  /** Writes the changed counts, and then the table where it has changed. */
  async writeBack(): Promise<void> {
    await this.#blocks.writeBack();
    for (const index of this.#dirtyEntries) {
      const entry = new Uint8Array(8);
      writeU64(dataView(entry), 0, this.#table[index]!);
      await this.#store.write(this.#tableOffset + 8 * index, entry);
    }
    this.#dirtyEntries.clear();
  }

  async #isFree(cluster: number): Promise<boolean> {
    return !this.#metadata.has(cluster) && (await this.get(cluster)) === 0;
  }

  #hasCount(cluster: number): boolean {
    return (this.#table[Math.floor(cluster / this.#perBlock)] ?? 0) !== 0;
  }

  async #block(cluster: number): Promise<CachedTable | null> {
    const offset = this.#table[Math.floor(cluster / this.#perBlock)] ?? 0;
    return offset === 0 ? null : this.#blocks.get(offset);
  }

  async #set(cluster: number, count: number): Promise<void> {
    const block = await this.#block(cluster);
    if (block === null) throw badFormat(`has no count for cluster ${cluster}`);
    writeCount(block.view, cluster % this.#perBlock, this.#bits, count);
    this.#blocks.markDirty(block);
  }

  /** Makes the block that has the count of `cluster`, at the place of the first free cluster it counts. */
  async #addBlock(cluster: number): Promise<void> {
    const index = Math.floor(cluster / this.#perBlock);
    if (index >= this.#table.length) return this.#growTable(index);
    const first = index * this.#perBlock;
    let place = first;
    while (this.#metadata.has(place)) place++;
    if (place >= first + this.#perBlock) throw badFormat("has no room for its reference counts");
    this.#createBlock(index, place);
    await this.#set(place, 1);
  }

  #createBlock(index: number, cluster: number): void {
    const offset = cluster * this.#clusterByteLength;
    this.#blocks.create(offset);
    this.#metadata.add(offset, this.#clusterByteLength);
    this.#table[index] = offset;
    this.#dirtyEntries.add(index);
  }

  /** Moves the table to clusters beyond all that have counts, together with the blocks that count them. */
  async #growTable(index: number): Promise<void> {
    const oldClusters = Math.ceil((8 * this.#table.length) / this.#clusterByteLength);
    const oldFirst = this.#tableOffset / this.#clusterByteLength;
    const first = this.#table.length * this.#perBlock;
    const perTableCluster = this.#clusterByteLength / 8;
    const clusterCount = Math.ceil((index + 1) / perTableCluster) + oldClusters;
    let blockCount = 1;
    while (blockCount * this.#perBlock < blockCount + clusterCount) blockCount++;
    if (this.#metadata.hasAny(first, blockCount + clusterCount)) throw badFormat("has tables beyond its counts");

    const oldLength = this.#table.length;
    this.#table = [...this.#table, ...new Array<number>(clusterCount * perTableCluster - oldLength).fill(0)];
    for (let block = 0; block < blockCount; block++) this.#createBlock(oldLength + block, first + block);
    for (let cluster = first; cluster < first + blockCount + clusterCount; cluster++) await this.#set(cluster, 1);
    await this.#moveTable((first + blockCount) * this.#clusterByteLength, clusterCount);
    for (let cluster = oldFirst; cluster < oldFirst + oldClusters; cluster++) {
      this.#metadata.delete(cluster);
      await this.release(cluster);
    }
  }

  async #moveTable(offset: number, clusterCount: number): Promise<void> {
    await this.#blocks.writeBack();
    const bytes = new Uint8Array(clusterCount * this.#clusterByteLength);
    for (const [index, block] of this.#table.entries()) writeU64(dataView(bytes), 8 * index, block);
    await this.#store.write(offset, bytes);
    await pointToTable(this.#store, offset, clusterCount);
    this.#tableOffset = offset;
    this.#dirtyEntries.clear();
    this.#metadata.add(offset, bytes.length);
  }
}

/**
 * Writes a new table with new blocks behind everything else, and points the header to it. What counted before is free
 * then, unless `counts` has it.
 *
 * @param counts for each cluster of the image how often it is used
 * @returns offset and clusters of the new table
 */
export async function rebuildRefcounts(store: ByteStore, header: Qcow2Header, counts: Uint32Array): Promise<Table> {
  const { clusterByteLength, refcountOrder } = header;
  const bits = 2 ** refcountOrder;
  const perBlock = (8 * clusterByteLength) / bits;
  const first = counts.length;
  let blockCount = 1;
  const tableClustersFor = (blocks: number) => Math.ceil((8 * blocks) / clusterByteLength);
  while (blockCount * perBlock < first + blockCount + tableClustersFor(blockCount)) blockCount++;
  const tableClusters = tableClustersFor(blockCount);
  const table = new Uint8Array(tableClusters * clusterByteLength);
  for (let index = 0; index < blockCount; index++) {
    const block = new DataView(new ArrayBuffer(clusterByteLength));
    for (let slot = 0; slot < perBlock; slot++) {
      const cluster = index * perBlock + slot;
      const isOwn = cluster >= first && cluster < first + blockCount + tableClusters;
      const count = isOwn ? 1 : (counts[cluster] ?? 0);
      if (count >= 2 ** bits) throw badFormat(`uses cluster ${cluster} ${count} times`);
      if (count !== 0) writeCount(block, slot, bits, count);
    }
    const offset = (first + index) * clusterByteLength;
    await store.write(offset, new Uint8Array(block.buffer));
    writeU64(dataView(table), 8 * index, offset);
  }
  const offset = (first + blockCount) * clusterByteLength;
  await store.write(offset, table);
  await pointToTable(store, offset, tableClusters);
  return { offset, entryCount: table.length / 8 };
}

/** Everything a new table says is on stable storage before the header points to it. */
async function pointToTable(store: ByteStore, offset: number, clusterCount: number): Promise<void> {
  await store.flush();
  const field = new Uint8Array(12);
  writeU64(dataView(field), 0, offset);
  dataView(field).setUint32(8, clusterCount);
  await store.write(HEADER_REFCOUNT_TABLE, field);
  await store.flush();
}

export function writeU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value % 2 ** 32);
}

/** Counts of less than a byte stand in it from its lowest bits on. */
function readCount(view: DataView, index: number, bits: number): number {
  switch (bits) {
    case 8:
      return view.getUint8(index);
    case 16:
      return view.getUint16(2 * index);
    case 32:
      return view.getUint32(4 * index);
    case 64:
      return view.getUint32(8 * index) * 2 ** 32 + view.getUint32(8 * index + 4);
    default:
      return (view.getUint8(Math.floor((index * bits) / 8)) >> ((index * bits) % 8)) & ((1 << bits) - 1);
  }
}

function writeCount(view: DataView, index: number, bits: number, count: number): void {
  switch (bits) {
    case 8:
      view.setUint8(index, count);
      return;
    case 16:
      view.setUint16(2 * index, count);
      return;
    case 32:
      view.setUint32(4 * index, count);
      return;
    case 64:
      writeU64(view, 8 * index, count);
      return;
    default: {
      const at = Math.floor((index * bits) / 8);
      const shift = (index * bits) % 8;
      const mask = ((1 << bits) - 1) << shift;
      view.setUint8(at, (view.getUint8(at) & ~mask) | (count << shift));
    }
  }
}
