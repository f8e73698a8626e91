import { describe, expect, test } from "vitest";
import { type BaseImage, CapturedDisk } from "../../host/storage/captured-disk.js";
import { CHUNK_BYTE_LENGTH, Chunk, chunkCount, emptyChunkMap } from "../../host/storage/chunk.js";
import { MemoryBlockBackend } from "../../host/storage/memory.js";
import { blockBackendContract } from "../contracts/block-backend-contract.js";

/** A base in memory that counts what is read of it, and refuses to be written. */
class Base extends MemoryBlockBackend implements BaseImage {
  reads = 0;

  constructor(contents: Uint8Array) {
    super(contents, { readOnly: true });
  }

  override async read(offset: number, into: Uint8Array): Promise<void> {
    this.reads++;
    await super.read(offset, into);
  }

  override readNow(offset: number, into: Uint8Array): void {
    this.reads++;
    super.readNow(offset, into);
  }
}

const BYTE_LENGTH = 3 * CHUNK_BYTE_LENGTH + 1024;
const pattern = () => Uint8Array.from({ length: BYTE_LENGTH }, (_, at) => (at * 7 + (at >> 9)) & 0xff);

async function contentsOf(disk: CapturedDisk): Promise<Uint8Array> {
  const contents = new Uint8Array(disk.byteLength);
  await disk.read(0, contents);
  return contents;
}

blockBackendContract("captured disk over a base", {
  create: async (contents, { readOnly }) => CapturedDisk.over(new Base(contents), readOnly),
});

blockBackendContract("captured disk of chunks", {
  create: async (contents, { readOnly }) =>
    CapturedDisk.of(
      {
        byteLength: contents.length,
        chunks: Array.from({ length: chunkCount(contents.length) }, (_, index) =>
          Chunk.of(contents.slice(index * CHUNK_BYTE_LENGTH, (index + 1) * CHUNK_BYTE_LENGTH)),
        ),
      },
      readOnly,
    ),
});

describe("captured disk", () => {
  test("what is captured does not change with later writes, and shares what was not written", async () => {
    const disk = CapturedDisk.over(new Base(pattern()), false);
    const first = disk.capture();
    await disk.write(CHUNK_BYTE_LENGTH + 512, new Uint8Array(512).fill(1));
    const second = disk.capture();
    await disk.write(CHUNK_BYTE_LENGTH + 512, new Uint8Array(512).fill(2));
    expect(second.chunks.map((chunk, index) => chunk === first.chunks[index])).toEqual([true, false, true, true]);
    expect(await contentsOf(CapturedDisk.of(first, false))).toEqual(pattern());
    const expected = pattern();
    expected.fill(1, CHUNK_BYTE_LENGTH + 512, CHUNK_BYTE_LENGTH + 1024);
    expect(await contentsOf(CapturedDisk.of(second, false))).toEqual(expected);
  });

  test("a write across chunks, and zeros over whole and over parts of chunks", async () => {
    const disk = CapturedDisk.over(new Base(pattern()), false);
    const expected = pattern();
    await disk.write(CHUNK_BYTE_LENGTH - 512, new Uint8Array(CHUNK_BYTE_LENGTH + 1024).fill(9));
    expected.fill(9, CHUNK_BYTE_LENGTH - 512, 2 * CHUNK_BYTE_LENGTH + 512);
    await disk.writeZeroes(CHUNK_BYTE_LENGTH, CHUNK_BYTE_LENGTH + 512, true);
    expected.fill(0, CHUNK_BYTE_LENGTH, 2 * CHUNK_BYTE_LENGTH + 512);
    expect(await contentsOf(disk)).toEqual(expected);
    expect(disk.capture().chunks[1]).toBeNull();
  });

  test("the base is read only where it has to be, and two writes at once to one chunk both stay", async () => {
    const base = new Base(pattern());
    const disk = CapturedDisk.over(base, false);
    await Promise.all([disk.write(0, new Uint8Array(512).fill(1)), disk.write(512, new Uint8Array(512).fill(2))]);
    const expected = pattern();
    expected.fill(1, 0, 512).fill(2, 512, 1024);
    expect(await contentsOf(disk)).toEqual(expected);
    const { reads } = base;
    disk.capture();
    expect(base.reads).toBe(reads);
  });

  test("restored, it has the contents that were captured", async () => {
    const disk = CapturedDisk.of(emptyChunkMap(BYTE_LENGTH), false);
    const state = disk.capture();
    await disk.write(0, new Uint8Array(512).fill(1));
    expect(disk.heldByteLength).toBe(CHUNK_BYTE_LENGTH);
    const [written] = disk.capture().chunks;
    expect(disk.heldByteLength).toBe(CHUNK_BYTE_LENGTH);
    // It has been saved.
    const bytes = written!.read();
    written!.settle(() => bytes);
    expect(disk.heldByteLength).toBe(0);
    disk.restore(state);
    expect(await contentsOf(disk)).toEqual(new Uint8Array(BYTE_LENGTH));
    expect(disk.heldByteLength).toBe(0);
  });
});
