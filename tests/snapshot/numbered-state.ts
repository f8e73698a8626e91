/** States that can be told from each other, and from a mixture of two, without a machine. */

import { boardSchema } from "../../host/machine/board-state.js";
import type { MachineState } from "../../host/machine/machine-state.js";
import { CHUNK_BYTE_LENGTH, Chunk } from "../../host/storage/chunk.js";
import { encode, schema, uint } from "../../host/util/schema.js";

export const CHUNKS = 384;
const MIB = 1024 * 1024;
const numberSchema = schema("number", 1, { number: uint("which state this is", Number.MAX_SAFE_INTEGER) });

/** State `number`: its chunks follow from it, every fourth of them from `number` alone, the others change seldom. */
export function numberedState(number: number): MachineState {
  const chunks = Array.from({ length: (8 * MIB) / CHUNK_BYTE_LENGTH }, (_, index) =>
    index < CHUNKS ? Chunk.of(chunkBytes(number, index)) : null,
  );
  return {
    board: encode(boardSchema, {
      hartCount: 1,
      memoryByteLength: 8 * MIB,
      clock: "virtual",
      virtio: "modern",
      firmware: "guest",
      htif: null,
      ports: [],
      drives: [],
      entropySourceCount: 1,
      networks: [],
      shares: [],
      socketCids: [],
      balloonCount: 0,
      inputs: [],
    }),
    parts: new Map([["number", encode(numberSchema, { number })]]),
    ram: { byteLength: 8 * MIB, chunks },
    drives: [],
    instructions: BigInt(number),
  };
}

/** The number of a state, after a look at every byte. @throws Error when it is not whole */
export function numberOf(state: MachineState): number {
  const number = Number(state.parts.get("number")?.fields.number);
  for (const [index, chunk] of state.ram.chunks.entries()) {
    if (index >= CHUNKS) {
      if (chunk !== null) throw new Error(`state ${number}: chunk ${index} is not empty`);
      continue;
    }
    if (!Buffer.from(chunk!.read()).equals(chunkBytes(number, index))) {
      throw new Error(`state ${number}: chunk ${index} is another state's`);
    }
  }
  return number;
}

function chunkBytes(number: number, index: number): Uint8Array {
  const bytes = new Uint8Array(CHUNK_BYTE_LENGTH);
  const age = index % 4 === 0 ? number : Math.floor(number / (2 + index));
  // Half of it does not compress.
  let word = (age * 0x9e3779b1 + index * 0x85ebca6b) >>> 0 || 1;
  for (let at = 0; at < CHUNK_BYTE_LENGTH / 2; at += 1) {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    bytes[at] = word;
  }
  return bytes;
}
