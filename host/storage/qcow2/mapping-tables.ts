/**
 * The two levels of tables that say which cluster of a qcow2 image holds which of a disk's: QEMU, docs/interop/qcow2.txt.
 *
 * Everything that changes a table happens under one lock, in memory; `writeBack` makes it last, in an order that never
 * lets the image say what is not so:
 *
 *     1. contents, counts of new clusters | 2. L2 tables | 3. L1 table | 4. counts of clusters that are free now
 *
 * with a flush of the store after each but the last. Whoever is killed in between leaves clusters that are counted and
 * not used, never the other way round.
 */
import { dataView } from "../../util/bytes.js";
import { Mutex } from "../../util/mutex.js";
import type { ByteStore } from "../byte-store.js";
import {
  type Entry,
  l2TableOf,
  type Mapping,
  mappingOf,
  ownEntry,
  readEntry,
  UNALLOCATED,
  writeEntry,
  ZEROES,
  zeroedEntry,
} from "./cluster-map.js";
import { badFormat, HEADER_AUTOCLEAR, type Qcow2Header, type Table } from "./header.js";
import { MetadataMap } from "./metadata-map.js";
import { Refcounts } from "./refcounts.js";
import { repairRefcounts } from "./repair.js";
import { type CachedTable, TableCache } from "./table-cache.js";

export interface MappingTablesOptions {
  readonly header: Qcow2Header;
  readonly readOnly: boolean;
  /** The active disk's L1 table, or that of a snapshot. */
  readonly l1: Table;
}

/** Clusters in a row that mean the same, within one L2 table. */
export interface Run {
  readonly mapping: Mapping;
  readonly byteLength: number;
}

/** Offsets and clusters are the disk's unless they say that they are the image's. */
export class MappingTables {
  /** Bytes of the disk that one L2 table is for. */
  readonly spanByteLength: number;
  readonly #store: ByteStore;
  readonly #header: Qcow2Header;
  /** Clusters of the image that hold tables and header. */
  readonly #metadata: MetadataMap;
  readonly #l1Offset: number;
  readonly #l1: DataView;
  readonly #dirtyL1 = new Set<number>();
  readonly #l2: TableCache;
  /** Null of a disk that is only read. */
  #refcounts: Refcounts | null = null;
  /** Clusters that are not used any more once the tables on stable storage say so. */
  #released: number[] = [];
  readonly #lock = new Mutex();
  /** Contents on their way to clusters in place. */
  readonly #inFlight = new Set<Promise<void>>();

  private constructor(store: ByteStore, { header, l1 }: MappingTablesOptions, l1Bytes: Uint8Array) {
    this.spanByteLength = header.clusterByteLength * (header.clusterByteLength / 8);
    this.#store = store;
    this.#header = header;
    this.#metadata = new MetadataMap(header.clusterByteLength);
    this.#l1Offset = l1.offset;
    this.#l1 = dataView(l1Bytes);
    this.#l2 = new TableCache(store, header.clusterByteLength);
  }

  /** @throws VivariumError `disk/format` when the image contradicts itself */
  static async open(store: ByteStore, options: MappingTablesOptions): Promise<MappingTables> {
    const { l1, readOnly } = options;
    const bytes = new Uint8Array(l1.entryCount * 8);
    if (l1.offset + bytes.length > store.byteLength) throw badFormat("ends before its L1 table does");
    await store.read(l1.offset, bytes);
    const tables = new MappingTables(store, options, bytes);
    if (!readOnly) await tables.#prepareToWrite();
    return tables;
  }

  async #prepareToWrite(): Promise<void> {
    const { clusterByteLength, l1, snapshots } = this.#header;
    let header = this.#header;
    if (header.isDirty) header = await repairRefcounts(this.#store, header);
    if (header.hasAutoclear) {
      await this.#store.write(HEADER_AUTOCLEAR, new Uint8Array(8));
    }
    this.#refcounts = await Refcounts.open(this.#store, header, this.#metadata);
    this.#metadata.add(l1.offset, l1.entryCount * 8);
    if (snapshots.entryCount > 0) this.#metadata.add(snapshots.offset, 1);
    for (let index = 0; index < l1.entryCount; index++) {
      const { offset } = l2TableOf(readEntry(this.#l1, index), header);
      if (offset === 0) continue;
      if (this.#metadata.has(offset / clusterByteLength)) throw badFormat(`has two tables at ${offset}`);
      this.#metadata.add(offset, clusterByteLength);
    }
  }

  // ---- Looking up ----

  /** What the clusters from `offset` on are, as far as they are alike. */
  async runAt(offset: number, byteLength: number): Promise<Run> {
    const tableOffset = this.#l2OffsetOf(this.#clusterOf(offset));
    const table = tableOffset === 0 ? null : (this.#l2.peek(tableOffset) ?? (await this.#l2.get(tableOffset)));
    return this.#runIn(table, offset, byteLength);
  }

  /** As `runAt`, at once; null where the table is not in memory. */
  tryRunAt(offset: number, byteLength: number): Run | null {
    const tableOffset = this.#l2OffsetOf(this.#clusterOf(offset));
    const table = tableOffset === 0 ? null : this.#l2.peek(tableOffset);
    return table === undefined ? null : this.#runIn(table, offset, byteLength);
  }

  /** Whether any of these clusters of the image holds tables, which are no contents. */
  areIn(firstCluster: number, count: number): boolean {
    return this.#metadata.hasAny(firstCluster, count);
  }

  /** @param table the one that `offset` is in; null for none */
  #runIn(table: CachedTable | null, offset: number, byteLength: number): Run {
    const { clusterByteLength } = this.#header;
    const index = this.#clusterOf(offset) % this.#entriesPerTable;
    const within = offset % clusterByteLength;
    const inTable = (this.#entriesPerTable - index) * clusterByteLength - within;
    const wanted = Math.min(byteLength, inTable);
    if (table === null) return { mapping: { kind: "unallocated" }, byteLength: wanted };
    const first = mappingOf(readEntry(table.view, index), this.#header);
    let length = clusterByteLength - within;
    for (let next = 1; length < wanted; next++, length += clusterByteLength) {
      if (!follows(first, mappingOf(readEntry(table.view, index + next), this.#header), next * clusterByteLength))
        break;
    }
    return { mapping: first, byteLength: Math.min(length, wanted) };
  }

  #clusterOf(offset: number): number {
    return Math.floor(offset / this.#header.clusterByteLength);
  }

  get #entriesPerTable(): number {
    return this.#header.clusterByteLength / 8;
  }

  /** In the image; 0 where there is no table. */
  #l2OffsetOf(cluster: number): number {
    return l2TableOf(readEntry(this.#l1, Math.floor(cluster / this.#entriesPerTable)), this.#header).offset;
  }

  // ---- Changing, within `change` ----

  /** Runs `work` while nobody else changes tables. */
  change<T>(work: () => Promise<T>): Promise<T> {
    return this.#lock.run(work);
  }

  /**
   * New clusters of the image, in a row.
   *
   * @param count how many are wanted; there can be fewer, and there is one
   */
  allocate(count: number): Promise<{ readonly cluster: number; readonly count: number }> {
    return this.#writer.allocate(count);
  }

  /** The L2 table of this cluster, made or copied first if it is not there or not ours alone. */
  async own(cluster: number): Promise<CachedTable> {
    const { clusterByteLength } = this.#header;
    const index = Math.floor(cluster / this.#entriesPerTable);
    const present = l2TableOf(readEntry(this.#l1, index), this.#header);
    const old = present.offset === 0 ? null : await this.#l2.get(present.offset);
    if (old !== null && present.isOwn) return old;
    const { cluster: place } = await this.#writer.allocate(1);
    const table = this.#l2.create(place * clusterByteLength);
    this.#metadata.add(place * clusterByteLength, clusterByteLength);
    if (old !== null) {
      new Uint8Array(table.view.buffer).set(new Uint8Array(old.view.buffer));
      this.#released.push(present.offset / clusterByteLength);
    }
    writeEntry(this.#l1, index, ownEntry(table.offset));
    this.#dirtyL1.add(index);
    return table;
  }

  /** Points the disk's cluster elsewhere; what held it so far is let go. @param table its own */
  replace(table: CachedTable, cluster: number, entry: Entry): void {
    const { clusterByteLength } = this.#header;
    const index = cluster % this.#entriesPerTable;
    const old = mappingOf(readEntry(table.view, index), this.#header);
    writeEntry(table.view, index, entry);
    this.#l2.markDirty(table);
    if (old.kind === "compressed") {
      const end = Math.ceil((old.offset + old.byteLength) / clusterByteLength);
      for (let host = Math.floor(old.offset / clusterByteLength); host < end; host++) this.#released.push(host);
    } else if (old.kind !== "unallocated" && old.offset !== 0) {
      const now = mappingOf(entry, this.#header);
      const isKept = (now.kind === "data" || now.kind === "zero") && now.offset === old.offset;
      if (!isKept) this.#released.push(old.offset / clusterByteLength);
    }
  }

  /** Lets whole clusters read as zeros, or where version 2 cannot say so, be nowhere. @param offset,byteLength within one L2 table */
  async zero(offset: number, byteLength: number, unmap: boolean): Promise<void> {
    const { clusterByteLength, version } = this.#header;
    const first = this.#clusterOf(offset);
    const end = Math.ceil((offset + byteLength) / clusterByteLength);
    const table = await this.own(first);
    const zeroes = version === 3 ? ZEROES : UNALLOCATED;
    for (let cluster = first; cluster < end; cluster++) {
      const old = mappingOf(readEntry(table.view, cluster % this.#entriesPerTable), this.#header);
      const keeps = !unmap && version === 3 && old.kind === "data" && old.isOwn;
      this.replace(table, cluster, keeps ? zeroedEntry(old.offset) : zeroes);
    }
    await this.relieve();
  }

  /** Writes back what has become too much to keep in memory. */
  async relieve(): Promise<void> {
    if (this.#l2.isCrowded || this.#writer.isCrowded) await this.#writeBack();
  }

  get #writer(): Refcounts {
    if (this.#refcounts === null) throw new Error("this disk is read-only");
    return this.#refcounts;
  }

  // ---- Making it last ----

  /** Contents on their way to clusters in place: these are given to nobody else before. */
  hold(write: Promise<void>): Promise<void> {
    const held = write.finally(() => this.#inFlight.delete(held));
    this.#inFlight.add(held);
    return held;
  }

  /** Makes everything last, in the order above. */
  writeBack(): Promise<void> {
    return this.#lock.run(() => this.#writeBack());
  }

  async #writeBack(): Promise<void> {
    await this.#writer.writeBack();
    await this.#store.flush();
    if (this.#l2.hasDirty) {
      await this.#l2.writeBack();
      await this.#store.flush();
    }
    if (this.#dirtyL1.size > 0) {
      for (const index of this.#dirtyL1) {
        const entry = new Uint8Array(this.#l1.buffer, 8 * index, 8);
        await this.#store.write(this.#l1Offset + 8 * index, entry);
      }
      this.#dirtyL1.clear();
      await this.#store.flush();
    }
    await this.#release();
  }

  /** Nothing may still be on its way to a cluster that somebody else can get. */
  async #release(): Promise<void> {
    if (this.#released.length === 0) return;
    await Promise.allSettled([...this.#inFlight]);
    const released = this.#released;
    this.#released = [];
    for (const cluster of released) {
      this.#metadata.delete(cluster);
      this.#l2.drop(cluster * this.#header.clusterByteLength);
      await this.#writer.release(cluster);
    }
    await this.#writer.writeBack();
  }
}

/** Whether `next` goes on what `first` begins, `distance` bytes later. */
function follows(first: Mapping, next: Mapping, distance: number): boolean {
  if (first.kind !== next.kind) return false;
  switch (first.kind) {
    case "unallocated":
      return true;
    case "compressed":
      return false;
    case "data":
    case "zero": {
      if (next.kind !== first.kind || next.isOwn !== first.isOwn) return false;
      const isSame = first.kind === "zero" && first.offset === 0 && next.offset === 0;
      return isSame || (first.offset !== 0 && next.offset === first.offset + distance);
    }
  }
}
