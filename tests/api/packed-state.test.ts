import { expect, test } from "vitest";
import { type PackedState, StatePacker } from "../../host/api/packed-state.js";
import type { MachineState } from "../../host/machine/machine-state.js";
import { CHUNK_BYTE_LENGTH, Chunk } from "../../host/storage/chunk.js";

const BYTE_LENGTH = 4 * CHUNK_BYTE_LENGTH;
const STATE: MachineState = {
  board: {},
  parts: new Map(),
  ram: { byteLength: BYTE_LENGTH, chunks: [chunkOf(1), null, chunkOf(2), null] },
  drives: [],
  instructions: 0n,
} as unknown as MachineState;

function chunkOf(value: number): Chunk {
  return Chunk.of(new Uint8Array(CHUNK_BYTE_LENGTH).fill(value));
}

let lastName = 0;
const named = () => new StatePacker(() => `name ${++lastName}`);
/** As another thread gets it. */
const sent = (packed: PackedState): PackedState => structuredClone(packed);
const contentsOf = ({ ram }: MachineState) => ram.chunks.map((chunk) => chunk?.read()[0] ?? null);

test("packed state: machines of one thread that go on from one state have its chunks in common", () => {
  const [first, second] = named().pack(STATE, 2);
  const receiver = named();
  const [a, b] = [receiver.unpack(sent(first!)), receiver.unpack(sent(second!))];
  expect(contentsOf(a)).toEqual([1, null, 2, null]);
  expect(b.ram).toBe(a.ram);
});

test("packed state: another state is another one", () => {
  const packer = named();
  const receiver = named();
  const a = receiver.unpack(sent(packer.pack(STATE, 1)[0]!));
  const later = { ...STATE, ram: { byteLength: BYTE_LENGTH, chunks: [null, null, null, chunkOf(3)] } };
  expect(contentsOf(receiver.unpack(sent(packer.pack(later, 1)[0]!)))).toEqual([null, null, null, 3]);
  expect(contentsOf(a)).toEqual([1, null, 2, null]);
});

test("packed state: a chunk in common does not go to the file of one of its machines, which may be deleted", () => {
  const receiver = named();
  const { ram } = receiver.unpack(sent(named().pack(STATE, 1)[0]!));
  ram.chunks[0]!.settle(() => {
    throw new Error("the file is gone");
  });
  expect(ram.chunks[0]!.read()[0]).toBe(1);
});
