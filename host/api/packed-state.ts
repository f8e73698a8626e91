import type { MachineState } from "../machine/machine.js";
import { Chunk, type ChunkMap, chunkByteLength, chunkCount } from "../storage/chunk.js";
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

interface Place {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  readonly offset: number;
}

/**
 * Packs states for other threads. Where threads can share memory, a chunk is copied there once, for this machine and all
 * that go on from it; a page that is not isolated can share none, and each state is a copy.
 */
export class StatePacker {
  readonly #canShare = typeof SharedArrayBuffer !== "undefined";
  readonly #places = new WeakMap<Chunk, Place>();
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

  #packChunks({ byteLength, chunks }: ChunkMap): PackedChunks {
    const present = chunks.filter((chunk) => chunk !== null);
    const places = new Map(present.flatMap((chunk) => this.#placeOf(chunk)));
    const added = present.filter((chunk) => !places.has(chunk));
    const addedLength = added.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    const buffer = this.#canShare ? new SharedArrayBuffer(addedLength) : new ArrayBuffer(addedLength);
    const bytes = new Uint8Array(buffer);
    let offset = 0;
    for (const chunk of added) {
      const contents = bytes.subarray(offset, offset + chunk.byteLength);
      contents.set(chunk.read());
      places.set(chunk, { buffer, offset });
      if (this.#canShare) this.#share(chunk, { buffer, offset }, contents);
      offset += chunk.byteLength;
    }
    const name = this.#canShare ? (this.#newName?.() ?? null) : null;
    return { byteLength, name, ...encodePlaces(chunks, places) };
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

  #newContents({ byteLength, name, buffers, places }: PackedChunks): ChunkMap {
    const chunks = new Array<Chunk | null>(chunkCount(byteLength)).fill(null);
    for (let at = 0; at < places.length; at += NUMBERS_PER_PLACE) {
      const index = places[at]!;
      const place = { buffer: buffers[places[at + 1]!]!, offset: places[at + 2]! };
      const bytes = new Uint8Array(place.buffer, place.offset, chunkByteLength(byteLength, index));
      const chunk = name === null ? Chunk.of(bytes) : Chunk.shared(bytes);
      if (this.#canShare) this.#places.set(chunk, place);
      chunks[index] = chunk;
    }
    return { byteLength, chunks };
  }

  /** From now on the machine itself has the chunk there, too. */
  #share(chunk: Chunk, place: Place, contents: Uint8Array): void {
    this.#places.set(chunk, place);
    if (chunk.isInMemory) chunk.settle(() => contents);
  }

  #placeOf(chunk: Chunk): [Chunk, Place][] {
    const place = this.#places.get(chunk);
    return place === undefined ? [] : [[chunk, place]];
  }
}

/** The buffers that a state hands over when it is posted; shared ones stay. */
export function buffersOf({ ram, drives }: PackedState): ArrayBuffer[] {
  const buffers = [ram, ...drives].flatMap((chunks) => chunks?.buffers ?? []);
  return buffers.filter((buffer) => buffer instanceof ArrayBuffer);
}

function encodePlaces(
  chunks: readonly (Chunk | null)[],
  places: ReadonlyMap<Chunk, Place>,
): Pick<PackedChunks, "buffers" | "places"> {
  const buffers = [...new Set([...places.values()].map(({ buffer }) => buffer))];
  const numbers = new Map(buffers.map((buffer, number) => [buffer, number]));
  const encoded: number[] = [];
  for (const [index, chunk] of chunks.entries()) {
    if (chunk === null) continue;
    const { buffer, offset } = places.get(chunk)!;
    encoded.push(index, numbers.get(buffer)!, offset);
  }
  return { buffers, places: Uint32Array.from(encoded) };
}
