import type { MachineState } from "../machine/machine.js";
import { CHUNK_BYTE_LENGTH, Chunk, type ChunkMap, chunkByteLength, chunkCount } from "../storage/chunk.js";
import type { SavedState } from "../util/schema.js";

/** A machine's state on its way to another thread: its buffers are handed over, not copied once more. */
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
  /** Which chunks are there, in ascending order. */
  readonly indexes: Uint32Array;
  /** Their bytes, one after the other. */
  readonly bytes: Uint8Array;
}

/** @returns the state and the buffers to transfer with it */
export function packState(state: MachineState): { readonly packed: PackedState; readonly transfer: ArrayBuffer[] } {
  const ram = packChunks(state.ram);
  const drives = state.drives.map((drive) => (drive === null ? null : packChunks(drive)));
  const transfer = [ram, ...drives].flatMap((chunks) => (chunks === null ? [] : [chunks.bytes.buffer as ArrayBuffer]));
  const { board, parts, instructions } = state;
  return { packed: { board, parts, ram, drives, instructions }, transfer };
}

export function unpackState({ board, parts, ram, drives, instructions }: PackedState): MachineState {
  return {
    board,
    parts,
    ram: unpackChunks(ram),
    drives: drives.map((drive) => (drive === null ? null : unpackChunks(drive))),
    instructions,
  };
}

function packChunks({ byteLength, chunks }: ChunkMap): PackedChunks {
  const indexes: number[] = [];
  let total = 0;
  for (const [index, chunk] of chunks.entries()) {
    if (chunk === null) continue;
    indexes.push(index);
    total += chunk.byteLength;
  }
  const bytes = new Uint8Array(total);
  let offset = 0;
  for (const index of indexes) {
    const chunk = chunks[index]!;
    bytes.set(chunk.read(), offset);
    offset += chunk.byteLength;
  }
  return { byteLength, indexes: Uint32Array.from(indexes), bytes };
}

function unpackChunks({ byteLength, indexes, bytes }: PackedChunks): ChunkMap {
  const chunks = new Array<Chunk | null>(chunkCount(byteLength)).fill(null);
  for (const [position, index] of indexes.entries()) {
    const start = position * CHUNK_BYTE_LENGTH;
    // Only the last chunk of all can be shorter, and it is the last here too.
    chunks[index] = Chunk.of(bytes.subarray(start, start + chunkByteLength(byteLength, index)));
  }
  return { byteLength, chunks };
}
