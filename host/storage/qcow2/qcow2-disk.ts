/**
 * A disk in a qcow2 image: QEMU, docs/interop/qcow2.txt.
 *
 * Clusters that are there and our own are written in place, many at a time; whatever changes a table does so under the
 * tables' lock (MappingTables).
 */
import { AccessRules } from "../access.js";
import type { BlockBackend } from "../block-backend.js";
import { type ByteStore, readOrZeroes, tryReadOrZeroes } from "../byte-store.js";
import { allSettled } from "../overlay.js";
import { type Mapping, ownEntry } from "./cluster-map.js";
import { CompressedClusters } from "./compressed-clusters.js";
import { badFormat, type Qcow2Header, type Table } from "./header.js";
import { MappingTables } from "./mapping-tables.js";

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

export class Qcow2Disk implements BlockBackend {
  readonly byteLength: number;
  readonly readOnly: boolean;
  readonly #store: ByteStore;
  readonly #header: Qcow2Header;
  readonly #backing: BlockBackend | null;
  readonly #access: AccessRules;
  readonly #compressed: CompressedClusters;
  readonly #tables: MappingTables;

  private constructor(store: ByteStore, options: Qcow2Options, tables: MappingTables) {
    this.#store = store;
    this.#header = options.header;
    this.#backing = options.backing;
    this.byteLength = options.byteLength;
    this.readOnly = options.readOnly;
    this.#access = new AccessRules(this);
    this.#compressed = new CompressedClusters(store, options.header);
    this.#tables = tables;
  }

  /**
   * @param store closed with the disk
   * @throws VivariumError `disk/format` when the image contradicts itself
   */
  static async open(store: ByteStore, options: Qcow2Options): Promise<Qcow2Disk> {
    return new Qcow2Disk(store, options, await MappingTables.open(store, options));
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#access.checkRead(offset, into.length);
    const reads: Promise<void>[] = [];
    try {
      for (let done = 0; done < into.length; ) {
        const run = await this.#tables.runAt(offset + done, into.length - done);
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
      const run = this.#tables.tryRunAt(offset + done, into.length - done);
      if (run === null) return false;
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
        const { mapping, byteLength } = await this.#tables.runAt(offset + done, from.length - done);
        const part = from.subarray(done, done + byteLength);
        if (mapping.kind === "data" && mapping.isOwn) {
          writes.push(this.#writeInPlace(mapping.offset + this.#within(offset + done), part));
          done += byteLength;
        } else {
          done += await this.#tables.change(() => this.#writeAnew(offset + done, part));
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
        await this.#tables.change(() => this.#zeroClusters(start, length, unmap));
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
      if (isWhole) await this.#tables.change(() => this.#zeroClusters(start, length, true));
    });
  }

  async flush(): Promise<void> {
    this.#access.checkOpen();
    if (!this.readOnly) await this.#tables.writeBack();
  }

  async close(): Promise<void> {
    if (!this.#access.close()) return;
    try {
      if (!this.readOnly) await this.#tables.writeBack();
    } finally {
      await Promise.all([this.#store.close(), this.#backing?.close()]);
    }
  }

  // ---- Reading ----

  #within(offset: number): number {
    return offset % this.#header.clusterByteLength;
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
      const { mapping, byteLength: length } = await this.#tables.runAt(offset + done, byteLength - done);
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
    if (this.#tables.areIn(first, count)) throw badFormat(`has contents where its tables are, at ${hostOffset}`);
    return this.#tables.hold(this.#store.write(hostOffset, from));
  }

  /**
   * Writes to clusters that cannot be written in place, all of one L2 table: they get new ones, and where the write
   * covers them in part, the rest of what they read as. Under the lock.
   *
   * @returns how many bytes of `from` were written
   */
  async #writeAnew(offset: number, from: Uint8Array): Promise<number> {
    const { clusterByteLength } = this.#header;
    const { mapping, byteLength } = await this.#tables.runAt(offset, Math.min(from.length, PIECE_CLUSTER_BYTES));
    // Somebody else has given it its cluster meanwhile.
    if (mapping.kind === "data" && mapping.isOwn) {
      await this.#writeInPlace(mapping.offset + this.#within(offset), from.subarray(0, byteLength));
      return byteLength;
    }
    const cluster = Math.floor(offset / clusterByteLength);
    const wantedCount = Math.ceil((this.#within(offset) + byteLength) / clusterByteLength);
    const table = await this.#tables.own(cluster);
    const target = await this.#placeFor(mapping, wantedCount);
    const length = Math.min(byteLength, target.count * clusterByteLength - this.#within(offset));
    const contents = await this.#completed(offset, from.subarray(0, length));
    await this.#store.write(target.cluster * clusterByteLength, contents);
    for (let index = 0; index < contents.length / clusterByteLength; index++) {
      this.#tables.replace(table, cluster + index, ownEntry((target.cluster + index) * clusterByteLength));
    }
    await this.#tables.relieve();
    return length;
  }

  /** Where the clusters of `mapping` are to be written: where they are if that is theirs, or else in new ones. */
  async #placeFor(mapping: Mapping, count: number): Promise<{ readonly cluster: number; readonly count: number }> {
    if (mapping.kind === "zero" && mapping.offset !== 0 && mapping.isOwn) {
      const cluster = mapping.offset / this.#header.clusterByteLength;
      if (!this.#tables.areIn(cluster, count)) return { cluster, count };
    }
    return this.#tables.allocate(count);
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
      const { mapping, byteLength } = await this.#tables.runAt(offset + done, there.length - done);
      await this.#readRun(mapping, offset + done, there.subarray(done, done + byteLength));
      done += byteLength;
    }
  }

  /** Makes whole clusters read as zeros. Under the lock. @param offset,byteLength within one L2 table */
  async #zeroClusters(offset: number, byteLength: number, unmap: boolean): Promise<void> {
    if (!(await this.#readsAsZeroes(offset, byteLength))) await this.#tables.zero(offset, byteLength, unmap);
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
    const tableByteLength = this.#tables.spanByteLength;
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
}
