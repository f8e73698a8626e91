/** qcow2 images beside QEMU's: what it writes we read, what we write it reads and finds no fault with. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { openDisk } from "../../host/platform/node/drives.js";
import { FileStore } from "../../host/platform/node/file-store.js";
import type { BlockBackend } from "../../host/storage/block-backend.js";
import { MemoryStore } from "../../host/storage/memory-store.js";
import { createQcow2 } from "../../host/storage/qcow2/create-qcow2.js";
import { openQcow2 } from "../../host/storage/qcow2/open-qcow2.js";
import { blockBackendContract } from "../contracts/block-backend-contract.js";
import { needsQemuImg, qemuImg, qemuIo } from "./qemu-img.js";

const directory = mkdtempSync(join(tmpdir(), "viv-qcow2-"));
afterAll(() => rmSync(directory, { recursive: true }));

const SECTOR = 512;
const MIB = 1 << 20;

let count = 0;
const path = (suffix: string) => join(directory, `${count++}-${suffix}`);
const noBacking = () => Promise.reject(new Error("no backing file was expected"));

/** Bytes that differ from sector to sector, with runs that compress and runs that do not. */
function pattern(byteLength: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: byteLength }, (_, index) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (index >> 12) % 3 === 0 ? state >>> 24 : (index >> 9) & 0xff;
  });
}

async function contentsOf(disk: BlockBackend): Promise<Buffer> {
  const contents = new Uint8Array(disk.byteLength);
  await disk.read(0, contents);
  return Buffer.from(contents);
}

/** What QEMU reads in the image. */
function contentsByQemu(image: string): Buffer {
  const raw = path("by-qemu.raw");
  qemuImg("convert", "-O", "raw", image, raw);
  return readFileSync(raw);
}

blockBackendContract("qcow2 in memory", {
  create: async (contents, { readOnly }) => {
    const store = new MemoryStore();
    await createQcow2(store, { byteLength: contents.length });
    const disk = await openQcow2(store, { readOnly: false, openBacking: noBacking });
    await disk.write(0, contents);
    await disk.flush();
    return readOnly ? openQcow2(store, { readOnly, openBacking: noBacking }) : disk;
  },
});

const VARIANTS: readonly (readonly [what: string, options: string])[] = [
  ["version 2", "compat=0.10"],
  ["version 3", "compat=1.1"],
  ["the smallest clusters", "cluster_size=512"],
  ["the largest clusters", "cluster_size=2M"],
  ["counts of one bit", "refcount_bits=1"],
  ["counts of 64 bits", "refcount_bits=64,cluster_size=4k"],
  ["lazy reference counts", "lazy_refcounts=on"],
  ["preallocated metadata", "preallocation=metadata,cluster_size=4k"],
];

describe.each(VARIANTS)("qcow2 with %s", (_what, options) => {
  test("what QEMU has written is read, what we write QEMU reads and checks", async (context) => {
    needsQemuImg(context);
    const image = path("disk.qcow2");
    const byteLength = 5 * MIB + SECTOR;
    qemuImg("create", "-q", "-f", "qcow2", "-o", options, image, String(byteLength));
    qemuIo(image, "write -q -P 17 100k 300k", "write -q -P 18 3M 1M", "write -q -z 3500k 64k");
    const expected = contentsByQemu(image);
    const disk = await openDisk(image);
    expect((await contentsOf(disk)).equals(expected)).toBe(true);
    for (const [offset, length] of [
      [0, SECTOR],
      [90 * 1024, 200 * 1024],
      [2 * MIB - 3 * SECTOR, 7 * SECTOR],
      [3 * MIB + 4096, MIB],
      [byteLength - SECTOR, SECTOR],
    ] as const) {
      const bytes = pattern(length, offset + 1);
      await disk.write(offset, bytes);
      expected.set(bytes, offset);
    }
    await disk.writeZeroes(MIB, MIB, true);
    expected.fill(0, MIB, 2 * MIB);
    await disk.writeZeroes(120 * 1024 + SECTOR, 20 * 1024, false);
    expected.fill(0, 120 * 1024 + SECTOR, 140 * 1024 + SECTOR);
    expect((await contentsOf(disk)).equals(expected)).toBe(true);
    await disk.close();
    expect(contentsByQemu(image).equals(expected)).toBe(true);
    expect(qemuImg("check", "-f", "qcow2", image)).toContain("No errors were found");
  });
});

test("qcow2: any sequence of operations leaves what an array would hold, and an image without fault", async (context) => {
  needsQemuImg(context);
  const step = fc.record({
    kind: fc.constantFrom("write", "write", "zero", "unmap", "discard", "flush", "reopen"),
    start: fc.nat(2047),
    count: fc.integer({ min: 1, max: 300 }),
    fill: fc.integer({ min: 1, max: 255 }),
  });
  const kinds = fc.constantFrom("cluster_size=512", "cluster_size=4k,refcount_bits=8", "compat=0.10,cluster_size=1k");
  await fc.assert(
    fc.asyncProperty(kinds, fc.array(step, { minLength: 4, maxLength: 25 }), async (options, steps) => {
      const image = path("steps.qcow2");
      qemuImg("create", "-q", "-f", "qcow2", "-o", options, image, "1M");
      const model = new Uint8Array(MIB);
      let disk = await openDisk(image);
      for (const { kind, start, count, fill } of steps) {
        const offset = start * SECTOR;
        const end = Math.min(MIB, offset + count * SECTOR);
        switch (kind) {
          case "write":
            await disk.write(offset, new Uint8Array(end - offset).fill(fill));
            model.fill(fill, offset, end);
            break;
          case "zero":
          case "unmap":
            await disk.writeZeroes(offset, end - offset, kind === "unmap");
            model.fill(0, offset, end);
            break;
          case "discard":
            // Only whole clusters are let go, so what remains is asked for.
            await disk.discard(offset, end - offset);
            await disk.read(offset, model.subarray(offset, end));
            break;
          case "flush":
            await disk.flush();
            break;
          default:
            await disk.close();
            disk = await openDisk(image);
        }
      }
      expect((await contentsOf(disk)).equals(model)).toBe(true);
      await disk.close();
      expect(qemuImg("check", "-q", "-f", "qcow2", image)).toBe("");
      expect(contentsByQemu(image).equals(model)).toBe(true);
    }),
    { numRuns: 12 },
  );
});

test("qcow2: many writes at a time to new clusters do not disturb each other", async (context) => {
  needsQemuImg(context);
  const image = path("parallel.qcow2");
  qemuImg("create", "-q", "-f", "qcow2", image, "16M");
  const disk = await openDisk(image);
  const expected = Buffer.from(pattern(16 * MIB));
  const pieces = Array.from({ length: 1024 }, (_, index) => ((index * 389) % 1024) * 16384);
  await Promise.all(pieces.map((offset) => disk.write(offset, expected.subarray(offset, offset + 16384))));
  expect((await contentsOf(disk)).equals(expected)).toBe(true);
  await disk.close();
  expect(qemuImg("check", image)).toContain("No errors were found");
  expect(contentsByQemu(image).equals(expected)).toBe(true);
});

test("qcow2: the refcount table grows with the image", async (context) => {
  needsQemuImg(context);
  const image = path("grows.qcow2");
  // A table of one cluster of 512 bytes has 64 blocks of 64 counts: 2 MiB of clusters.
  qemuImg("create", "-q", "-f", "qcow2", "-o", "cluster_size=512,refcount_bits=64", image, "12M");
  const disk = await openDisk(image);
  const expected = Buffer.from(pattern(12 * MIB));
  for (let offset = 0; offset < expected.length; offset += MIB / 2) {
    await disk.write(offset, expected.subarray(offset, offset + MIB / 2));
  }
  await disk.close();
  expect(qemuImg("check", image)).toContain("No errors were found");
  expect(contentsByQemu(image).equals(expected)).toBe(true);
});

describe("qcow2: compressed clusters", () => {
  test.for(["zlib", "zstd"])("%s: they are read, written over, and let go", async (type, context) => {
    needsQemuImg(context);
    const source = path("source.raw");
    const contents = Buffer.from(pattern(3 * MIB));
    writeFileSync(source, contents);
    const image = path("compressed.qcow2");
    qemuImg("convert", "-c", "-f", "raw", "-O", "qcow2", "-o", `compression_type=${type}`, source, image);
    const disk = await openDisk(image);
    expect((await contentsOf(disk)).equals(contents)).toBe(true);
    const bytes = pattern(100 * 1024, 99);
    await disk.write(300 * 1024, bytes);
    contents.set(bytes, 300 * 1024);
    await disk.writeZeroes(MIB, 256 * 1024, true);
    contents.fill(0, MIB, MIB + 256 * 1024);
    expect((await contentsOf(disk)).equals(contents)).toBe(true);
    await disk.close();
    expect(qemuImg("check", image)).toContain("No errors were found");
    expect(contentsByQemu(image).equals(contents)).toBe(true);
  });
});

describe("qcow2: backing files", () => {
  test("an overlay reads through, writes to itself, and reads zeros beyond its backing file", async (context) => {
    needsQemuImg(context);
    const base = path("base.raw");
    const contents = Buffer.concat([pattern(2 * MIB), new Uint8Array(2 * MIB)]);
    writeFileSync(base, contents.subarray(0, 2 * MIB));
    const middle = path("middle.qcow2");
    qemuImg("create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", middle, "3M");
    qemuIo(middle, "write -q -P 5 64k 64k");
    contents.fill(5, 64 * 1024, 128 * 1024);
    const top = path("top.qcow2");
    qemuImg("create", "-q", "-f", "qcow2", "-b", middle, "-F", "qcow2", top, "4M");
    const disk = await openDisk(top);
    expect((await contentsOf(disk)).equals(contents)).toBe(true);
    await disk.write(MIB + SECTOR, new Uint8Array(3 * SECTOR).fill(9));
    contents.fill(9, MIB + SECTOR, MIB + 4 * SECTOR);
    await disk.write(2 * MIB - SECTOR, new Uint8Array(2 * SECTOR).fill(8));
    contents.fill(8, 2 * MIB - SECTOR, 2 * MIB + SECTOR);
    await disk.writeZeroes(0, 130 * 1024, true);
    contents.fill(0, 0, 130 * 1024);
    expect((await contentsOf(disk)).equals(contents)).toBe(true);
    await disk.close();
    expect(qemuImg("check", top)).toContain("No errors were found");
    expect(contentsByQemu(top).equals(contents)).toBe(true);
    expect(readFileSync(base).equals(Buffer.from(pattern(2 * MIB)))).toBe(true);
  });

  test("an overlay of ours is one to QEMU", async (context) => {
    needsQemuImg(context);
    const base = path("base.raw");
    writeFileSync(base, pattern(MIB));
    const image = path("ours.qcow2");
    writeFileSync(image, "");
    const store = await FileStore.open(image, { readOnly: false });
    await createQcow2(store, { byteLength: MIB, backing: { file: base.slice(directory.length + 1), format: "raw" } });
    await store.close();
    expect(qemuImg("check", image)).toContain("No errors were found");
    expect(contentsByQemu(image).equals(Buffer.from(pattern(MIB)))).toBe(true);
  });

  test("version 2: discarding or zeroing does not bring the backing file's contents to light", async (context) => {
    needsQemuImg(context);
    const base = path("base.raw");
    writeFileSync(base, pattern(MIB));
    const image = path("v2.qcow2");
    qemuImg("create", "-q", "-f", "qcow2", "-o", "compat=0.10", "-b", base, "-F", "raw", image);
    const disk = await openDisk(image);
    await disk.write(0, new Uint8Array(MIB).fill(3));
    await disk.discard(0, MIB / 2);
    await disk.writeZeroes(MIB / 2, MIB / 2, true);
    const expected = Buffer.alloc(MIB, 0);
    expected.fill(3, 0, MIB / 2);
    expect((await contentsOf(disk)).equals(expected)).toBe(true);
    await disk.close();
    expect(contentsByQemu(image).equals(expected)).toBe(true);
  });
});

describe("qcow2: snapshots within an image", () => {
  test("they are read by name and id, and stay what they were while the disk is written", async (context) => {
    needsQemuImg(context);
    const image = path("snapshots.qcow2");
    qemuImg("create", "-q", "-f", "qcow2", "-o", "cluster_size=4k", image, "4M");
    qemuIo(image, "write -q -P 1 0 3M");
    qemuImg("snapshot", "-c", "before", image);
    const before = contentsByQemu(image);
    const disk = await openDisk(image);
    await disk.write(MIB, new Uint8Array(MIB).fill(2));
    await disk.writeZeroes(0, 64 * 1024, true);
    await disk.close();
    expect(qemuImg("check", image)).toContain("No errors were found");
    for (const internalSnapshot of ["before", "1"]) {
      const snapshot = await openDisk(image, { internalSnapshot });
      expect(snapshot.readOnly).toBe(true);
      expect((await contentsOf(snapshot)).equals(before)).toBe(true);
      await snapshot.close();
    }
    await expect(openDisk(image, { internalSnapshot: "after" })).rejects.toThrow(
      'has no snapshot "after": there is before',
    );
    qemuImg("snapshot", "-a", "before", image);
    expect(contentsByQemu(image).equals(before)).toBe(true);
  });
});

describe("qcow2: images that were not closed", () => {
  test("a dirty image gets its reference counts anew", async (context) => {
    needsQemuImg(context);
    const image = path("dirty.qcow2");
    qemuImg("create", "-q", "-f", "qcow2", "-o", "lazy_refcounts=on", image, "4M");
    // qemu-io dies with what it has written counted nowhere.
    expect(() => qemuIo(image, "write -q -P 7 1M 1M", "flush", "abort")).toThrow();
    const expected = Buffer.alloc(4 * MIB);
    expected.fill(7, MIB, 2 * MIB);
    const disk = await openDisk(image);
    expect((await contentsOf(disk)).equals(expected)).toBe(true);
    await disk.write(0, new Uint8Array(MIB).fill(6));
    expected.fill(6, 0, MIB);
    await disk.close();
    expect(qemuImg("check", image)).toContain("No errors were found");
    expect(contentsByQemu(image).equals(expected)).toBe(true);
  });

  test("after a kill at any write to the file, what was flushed is there, and no cluster is used uncounted", async (context) => {
    needsQemuImg(context);
    const image = path("killed.qcow2");
    for (let stop = 1; stop < 60; stop += 3) {
      qemuImg("create", "-q", "-f", "qcow2", "-o", "cluster_size=512,refcount_bits=64", image, "1M");
      const file = await FileStore.open(image, { readOnly: false });
      let writes = 0;
      const store = {
        get byteLength() {
          return file.byteLength;
        },
        readOnly: false,
        read: (offset: number, into: Uint8Array) => file.read(offset, into),
        write: async (offset: number, from: Uint8Array) => {
          if (++writes > stop) throw new Error("killed");
          await file.write(offset, from);
        },
        flush: () => file.flush(),
        close: () => file.close(),
      };
      const disk = await openQcow2(store, { readOnly: false, openBacking: noBacking });
      const flushed = new Map<number, number>();
      try {
        for (let round = 1; round < 20; round++) {
          const offset = (2 + ((round * 7) % 30)) * 32768;
          await disk.write(offset, new Uint8Array(6144).fill(round));
          // What is let go goes to others, but not before nobody can read it any more.
          await disk.write(offset + 16384, new Uint8Array(4096).fill(0xff));
          if (round % 4 === 0) await disk.discard(offset - 2 * 32768 + 16384, 4096);
          await disk.flush();
          flushed.set(offset, round);
        }
      } catch (error) {
        expect(String(error)).toContain("killed");
      }
      await file.close();
      expect(qemuImg("check", "--output=json", "-r", "leaks", image)).not.toContain("corruptions");
      const contents = contentsByQemu(image);
      for (const [offset, fill] of flushed) expect(contents[offset], `stop ${stop}, offset ${offset}`).toBe(fill);
    }
  });
});
