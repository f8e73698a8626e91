import { describe, expect, test } from "vitest";
import { MemoryBlockBackend } from "../../host/storage/memory.js";
import { MemoryStore } from "../../host/storage/memory-store.js";
import { OverlayDisk } from "../../host/storage/overlay.js";
import { RawDisk } from "../../host/storage/raw.js";
import { blockBackendContract } from "../contracts/block-backend-contract.js";

const BLOCK = 4096;

blockBackendContract("overlay", {
  create: async (contents, { readOnly }) => {
    if (readOnly) return new MemoryBlockBackend(contents, { readOnly });
    return new OverlayDisk(new MemoryBlockBackend(contents, { readOnly: true }), new MemoryStore());
  },
});

blockBackendContract("raw over a store", {
  create: async (contents, options) => new RawDisk(MemoryStore.of(contents), options),
});

/** A disk that counts what is read of it. */
class CountingBase extends MemoryBlockBackend {
  byteCount = 0;

  override async read(offset: number, into: Uint8Array): Promise<void> {
    this.byteCount += into.length;
    await super.read(offset, into);
  }
}

describe("overlay", () => {
  test("whole blocks are written without reading the base, which stays as it is", async () => {
    const contents = new Uint8Array(4 * BLOCK).fill(1);
    const base = new CountingBase(contents, { readOnly: true });
    const disk = new OverlayDisk(base, new MemoryStore());
    await disk.write(BLOCK, new Uint8Array(2 * BLOCK).fill(2));
    expect(base.byteCount).toBe(0);
    expect(contents.every((byte) => byte === 1)).toBe(true);
  });

  test("parts of one block, written at a time, are all there afterwards", async () => {
    const disk = new OverlayDisk(new MemoryBlockBackend(new Uint8Array(BLOCK).fill(9)), new MemoryStore());
    await Promise.all(
      [0, 1, 2, 3, 5, 6, 7].map((sector) => disk.write(sector * 512, new Uint8Array(512).fill(sector))),
    );
    const into = new Uint8Array(BLOCK);
    await disk.read(0, into);
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((sector) => into[sector * 512])).toEqual([0, 1, 2, 3, 9, 5, 6, 7]);
  });

  test("a short last block is whole", async () => {
    const base = new CountingBase(new Uint8Array(BLOCK + 512));
    const disk = new OverlayDisk(base, new MemoryStore());
    await disk.write(BLOCK, new Uint8Array(512).fill(3));
    expect(base.byteCount).toBe(0);
    const into = new Uint8Array(512);
    await disk.read(BLOCK, into);
    expect(into.every((byte) => byte === 3)).toBe(true);
  });
});
