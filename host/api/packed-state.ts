import type { MachineState } from "../machine/machine.js";
import { Chunk, type ChunkMap, type ChunkPlace, chunkByteLength, chunkCount } from "../storage/chunk.js";
import type { SavedState } from "../util/schema.js";

/** A machine's state on its way to another thread. */
export interface PackedState {
  readonly board: SavedState;
  readonly parts: ReadonlyMap<string, SavedState>;
  readonly ram: PackedChunks;
  readonly drives: readonly (PackedChunks | null)[];
  readonly instructions: bigint;
}

/** Contents without the chunks that are zero. */
export interface PackedChunks {
  readonly byteLength: number;
  /** By which a thread that has unpacked them before knows them again; null for contents that one machine takes over. */
  readonly name: string | null;
  /** Where the bytes are: shared memory, or buffers that are handed over. */
  readonly buffers: readonly (ArrayBuffer | SharedArrayBuffer)[];
  /** Three numbers a chunk: its index, the number of its buffer, where in there it begins. */
  readonly places: Uint32Array;
}

const NUMBERS_PER_PLACE = 3;

/**
 * Packs states for other threads. Where threads can share memory, a chunk is copied there once, for this machine and all
 * that go on from it; a page that is not isolated can share none, and each state is a copy.
 */
export class StatePacker {
  readonly #canShare = typeof SharedArrayBuffer !== "undefined";
  #places = new WeakMap<Chunk, ChunkPlace>();
  readonly #newName: (() => string) | null;
  /** Contents by name, for as long as a machine has them. */
  readonly #unpacked = new Map<string, WeakRef<ChunkMap>>();

  /**
   * @param newName a name that nobody has given yet, in any thread; for a thread of many machines, in which those that go
   *   on from one state have its chunks in common
   */
  constructor(newName: (() => string) | null = null) {
    this.#newName = newName;
  }

  /** Once for each of `count` machines. */
  pack(state: MachineState, count: number): readonly PackedState[] {
    if (!this.#canShare) return Array.from({ length: count }, () => this.#pack(state));
    return new Array<PackedState>(count).fill(this.#pack(state));
  }

  unpack({ board, parts, ram, drives, instructions }: PackedState): MachineState {
    const unpacked = drives.map((drive) => (drive === null ? null : this.#unpackChunks(drive)));
    return { board, parts, ram: this.#unpackChunks(ram), drives: unpacked, instructions };
  }

  #pack({ board, parts, ram, drives, instructions }: MachineState): PackedState {
    const packed = drives.map((drive) => (drive === null ? null : this.#packChunks(drive)));
    return { board, parts, ram: this.#packChunks(ram), drives: packed, instructions };
  }

  #packChunks(contents: ChunkMap): PackedChunks {
    // Buffers that are not shared go away with what they are packed for.
    if (!this.#canShare) this.#places = new WeakMap();
    this.#placeNewChunks(contents);
    const name = this.#canShare ? (this.#newName?.() ?? null) : null;
    return { byteLength: contents.byteLength, name, ...this.#encodePlaces(contents) };
  }

  /** Copies what has no place yet into a buffer of its own. */
  #placeNewChunks({ chunks }: ChunkMap): void {
    const added = new Set(chunks.filter((chunk) => chunk !== null && this.#placeOf(chunk) === undefined) as Chunk[]);
    let byteLength = 0;
    for (const chunk of added) byteLength += chunk.byteLength;
    const buffer = this.#canShare ? new SharedArrayBuffer(byteLength) : new ArrayBuffer(byteLength);
    const bytes = new Uint8Array(buffer);
    let offset = 0;
    for (const chunk of added) {
      const contents = bytes.subarray(offset, offset + chunk.byteLength);
      contents.set(chunk.read());
      this.#places.set(chunk, { buffer, offset });
      // From now on the machine itself has the chunk there, too.
      if (this.#canShare && chunk.isInMemory) chunk.settle(() => contents);
      offset += chunk.byteLength;
    }
  }

  /** Without an iterator, as everything that is done for each of a machine's chunks when it is forked. */
  #encodePlaces({ chunks }: ChunkMap): Pick<PackedChunks, "buffers" | "places"> {
    const numbers = new Map<ChunkPlace["buffer"], number>();
    const encoded = new Uint32Array(chunks.length * NUMBERS_PER_PLACE);
    let length = 0;
    for (let index = 0; index < chunks.length; index++) {
      const chunk = chunks[index] ?? null;
      if (chunk === null) continue;
      const { buffer, offset } = this.#placeOf(chunk)!;
      if (!numbers.has(buffer)) numbers.set(buffer, numbers.size);
      encoded[length++] = index;
      encoded[length++] = numbers.get(buffer)!;
      encoded[length++] = offset;
    }
    return { buffers: [...numbers.keys()], places: encoded.slice(0, length) };
  }

  #unpackChunks(packed: PackedChunks): ChunkMap {
    const { name } = packed;
    const known = name === null ? undefined : this.#unpacked.get(name)?.deref();
    if (known !== undefined) return known;
    const contents = this.#newContents(packed);
    if (name !== null) this.#remember(name, contents);
    return contents;
  }

  #remember(name: string, contents: ChunkMap): void {
    for (const [each, reference] of this.#unpacked) if (reference.deref() === undefined) this.#unpacked.delete(each);
    this.#unpacked.set(name, new WeakRef(contents));
  }

  #newContents({ byteLength, buffers, places }: PackedChunks): ChunkMap {
    const chunks = new Array<Chunk | null>(chunkCount(byteLength)).fill(null);
    for (let at = 0; at < places.length; at += NUMBERS_PER_PLACE) {
      const index = places[at]!;
      chunks[index] = this.#chunkAt(buffers[places[at + 1]!]!, places[at + 2]!, chunkByteLength(byteLength, index));
    }
    return { byteLength, chunks };
  }

  /** Where memory is shared, without a view of each: making thousands takes as long as all else that a fork needs. */
  #chunkAt(buffer: ChunkPlace["buffer"], offset: number, byteLength: number): Chunk {
    if (this.#canShare) return Chunk.shared(byteLength, buffer, offset);
    return Chunk.of(new Uint8Array(buffer, offset, byteLength));
  }

  #placeOf(chunk: Chunk): ChunkPlace | undefined {
    return chunk.place ?? this.#places.get(chunk);
  }
}

/** The buffers that a state hands over when it is posted; shared ones stay. */
export function buffersOf({ ram, drives }: PackedState): ArrayBuffer[] {
  const buffers = [ram, ...drives].flatMap((chunks) => chunks?.buffers ?? []);
  return buffers.filter((buffer) => buffer instanceof ArrayBuffer);
}
