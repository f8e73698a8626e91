import { expect, test } from "vitest";
import { RAM_PADDR } from "../../assembly/shared/layout.js";
import { Core } from "../../host/core/core.js";
import { GuestMemory } from "../../host/machine/guest-memory.js";
import { CHUNK_BYTE_LENGTH, Chunk, type ChunkMap } from "../../host/storage/chunk.js";
import { core as coreModule } from "./test-machine.js";

const CHUNK_COUNT = 4;
const BYTE_LENGTH = CHUNK_COUNT * CHUNK_BYTE_LENGTH;
const paddrOf = (chunk: number) => RAM_PADDR + chunk * CHUNK_BYTE_LENGTH;

/** RAM that was restored with chunks of ones; `loaded` has those that were brought in. */
async function restored() {
  const core = await Core.create({
    module: await coreModule(),
    memoryByteLength: BYTE_LENGTH,
    hartCount: 1,
    mmio: { read: () => -1, write: () => false },
    hostFirmware: false,
  });
  const memory = new GuestMemory(core, (error) => expect.unreachable(String(error)));
  const loaded: number[] = [];
  const chunks = Array.from({ length: CHUNK_COUNT }, (_, index) =>
    Chunk.stored(CHUNK_BYTE_LENGTH, () => {
      loaded.push(index);
      return new Uint8Array(CHUNK_BYTE_LENGTH).fill(1);
    }),
  );
  const contents: ChunkMap = { byteLength: BYTE_LENGTH, chunks };
  memory.restore(contents);
  return { ram: core.ram, memory, contents, loaded };
}

test("guest memory: what is made zero before it was touched is never brought in, and is zero", async () => {
  const { ram, memory, contents, loaded } = await restored();
  ram.zero(paddrOf(1), 2 * CHUNK_BYTE_LENGTH);
  expect(memory.usage()).toEqual({ touchedByteLength: 2 * CHUNK_BYTE_LENGTH, residentByteLength: 0 });
  expect(memory.capture().chunks.map((chunk) => chunk !== null)).toEqual([true, false, false, true]);
  expect(ram.view(paddrOf(0), BYTE_LENGTH).reduce((sum, byte) => sum + byte, 0)).toBe(2 * CHUNK_BYTE_LENGTH);
  expect(loaded).toEqual([0, 3]);
  // Others may go on from the same contents.
  expect(contents.chunks.includes(null as never)).toBe(false);
});

test("guest memory: of a chunk that is made zero in part, the rest stays what it was", async () => {
  const { ram, loaded } = await restored();
  const half = CHUNK_BYTE_LENGTH / 2;
  ram.zero(paddrOf(1) + half, CHUNK_BYTE_LENGTH);
  expect(ram.view(paddrOf(1), half).every((byte) => byte === 1)).toBe(true);
  expect(ram.view(paddrOf(1) + half, CHUNK_BYTE_LENGTH).every((byte) => byte === 0)).toBe(true);
  expect(ram.view(paddrOf(2) + half, half).every((byte) => byte === 1)).toBe(true);
  expect(loaded).toEqual([1, 2]);
});

test("guest memory: what is made zero counts as zero although it was written before", async () => {
  const { ram, memory } = await restored();
  ram.write(paddrOf(2), Uint8Array.of(7));
  ram.zero(paddrOf(0), BYTE_LENGTH);
  expect(ram.view(paddrOf(0), BYTE_LENGTH).every((byte) => byte === 0)).toBe(true);
  const state = memory.capture();
  expect(state.chunks[2]?.read().every((byte) => byte === 0) ?? true).toBe(true);
});
