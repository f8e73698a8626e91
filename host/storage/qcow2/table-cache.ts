import type { ByteStore } from "../byte-store.js";

/** Tables that are kept in memory at the most: as many as these bytes hold, and no fewer than 16. */
const CACHE_BYTE_LENGTH = 8 << 20;
const CACHE_TABLES_MIN = 16;

/** A cluster of big-endian numbers. */
export interface CachedTable {
  readonly offset: number;
  readonly view: DataView;
  isDirty: boolean;
}

/** Tables of one cluster each, kept in memory as they were read, or as they will be written. */
export class TableCache {
  readonly #store: ByteStore;
  readonly #clusterByteLength: number;
  readonly #maxCount: number;
  /** By offset in the image; the one used last stands last. */
  readonly #tables = new Map<number, CachedTable>();
  readonly #loading = new Map<number, Promise<CachedTable>>();
  #dirtyCount = 0;

  constructor(store: ByteStore, clusterByteLength: number) {
    this.#store = store;
    this.#clusterByteLength = clusterByteLength;
    this.#maxCount = Math.max(CACHE_TABLES_MIN, Math.floor(CACHE_BYTE_LENGTH / clusterByteLength));
  }

  /** Whether so many tables wait to be written that it is time to. */
  get isCrowded(): boolean {
    return this.#dirtyCount > this.#maxCount / 2;
  }

  get hasDirty(): boolean {
    return this.#dirtyCount > 0;
  }

  /** The table at this offset if it is in memory. */
  peek(offset: number): CachedTable | undefined {
    const table = this.#tables.get(offset);
    if (table !== undefined) this.#touch(table);
    return table;
  }

  async get(offset: number): Promise<CachedTable> {
    return this.peek(offset) ?? this.#loading.get(offset) ?? this.#load(offset);
  }

  /** Puts in a table of zeros, to be written. */
  create(offset: number): CachedTable {
    const table = { offset, view: new DataView(new ArrayBuffer(this.#clusterByteLength)), isDirty: false };
    this.#add(table);
    this.markDirty(table);
    return table;
  }

  markDirty(table: CachedTable): void {
    if (table.isDirty) return;
    table.isDirty = true;
    this.#dirtyCount++;
    // It may have been dropped since it was asked for.
    this.#tables.set(table.offset, table);
  }

  /** Forgets a table that is no table any more. */
  drop(offset: number): void {
    const table = this.#tables.get(offset);
    if (table?.isDirty === true) this.#dirtyCount--;
    this.#tables.delete(offset);
  }

  /** Writes what waits to be written. */
  async writeBack(): Promise<void> {
    for (const table of [...this.#tables.values()]) {
      if (!table.isDirty) continue;
      await this.#store.write(table.offset, new Uint8Array(table.view.buffer));
      table.isDirty = false;
      this.#dirtyCount--;
    }
    this.#evict();
  }

  async #load(offset: number): Promise<CachedTable> {
    const loading = this.#read(offset).finally(() => this.#loading.delete(offset));
    this.#loading.set(offset, loading);
    return loading;
  }

  async #read(offset: number): Promise<CachedTable> {
    const bytes = new Uint8Array(this.#clusterByteLength);
    await this.#store.read(offset, bytes);
    // Somebody may have made a new table of it meanwhile.
    const present = this.#tables.get(offset);
    if (present !== undefined) return present;
    const table = { offset, view: new DataView(bytes.buffer), isDirty: false };
    this.#add(table);
    return table;
  }

  #add(table: CachedTable): void {
    this.#tables.set(table.offset, table);
    this.#evict();
  }

  #touch(table: CachedTable): void {
    this.#tables.delete(table.offset);
    this.#tables.set(table.offset, table);
  }

  #evict(): void {
    for (const table of this.#tables.values()) {
      if (this.#tables.size <= this.#maxCount) return;
      if (!table.isDirty) this.#tables.delete(table.offset);
    }
  }
}
