/**
 * A disk in a qcow2 image: QEMU, docs/interop/qcow2.txt.
 *
 * Clusters that are there and our own are written in place, many at a time. Everything that changes a table happens
 * under one lock, in memory; `flush` makes it last, in an order that never lets the image say what is not so:
 *
 *     1. contents, counts of new clusters | 2. L2 tables | 3. L1 table | 4. counts of clusters that are free now
 *
 * with a flush of the store after each but the last. Whoever is killed in between leaves clusters that are counted and
 * not used, never the other way round.
 */
import { dataView } from "../../util/bytes.js";
import { Mutex } from "../../util/mutex.js";
import { AccessRules } from "../access.js";
import type { BlockBackend } from "../block-backend.js";
import { type ByteStore, readOrZeroes, tryReadOrZeroes } from "../byte-store.js";
import { allSettled } from "../overlay.js";
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
import { CompressedClusters } from "./compressed-clusters.js";
import { badFormat, HEADER_AUTOCLEAR, type Qcow2Header, type Table } from "./header.js";
import { MetadataMap } from "./metadata-map.js";
import { Refcounts } from "./refcounts.js";
import { repairRefcounts } from "./repair.js";
import { type CachedTable, TableCache } from "./table-cache.js";

/** What is worked on at a time under the lock: bounds our memory. */
const PIECE_CLUSTER_BYTES = 4 << 20;

export interface Qcow2Options {
  readonly header: Qcow2Header;
  /** What lies below the image; closed with it. */
  readonly backing: BlockBackend | null;
  readonly readOnly: boolean;
  /** The active disk's L1 table, or that of a snapshot. */
  readonly l1: Table;
  readonly byteLength: number;
}

/** Clusters in a row that mean the same, within one L2 table. */
interface Run {
  readonly mapping: Mapping;
  readonly byteLength: number;
}

export class Qcow2Disk implements BlockBackend {
  readonly byteLength: number;
  readonly readOnly: boolean;
  readonly #store: ByteStore;
  readonly #header: Qcow2Header;
  readonly #backing: BlockBackend | null;
  readonly #access: AccessRules;
  readonly #metadata: MetadataMap;
  readonly #compressed: CompressedClusters;
  readonly #l1Offset: number;
  readonly #l1: DataView;
  readonly #dirtyL1 = new Set<number>();
  readonly #l2: TableCache;
  /** Null of a disk that is only read. */
  #refcounts: Refcounts | null = null;
  /** Clusters that are not used any more once the tables on stable storage say so. */
  #released: number[] = [];
  /** Held by whoever changes tables. */
  readonly #tables = new Mutex();
  /** Contents on their way to clusters in place. */
  readonly #inFlight = new Set<Promise<void>>();

  private constructor(store: ByteStore, options: Qcow2Options, metadata: MetadataMap, l1: DataView) {
    this.#store = store;
    this.#header = options.header;
    this.#backing = options.backing;
    this.byteLength = options.byteLength;
    this.readOnly = options.readOnly;
    this.#access = new AccessRules(this);
    this.#metadata = metadata;
    this.#compressed = new CompressedClusters(store, options.header);
    this.#l1Offset = options.l1.offset;
    this.#l1 = l1;
    this.#l2 = new TableCache(store, options.header.clusterByteLength);
  }

  /**
   * @param store closed with the disk
   * @throws VivariumError `disk/format` when the image contradicts itself
   */
  static async open(store: ByteStore, options: Qcow2Options): Promise<Qcow2Disk> {
    const { header, l1, readOnly } = options;
    const metadata = new MetadataMap(header.clusterByteLength);
    const bytes = new Uint8Array(l1.entryCount * 8);
    if (l1.offset + bytes.length > store.byteLength) throw badFormat("ends before its L1 table does");
    await store.read(l1.offset, bytes);
    const disk = new Qcow2Disk(store, options, metadata, dataView(bytes));
    if (!readOnly) await disk.#prepareToWrite();
    return disk;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#access.checkRead(offset, into.length);
    const reads: Promise<void>[] = [];
    try {
      for (let done = 0; done < into.length; ) {
        const run = await this.#runAt(offset + done, into.length - done);
        const part = into.subarray(done, done + run.byteLength);
        reads.push(this.#readRun(run.mapping, offset + done, part));
        done += run.byteLength;
      }
    } finally {
      await allSettled(reads);
    }
  }

  /** What is compressed, or found by a table that is not in memory, is read later. */
  tryRead(offset: number, into: Uint8Array): boolean {
    this.#access.checkRead(offset, into.length);
    for (let done = 0; done < into.length; ) {
      const tableOffset = this.#l2OffsetOf(this.#clusterOf(offset + done));
      const table = tableOffset === 0 ? null : this.#l2.peek(tableOffset);
      if (table === undefined) return false;
      const run = this.#runIn(table, offset + done, into.length - done);
      const part = into.subarray(done, done + run.byteLength);
      if (!this.#tryReadRun(run.mapping, offset + done, part)) return false;
      done += run.byteLength;
    }
    return true;
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.#access.checkWrite(offset, from.length);
    const writes: Promise<void>[] = [];
    try {
      for (let done = 0; done < from.length; ) {
        const { mapping, byteLength } = await this.#runAt(offset + done, from.length - done);
        const part = from.subarray(done, done + byteLength);
        if (mapping.kind === "data" && mapping.isOwn) {
          writes.push(this.#writeInPlace(mapping.offset + this.#within(offset + done), part));
          done += byteLength;
        } else {
          done += await this.#tables.run(() => this.#writeAnew(offset + done, part));
        }
      }
    } finally {
      await allSettled(writes);
    }
  }

  async writeZeroes(offset: number, byteLength: number, unmap: boolean): Promise<void> {
    this.#access.checkWrite(offset, byteLength);
    await this.#visitClusters(offset, byteLength, async (start, length, isWhole) => {
      if (isWhole && (this.#header.version === 3 || this.#backing === null)) {
        await this.#tables.run(() => this.#zeroClusters(start, length, unmap));
      } else if (!(await this.#readsAsZeroes(start, length))) {
        await this.write(start, new Uint8Array(length));
      }
    });
  }

  async discard(offset: number, byteLength: number): Promise<void> {
    this.#access.checkWrite(offset, byteLength);
    // Below a version 2 image without the cluster, the backing file's older contents would come to light.
    if (this.#header.version === 2 && this.#backing !== null) return;
    await this.#visitClusters(offset, byteLength, async (start, length, isWhole) => {
      if (isWhole) await this.#tables.run(() => this.#zeroClusters(start, length, true));
    });
  }

  async flush(): Promise<void> {
    this.#access.checkOpen();
    if (!this.readOnly) await this.#tables.run(() => this.#writeBack());
  }

  async close(): Promise<void> {
    if (!this.#access.close()) return;
    try {
      if (!this.readOnly) await this.#tables.run(() => this.#writeBack());
    } finally {
      await Promise.all([this.#store.close(), this.#backing?.close()]);
    }
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

  // ---- Reading ----

  #within(offset: number): number {
    return offset % this.#header.clusterByteLength;
  }

  get #entriesPerTable(): number {
    return this.#header.clusterByteLength / 8;
  }

  /** What the clusters from `offset` on are, as far as they are alike. */
  async #runAt(offset: number, byteLength: number): Promise<Run> {
    return this.#runIn(await this.#l2TableAt(this.#clusterOf(offset)), offset, byteLength);
  }

  #clusterOf(offset: number): number {
    return Math.floor(offset / this.#header.clusterByteLength);
  }

  /** @param table the one that `offset` is in; null for none */
  #runIn(table: CachedTable | null, offset: number, byteLength: number): Run {
    const { clusterByteLength } = this.#header;
    const cluster = this.#clusterOf(offset);
    const index = cluster % this.#entriesPerTable;
    const inTable = (this.#entriesPerTable - index) * clusterByteLength - this.#within(offset);
    const wanted = Math.min(byteLength, inTable);
    if (table === null) return { mapping: { kind: "unallocated" }, byteLength: wanted };
    const first = mappingOf(readEntry(table.view, index), this.#header);
    let length = clusterByteLength - this.#within(offset);
    for (let next = 1; length < wanted; next++, length += clusterByteLength) {
      if (!follows(first, mappingOf(readEntry(table.view, index + next), this.#header), next * clusterByteLength))
        break;
    }
    return { mapping: first, byteLength: Math.min(length, wanted) };
  }

  async #l2TableAt(cluster: number): Promise<CachedTable | null> {
    const offset = this.#l2OffsetOf(cluster);
    return offset === 0 ? null : (this.#l2.peek(offset) ?? this.#l2.get(offset));
  }

  /** 0 where there is no table. */
  #l2OffsetOf(cluster: number): number {
    return l2TableOf(readEntry(this.#l1, Math.floor(cluster / this.#entriesPerTable)), this.#header).offset;
  }

  #tryReadRun(mapping: Mapping, offset: number, into: Uint8Array): boolean {
    switch (mapping.kind) {
      case "data":
        return tryReadOrZeroes(this.#store, mapping.offset + this.#within(offset), into);
      case "compressed":
        return false;
      case "zero":
        into.fill(0);
        return true;
      case "unallocated":
        if (this.#backing !== null) return tryReadOrZeroes(this.#backing, offset, into);
        into.fill(0);
        return true;
    }
  }

  #readRun(mapping: Mapping, offset: number, into: Uint8Array): Promise<void> {
    switch (mapping.kind) {
      case "data":
        return readOrZeroes(this.#store, mapping.offset + this.#within(offset), into);
      case "compressed":
        return this.#compressed.read(mapping, this.#within(offset), into);
      case "zero":
        into.fill(0);
        return Promise.resolve();
      case "unallocated":
        return this.#readBacking(offset, into);
    }
  }

  /** A backing file may be shorter than the disk. */
  async #readBacking(offset: number, into: Uint8Array): Promise<void> {
    if (this.#backing === null) into.fill(0);
    else await readOrZeroes(this.#backing, offset, into);
  }

  async #readsAsZeroes(offset: number, byteLength: number): Promise<boolean> {
    for (let done = 0; done < byteLength; ) {
      const { mapping, byteLength: length } = await this.#runAt(offset + done, byteLength - done);
      if (mapping.kind !== "zero" && (mapping.kind !== "unallocated" || this.#backing !== null)) return false;
      done += length;
    }
    return true;
  }

  // ---- Writing contents ----

  #writeInPlace(hostOffset: number, from: Uint8Array): Promise<void> {
    const { clusterByteLength } = this.#header;
    const first = Math.floor(hostOffset / clusterByteLength);
    const count = Math.ceil((hostOffset + from.length) / clusterByteLength) - first;
    if (this.#metadata.hasAny(first, count)) throw badFormat(`has contents where its tables are, at ${hostOffset}`);
    const write = this.#store.write(hostOffset, from).finally(() => this.#inFlight.delete(write));
    this.#inFlight.add(write);
    return write;
  }

  /**
   * Writes to clusters that cannot be written in place, all of one L2 table: they get new ones, and where the write
   * covers them in part, the rest of what they read as. Under the lock.
   *
   * @returns how many bytes of `from` were written
   */
  async #writeAnew(offset: number, from: Uint8Array): Promise<number> {
    const { clusterByteLength } = this.#header;
    const { mapping, byteLength } = await this.#runAt(offset, Math.min(from.length, PIECE_CLUSTER_BYTES));
    // Somebody else has given it its cluster meanwhile.
    if (mapping.kind === "data" && mapping.isOwn) {
      await this.#writeInPlace(mapping.offset + this.#within(offset), from.subarray(0, byteLength));
      return byteLength;
    }
    const cluster = Math.floor(offset / clusterByteLength);
    const wantedCount = Math.ceil((this.#within(offset) + byteLength) / clusterByteLength);
    const table = await this.#ownL2Table(cluster);
    const target = await this.#placeFor(mapping, wantedCount);
    const length = Math.min(byteLength, target.count * clusterByteLength - this.#within(offset));
    const contents = await this.#completed(offset, from.subarray(0, length));
    await this.#store.write(target.cluster * clusterByteLength, contents);
    for (let index = 0; index < contents.length / clusterByteLength; index++) {
      this.#replaceEntry(table, cluster + index, ownEntry((target.cluster + index) * clusterByteLength));
    }
    await this.#relieve();
    return length;
  }

  /** Where the clusters of `mapping` are to be written: where they are if that is theirs, or else in new ones. */
  async #placeFor(mapping: Mapping, count: number): Promise<{ readonly cluster: number; readonly count: number }> {
    if (mapping.kind === "zero" && mapping.offset !== 0 && mapping.isOwn) {
      const cluster = mapping.offset / this.#header.clusterByteLength;
      if (!this.#metadata.hasAny(cluster, count)) return { cluster, count };
    }
    return this.#writer.allocate(count);
  }

  /** `from` with what stands before and after it in its clusters. */
  async #completed(offset: number, from: Uint8Array): Promise<Uint8Array> {
    const before = this.#within(offset);
    const after =
      (this.#header.clusterByteLength - this.#within(offset + from.length)) % this.#header.clusterByteLength;
    if (before === 0 && after === 0) return from;
    const contents = new Uint8Array(before + from.length + after);
    await this.#readAround(offset - before, contents.subarray(0, before));
    await this.#readAround(offset + from.length, contents.subarray(before + from.length));
    contents.set(from, before);
    return contents;
  }

  /** As `read`; the last cluster may reach beyond the disk's end. */
  async #readAround(offset: number, into: Uint8Array): Promise<void> {
    const there = into.subarray(0, Math.max(0, Math.min(into.length, this.byteLength - offset)));
    for (let done = 0; done < there.length; ) {
      const { mapping, byteLength } = await this.#runAt(offset + done, there.length - done);
      await this.#readRun(mapping, offset + done, there.subarray(done, done + byteLength));
      done += byteLength;
    }
  }

  // ---- Changing tables, under the lock ----

  get #writer(): Refcounts {
    if (this.#refcounts === null) throw new Error("this disk is read-only");
    return this.#refcounts;
  }

  /** The L2 table of this cluster, made or copied first if it is not there or not ours alone. */
  async #ownL2Table(cluster: number): Promise<CachedTable> {
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

  /** Points the disk's cluster elsewhere; what held it so far is let go. */
  #replaceEntry(table: CachedTable, cluster: number, entry: Entry): void {
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

  /** Makes whole clusters read as zeros. @param offset,byteLength within one L2 table */
  async #zeroClusters(offset: number, byteLength: number, unmap: boolean): Promise<void> {
    const { clusterByteLength, version } = this.#header;
    if (await this.#readsAsZeroes(offset, byteLength)) return;
    const first = Math.floor(offset / clusterByteLength);
    const end = Math.ceil((offset + byteLength) / clusterByteLength);
    const table = await this.#ownL2Table(first);
    const zeroes = version === 3 ? ZEROES : UNALLOCATED;
    for (let cluster = first; cluster < end; cluster++) {
      const old = mappingOf(readEntry(table.view, cluster % this.#entriesPerTable), this.#header);
      const keeps = !unmap && version === 3 && old.kind === "data" && old.isOwn;
      this.#replaceEntry(table, cluster, keeps ? zeroedEntry(old.offset) : zeroes);
    }
    await this.#relieve();
  }

  /**
   * Calls `visit` for the part of the range in each L2 table: what is whole clusters of it, and what is not. The disk's
   * last cluster is whole where the disk ends.
   */
  async #visitClusters(
    offset: number,
    byteLength: number,
    visit: (offset: number, byteLength: number, isWhole: boolean) => Promise<void>,
  ): Promise<void> {
    const { clusterByteLength } = this.#header;
    const tableByteLength = clusterByteLength * this.#entriesPerTable;
    const end = offset + byteLength;
    const endWhole = end === this.byteLength ? end : end - this.#within(end);
    for (let at = offset; at < end; ) {
      const within = this.#within(at);
      let next = Math.min(end, at - within + clusterByteLength);
      const isWhole = within === 0 && at < endWhole;
      if (isWhole) next = Math.min(endWhole, (Math.floor(at / tableByteLength) + 1) * tableByteLength);
      await visit(at, next - at, isWhole);
      at = next;
    }
  }

  async #relieve(): Promise<void> {
    if (this.#l2.isCrowded || this.#writer.isCrowded) await this.#writeBack();
  }

  /** Makes everything last, in the order above. */
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
