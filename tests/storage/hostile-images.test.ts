/** Images made to do harm: each ends in an error that says what is wrong, or in a disk that keeps to itself. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { BlockBackend } from "../../host/storage/block-backend.js";
import type { DiskFormat } from "../../host/storage/format.js";
import { MemoryStore } from "../../host/storage/memory-store.js";
import { openImage } from "../../host/storage/open-image.js";
import { VivariumError } from "../../host/util/errors.js";
import { needsQemuImg, qemuImg, qemuIo } from "./qemu-img.js";

const directory = mkdtempSync(join(tmpdir(), "viv-hostile-"));
afterAll(() => rmSync(directory, { recursive: true }));

const MIB = 1 << 20;

function open(bytes: Uint8Array, format: DiskFormat, readOnly = false): Promise<BlockBackend> {
  const source = {
    name: "hostile",
    store: MemoryStore.of(bytes),
    related: () => Promise.reject(new VivariumError("disk/reference", "names another file")),
  };
  return openImage(source, { format, readOnly });
}

let count = 0;
function image(format: string, options: string, ...commands: readonly string[]): Uint8Array {
  const file = join(directory, `${count++}.${format}`);
  qemuImg("create", "-q", "-f", format, "-o", options, file, "1M");
  if (commands.length > 0) qemuIo(file, ...commands);
  return readFileSync(file);
}

/** As qemu-img makes it, with these numbers written over. */
function spoilt(
  bytes: Uint8Array,
  ...spoils: readonly (readonly [offset: number, width: 4 | 8, value: bigint])[]
): Uint8Array {
  const copy = Buffer.from(bytes);
  for (const [offset, width, value] of spoils) {
    if (width === 4) copy.writeUInt32BE(Number(value), offset);
    else copy.writeBigUInt64BE(value, offset);
  }
  return copy;
}

describe("qcow2: impossible numbers are refused when the image is opened", () => {
  const cases: readonly (readonly [what: string, offset: number, width: 4 | 8, value: bigint, message: string])[] = [
    ["a version from a later time", 4, 4, 4n, "is qcow2 version 4; expected 2 or 3"],
    ["clusters of a byte", 20, 4, 0n, "has cluster bits of 0; expected 9 to 21"],
    ["clusters beyond all memory", 20, 4, 63n, "has cluster bits of 63; expected 9 to 21"],
    ["a disk of 2^62 bytes", 24, 8, 1n << 62n, "has a number that is too large"],
    ["a disk of 2^52 bytes", 24, 8, 1n << 52n, "has a larger L1 table than 32 MiB"],
    ["a disk of no bytes", 24, 8, 0n, "has a disk of 0 bytes; expected a multiple of 512"],
    ["encryption", 32, 4, 1n, "is encrypted, which is not supported"],
    ["an L1 table of 32 GiB", 36, 4, 0xffff_ffffn, "has a larger L1 table than 32 MiB"],
    ["an L1 table that is too short", 36, 4, 0n, "has 0 L1 entries, and needs 1"],
    ["an L1 table beyond the file", 40, 8, 1n << 40n, "ends before its L1 table does"],
    ["an L1 table off its place", 40, 8, 12345n, "has its L1 table at 12345"],
    ["a refcount table of 16 GiB", 56, 4, 0xffff_ffffn, "has a refcount table of an impossible size"],
    ["a refcount table of nothing", 56, 4, 0n, "has a refcount table of an impossible size"],
    ["ever so many snapshots", 60, 4, 0xffff_ffffn, "has its snapshot table at 0"],
    ["an external data file", 72, 8, 4n, "uses an external data file, which is not supported"],
    ["unknown features", 72, 8, 1n << 40n, "uses features from a later time, which is not supported"],
    ["counts of 2^31 bits", 96, 4, 31n, "has refcount order of 31; expected 0 to 6"],
    ["a header longer than the file", 100, 4, 0xffff_fff8n, "has header length of 4294967288"],
  ];
  test.for(cases)("%s", async ([, offset, width, value, message], context) => {
    needsQemuImg(context);
    const bytes = image("qcow2", "cluster_size=4k");
    await expect(open(spoilt(bytes, [offset, width, value]), "qcow2")).rejects.toThrow(message);
  });

  test("two L1 entries for one table, and a table in the header's place", async (context) => {
    needsQemuImg(context);
    const bytes = Buffer.from(image("qcow2", "cluster_size=512", "write -q -P 1 0 512"));
    const l1 = Number(bytes.readBigUInt64BE(40));
    const l2 = bytes.readBigUInt64BE(l1);
    await expect(open(spoilt(bytes, [l1 + 8, 8, l2]), "qcow2")).rejects.toThrow("has two tables at");
    await expect(open(spoilt(bytes, [l1 + 8, 8, 1n << 63n]), "qcow2")).resolves.toBeDefined();
    await expect(open(spoilt(bytes, [l1 + 8, 8, BigInt(l1)]), "qcow2")).rejects.toThrow("has two tables at");
  });
});

describe("qcow2: an image that was not closed, whose tables stand for each other", () => {
  const DIRTY = 1n;

  test("snapshots that share one L1 table are refused before they are counted", async (context) => {
    needsQemuImg(context);
    const file = join(directory, "snapshots.qcow2");
    qemuImg("create", "-q", "-f", "qcow2", "-o", "cluster_size=64k", file, "1M");
    for (const name of ["a", "b"]) qemuImg("snapshot", "-c", name, file);
    const bytes = readFileSync(file);
    await expect(open(spoilt(bytes, [72, 8, DIRTY]), "qcow2")).resolves.toBeDefined();
    const first = Number(bytes.readBigUInt64BE(64));
    const byteLength =
      40 + bytes.readUInt32BE(first + 36) + bytes.readUInt16BE(first + 12) + bytes.readUInt16BE(first + 14);
    const second = first + Math.ceil(byteLength / 8) * 8;
    const shared = spoilt(bytes, [72, 8, DIRTY], [second, 8, bytes.readBigUInt64BE(first)]);
    await expect(open(shared, "qcow2")).rejects.toThrow("has two tables at");
  });
});

describe("qcow2: what a guest writes never reaches header and tables", () => {
  test.each([
    ["the header", 0x8000_0000_0000_0000n],
    ["the L1 table", null],
  ])("where an entry says that its contents are in %s", async (_what, place) => {
    const bytes = Buffer.from(image("qcow2", "cluster_size=4k", "write -q -P 1 0 4k"));
    const l1 = Number(bytes.readBigUInt64BE(40));
    const l2 = Number(bytes.readBigUInt64BE(l1) & 0x00ff_ffff_ffff_fe00n);
    // The header's own offset, 0, would mean that there is no cluster.
    const entry = place === null ? (1n << 63n) | BigInt(l1) : place;
    const store = MemoryStore.of(spoilt(bytes, [l2, 8, entry]));
    const source = { name: "hostile", store, related: () => Promise.reject(new Error()) };
    const disk = await openImage(source, { format: "qcow2", readOnly: false });
    const before = new Uint8Array(4096);
    await store.read(0, before);
    await disk.write(0, new Uint8Array(4096).fill(0xee)).catch((error: unknown) => {
      expect(String(error)).toContain("has contents where its tables are");
    });
    await disk.flush();
    const after = new Uint8Array(4096);
    await store.read(0, after);
    expect(Buffer.compare(after.subarray(0, 48), before.subarray(0, 48))).toBe(0);
    const table = new Uint8Array(8);
    await store.read(l1, table);
    expect(table).not.toEqual(new Uint8Array(8).fill(0xee));
  });

  test("where the counts say that everything is free", async (context) => {
    needsQemuImg(context);
    const bytes = Buffer.from(image("qcow2", "cluster_size=512,refcount_bits=16"));
    const block = Number(bytes.readBigUInt64BE(Number(bytes.readBigUInt64BE(48))));
    bytes.fill(0, block, block + 512);
    const store = MemoryStore.of(bytes);
    const source = { name: "hostile", store, related: () => Promise.reject(new Error()) };
    const disk = await openImage(source, { format: "qcow2", readOnly: false });
    const expected = new Uint8Array(100 * 512).map((_, index) => index >> 9);
    await disk.write(0, expected);
    await disk.flush();
    const read = new Uint8Array(expected.length);
    await disk.read(0, read);
    expect(Buffer.compare(read, expected)).toBe(0);
    const header = new Uint8Array(104);
    await store.read(0, header);
    expect(Buffer.compare(header.subarray(0, 48), bytes.subarray(0, 48))).toBe(0);
  });
});

describe("however an image is spoilt, it ends in an error or a disk, soon", () => {
  const kinds: readonly (readonly [format: DiskFormat, options: string, commands: readonly string[]])[] = [
    ["qcow2", "cluster_size=512", ["write -q -P 1 0 64k", "write -q -z 128k 64k", "write -q -c -P 2 256k 64k"]],
    ["qcow2", "cluster_size=64k,lazy_refcounts=on", ["write -q -P 1 0 256k"]],
    ["vmdk", "subformat=monolithicSparse", ["write -q -P 1 0 256k"]],
    ["vhdx", "subformat=dynamic,block_size=1M", ["write -q -P 1 0 256k"]],
  ];
  test.for(kinds)("%s, %s", async ([format, options, commands], context) => {
    needsQemuImg(context);
    const bytes = image(format, options, ...commands);
    // Most of an image is its contents: what matters stands in the first clusters and where those point to.
    const places = format === "vhdx" ? [65536, 131072, 196608, 1 << 20, 2 << 20, 3 << 20] : [0, 512, 65536, 131072];
    const place = fc.oneof(
      fc.nat(Math.min(bytes.length, 8192) - 1),
      fc
        .tuple(fc.constantFrom(...places), fc.nat(600))
        .map(([start, more]) => Math.min(bytes.length - 1, start + more)),
    );
    const value = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255));
    const change = fc.record({ place, value, length: fc.constantFrom(1, 1, 2, 4, 8) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
        const copy = Uint8Array.from(bytes);
        for (const { place: at, value: fill, length } of changes) copy.fill(fill, at, at + length);
        await useAll(copy, format);
      }),
      { numRuns: 150 },
    );
  });
});

/** Opens it, and if that succeeds reads and writes here and there. */
async function useAll(bytes: Uint8Array, format: DiskFormat): Promise<void> {
  let disk: BlockBackend;
  try {
    disk = await open(bytes, format);
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).name).not.toBe("AssertionError");
    return;
  }
  const ignore = () => {};
  const end = Math.min(disk.byteLength, MIB);
  const piece = new Uint8Array(Math.min(32768, end - (end % 512)));
  for (let offset = 0; offset + piece.length <= end; offset += 4 * piece.length) {
    await disk.read(offset, piece).catch(ignore);
    if (disk.readOnly) continue;
    await disk.write(offset, piece.subarray(0, 512)).catch(ignore);
    await disk.writeZeroes(offset, piece.length, true).catch(ignore);
  }
  await disk.flush().catch(ignore);
  await disk.close().catch(ignore);
}
