import { Chunk, type ChunkMap, chunkByteLength, chunkCount } from "../storage/chunk.js";
import { dataView, isZero, toHex } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";
import { damagedFile } from "./damaged.js";
import type { Database, FileServices, Row, Statement } from "./database.js";

/** Chunks that are compressed at a time, while the machine has its turn. */
const BATCH = 32;
/** In a list of chunks: four bytes a chunk, 0 for zeros. */
const ID_BYTE_LENGTH = 4;
const HASH_BYTE_LENGTH = 32;
const ID_MAX = 0xffff_ffff;
/** A captured disk has at most so many bytes: its list of chunks is in memory as a whole. */
const CONTENTS_BYTE_LENGTH_MAX = 64 * 2 ** 30;

/** What a `write` in progress has put into the file, to be known of only when it is committed. */
export interface ChunkWrite {
  readonly ids: Map<Chunk, number>;
  /** Chunks new to the file. */
  added: number;
  addedByteLength: number;
}

/** A write that has put nothing into the file yet. */
export function noWrite(): ChunkWrite {
  return { ids: new Map(), added: 0, addedByteLength: 0 };
}

/**
 * The chunks in a machine file: compressed, each once whoever has it, known by the SHA-256 of their contents.
 *
 * A chunk that a machine got from here is read when it is needed, so it stays in the file as long as somebody has it.
 */
export class ChunkStore {
  readonly #services: FileServices;
  readonly #ids = new WeakMap<Chunk, number>();
  readonly #chunks = new Map<number, WeakRef<Chunk>>();
  /** Chunks that no snapshot had when they were looked at last, while a machine could still read them. */
  readonly #spared = new Set<number>();
  readonly #read: Statement;
  readonly #find: Statement;
  readonly #insert: Statement;
  readonly #all: Statement;
  readonly #allHashes: Statement;
  readonly #delete: Statement;

  constructor(database: Database, services: FileServices) {
    this.#services = services;
    this.#read = database.prepare("SELECT hash, byte_length, packed FROM chunk WHERE id = ?");
    this.#find = database.prepare("SELECT id FROM chunk WHERE hash = ?");
    this.#insert = database.prepare("INSERT INTO chunk (hash, byte_length, packed) VALUES (?, ?, ?) RETURNING id");
    this.#all = database.prepare("SELECT id, length(packed) AS packed_length FROM chunk");
    this.#allHashes = database.prepare("SELECT id, hash FROM chunk");
    this.#delete = database.prepare("DELETE FROM chunk WHERE id = ?");
  }

  /**
   * Writes what of `contents` the file does not have. Within a transaction.
   *
   * @returns the list of its chunks for the file, compressed
   */
  async write(contents: ChunkMap, written: ChunkWrite): Promise<Uint8Array> {
    if (contents.byteLength > CONTENTS_BYTE_LENGTH_MAX) {
      const message = `a disk of ${contents.byteLength} bytes cannot be saved; at most ${CONTENTS_BYTE_LENGTH_MAX} can`;
      throw new VivariumError("snapshot/too-large", message, { byteLength: contents.byteLength });
    }
    const unknown = contents.chunks.filter((chunk) => chunk !== null && this.#idOf(chunk, written) === undefined);
    for (let start = 0; start < unknown.length; start += BATCH) {
      await this.#writeBatch(unknown.slice(start, start + BATCH) as Chunk[], written);
    }
    const list = new Uint8Array(contents.chunks.length * ID_BYTE_LENGTH);
    const view = dataView(list);
    for (const [index, chunk] of contents.chunks.entries()) {
      if (chunk !== null) view.setUint32(index * ID_BYTE_LENGTH, this.#idOf(chunk, written)!, true);
    }
    return this.#services.deflate(list);
  }

  /** The write was committed: its chunks need not stay in memory. */
  settle({ ids }: ChunkWrite): void {
    for (const [chunk, id] of ids) {
      this.#ids.set(chunk, id);
      if (id === 0) {
        chunk.settle(() => new Uint8Array(chunk.byteLength));
        continue;
      }
      if (this.#chunks.get(id)?.deref() === undefined) this.#chunks.set(id, new WeakRef(chunk));
      chunk.settle(() => this.#load(id, chunk.byteLength));
    }
  }

  /**
   * Contents by their list of chunks, each to be read when it is needed.
   *
   * @throws VivariumError `file/damaged`
   */
  read(list: Uint8Array, byteLength: number): ChunkMap {
    const chunks = this.ids(list, byteLength).map((id, index) =>
      id === 0 ? null : this.#chunk(id, chunkByteLength(byteLength, index)),
    );
    return { byteLength, chunks };
  }

  /** The numbers in a list of chunks, 0 for zeros. @throws VivariumError `file/damaged` */
  ids(list: Uint8Array, byteLength: number): number[] {
    if (byteLength < 0 || byteLength > CONTENTS_BYTE_LENGTH_MAX) throw damagedFile(`contents of ${byteLength} bytes`);
    const count = chunkCount(byteLength);
    const view = dataView(this.#inflate(list, count * ID_BYTE_LENGTH, "a list of chunks"));
    return Array.from({ length: count }, (_, index) => view.getUint32(index * ID_BYTE_LENGTH, true));
  }

  /** The hash of each chunk in a list, one after the other; zeros for a chunk of zeros. @throws VivariumError `file/damaged` */
  hashes(list: Uint8Array, byteLength: number): Uint8Array {
    const ids = this.ids(list, byteLength);
    const known = new Map(this.#allHashes.all().map(({ id, hash }) => [Number(id), hash as Uint8Array]));
    const hashes = new Uint8Array(ids.length * HASH_BYTE_LENGTH);
    for (const [index, id] of ids.entries()) {
      if (id === 0) continue;
      const hash = known.get(id);
      if (hash?.length !== HASH_BYTE_LENGTH) throw damagedFile(`chunk ${id} is missing`);
      hashes.set(hash, index * HASH_BYTE_LENGTH);
    }
    return hashes;
  }

  /** Compressed length of every chunk in the file, by number. */
  packedLengths(): ReadonlyMap<number, number> {
    return new Map(this.#all.all().map(({ id, packed_length }) => [Number(id), Number(packed_length)]));
  }

  /** Whether `sweep` has spared something. */
  get hasSpared(): boolean {
    return this.#spared.size > 0;
  }

  /** Deletes what no snapshot has. No machine can read from here afterwards. */
  sweepAll(used: ReadonlySet<number>): void {
    this.#chunks.clear();
    this.sweep(this.packedLengths().keys(), used);
  }

  /**
   * Deletes those of `candidates`, and of what was spared before, that no snapshot has, by `used`. What a machine still
   * reads from here is spared.
   */
  sweep(candidates: Iterable<number>, used: ReadonlySet<number>): void {
    for (const id of new Set([...candidates, ...this.#spared])) {
      this.#spared.delete(id);
      if (id === 0 || used.has(id)) continue;
      if (this.#chunks.get(id)?.deref() !== undefined) {
        this.#spared.add(id);
        continue;
      }
      this.#delete.run(id);
      this.#chunks.delete(id);
    }
  }

  async #writeBatch(batch: readonly Chunk[], written: ChunkWrite): Promise<void> {
    const wanted: { readonly chunk: Chunk; readonly hash: Uint8Array; readonly packed: Promise<Uint8Array> }[] = [];
    const inBatch = new Map<string, Chunk>();
    const twins: (readonly [Chunk, Chunk])[] = [];
    for (const chunk of batch) {
      const bytes = chunk.read();
      if (isZero(bytes)) {
        written.ids.set(chunk, 0);
        continue;
      }
      const hash = this.#services.digest(bytes);
      const key = toHex(hash);
      const twin = inBatch.get(key);
      const known = this.#find.get(hash);
      if (known !== null) written.ids.set(chunk, Number(known.id));
      else if (twin !== undefined) twins.push([chunk, twin]);
      else {
        inBatch.set(key, chunk);
        wanted.push({ chunk, hash, packed: this.#services.deflate(bytes) });
      }
    }
    const packed = await Promise.all(wanted.map((each) => each.packed));
    for (const [index, { chunk, hash }] of wanted.entries()) {
      const id = Number(this.#insert.get(hash, chunk.byteLength, packed[index]!)!.id);
      if (id > ID_MAX) throw new VivariumError("snapshot/too-large", "the file has more chunks than it can number");
      written.ids.set(chunk, id);
      written.added++;
      written.addedByteLength += packed[index]!.length;
    }
    for (const [chunk, twin] of twins) written.ids.set(chunk, written.ids.get(twin)!);
    await this.#services.yield();
  }

  #idOf(chunk: Chunk, written: ChunkWrite): number | undefined {
    return this.#ids.get(chunk) ?? written.ids.get(chunk);
  }

  /** The chunk of that number: one for all who ask. */
  #chunk(id: number, byteLength: number): Chunk {
    const known = this.#chunks.get(id)?.deref();
    if (known !== undefined && known.byteLength === byteLength) return known;
    const chunk = Chunk.stored(byteLength, () => this.#load(id, byteLength));
    this.#ids.set(chunk, id);
    this.#chunks.set(id, new WeakRef(chunk));
    return chunk;
  }

  #load(id: number, byteLength: number): Uint8Array {
    const row: Row | null = this.#read.get(id);
    if (row === null) throw damagedFile(`chunk ${id} is missing`);
    const { hash, packed } = row;
    if (row.byte_length !== byteLength || !(hash instanceof Uint8Array) || !(packed instanceof Uint8Array)) {
      throw damagedFile(`chunk ${id} is not one of ${byteLength} bytes`);
    }
    const bytes = this.#inflate(packed, byteLength, `chunk ${id}`);
    if (!isSame(this.#services.digest(bytes), hash)) throw damagedFile(`chunk ${id} is not what was written`);
    return bytes;
  }

  #inflate(packed: Uint8Array, byteLength: number, what: string): Uint8Array {
    try {
      return this.#services.inflate(packed, byteLength);
    } catch {
      throw damagedFile(`${what} cannot be decompressed`);
    }
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
