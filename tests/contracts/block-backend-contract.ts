import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { BlockBackend } from "../../host/storage/block-backend.js";

const SECTOR = 512;
const SECTOR_COUNT = 16;
const BYTE_LENGTH = SECTOR * SECTOR_COUNT;

/** How a test gets the disks it needs. */
export interface BlockBackendSubject {
  /** A disk with these contents. */
  create(contents: Uint8Array, options: { readonly readOnly: boolean }): Promise<BlockBackend>;
}

/** What every block backend must do, wherever it keeps its contents. */
export function blockBackendContract(name: string, subject: BlockBackendSubject): void {
  describe(`${name}: block backend contract`, () => {
    let disk: BlockBackend;

    beforeEach(async () => {
      disk = await subject.create(pattern(), { readOnly: false });
    });

    afterEach(() => disk.close());

    test("it has the contents it was created with", async () => {
      expect(disk.byteLength).toBe(BYTE_LENGTH);
      expect(disk.readOnly).toBe(false);
      expectSame(await contentsOf(disk), pattern());
    });

    test("a read gives what was written last, and its surroundings stay", async () => {
      const written = new Uint8Array(2 * SECTOR).fill(0xee);
      await disk.write(3 * SECTOR, written);
      const expected = pattern();
      expected.set(written, 3 * SECTOR);
      expectSame(await contentsOf(disk), expected);
    });

    test("what it reads at once is what it reads, and refused like it", async () => {
      await disk.write(3 * SECTOR, new Uint8Array(2 * SECTOR).fill(0xee));
      await disk.writeZeroes(9 * SECTOR, SECTOR, true);
      const into = new Uint8Array(BYTE_LENGTH).fill(0x55);
      if (disk.tryRead?.(0, into) === true) expectSame(into, await contentsOf(disk));
      const refused = (offset: number, byteLength: number) => {
        expect(() => {
          if (disk.tryRead?.(offset, new Uint8Array(byteLength)) !== true) throw new Error("not at once");
        }).toThrow();
      };
      refused(BYTE_LENGTH - SECTOR, 2 * SECTOR);
      refused(-SECTOR, SECTOR);
      refused(Number.NaN, SECTOR);
      await disk.close();
      refused(0, SECTOR);
    });

    test("the first and the last sector can be read and written", async () => {
      for (const offset of [0, BYTE_LENGTH - SECTOR]) {
        await disk.write(offset, new Uint8Array(SECTOR).fill(7));
        expect(await readFrom(disk, offset, SECTOR)).toEqual(new Uint8Array(SECTOR).fill(7));
      }
    });

    test.each([true, false])("zeroes written with unmap %s read as zeroes", async (unmap) => {
      await disk.writeZeroes(SECTOR, 3 * SECTOR, unmap);
      const expected = pattern();
      expected.fill(0, SECTOR, 4 * SECTOR);
      expectSame(await contentsOf(disk), expected);
    });

    test("a discard touches nothing outside its range", async () => {
      await disk.discard(4 * SECTOR, 2 * SECTOR);
      expect(await readFrom(disk, 0, 4 * SECTOR)).toEqual(pattern().subarray(0, 4 * SECTOR));
      expect(await readFrom(disk, 6 * SECTOR, 2 * SECTOR)).toEqual(pattern().subarray(6 * SECTOR, 8 * SECTOR));
    });

    test("flush resolves, also with nothing written", async () => {
      await disk.flush();
      await disk.write(0, new Uint8Array(SECTOR));
      await disk.flush();
    });

    test("several operations at a time do not disturb each other", async () => {
      const sectors = Array.from({ length: SECTOR_COUNT }, (_, index) => index);
      await Promise.all(sectors.map((sector) => disk.write(sector * SECTOR, new Uint8Array(SECTOR).fill(sector + 1))));
      const read = await Promise.all(sectors.map((sector) => readFrom(disk, sector * SECTOR, SECTOR)));
      expect(read).toEqual(sectors.map((sector) => new Uint8Array(SECTOR).fill(sector + 1)));
    });

    test.each([
      ["beyond the end", BYTE_LENGTH, SECTOR],
      ["across the end", BYTE_LENGTH - SECTOR, 2 * SECTOR],
      ["before the start", -SECTOR, SECTOR],
      ["at part of a sector", 100, SECTOR],
      ["of part of a sector", 0, 100],
      ["at no integer", Number.NaN, SECTOR],
    ])("a range %s is refused by every operation and changes nothing", async (_what, offset, byteLength) => {
      await expect(disk.read(offset, new Uint8Array(byteLength))).rejects.toThrow();
      await expect(disk.write(offset, new Uint8Array(byteLength))).rejects.toThrow();
      await expect(disk.writeZeroes(offset, byteLength, false)).rejects.toThrow();
      await expect(disk.discard(offset, byteLength)).rejects.toThrow();
      expectSame(await contentsOf(disk), pattern());
    });

    test("a read-only disk can be read and flushed, not changed", async () => {
      const readOnly = await subject.create(pattern(), { readOnly: true });
      expect(readOnly.readOnly).toBe(true);
      await expect(readOnly.write(0, new Uint8Array(SECTOR))).rejects.toThrow();
      await expect(readOnly.writeZeroes(0, SECTOR, true)).rejects.toThrow();
      await expect(readOnly.discard(0, SECTOR)).rejects.toThrow();
      await readOnly.flush();
      expectSame(await contentsOf(readOnly), pattern());
      await readOnly.close();
    });

    test("after close every operation is refused, and closing again is not", async () => {
      await disk.close();
      await disk.close();
      await expect(disk.read(0, new Uint8Array(SECTOR))).rejects.toThrow();
      await expect(disk.write(0, new Uint8Array(SECTOR))).rejects.toThrow();
      await expect(disk.flush()).rejects.toThrow();
    });

    test("any sequence of writes and zeroes leaves what an array would hold", async () => {
      const step = fc.record({ start: fc.nat(SECTOR_COUNT - 1), count: fc.nat(4), fill: fc.nat(3) });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
          const disk = await subject.create(pattern(), { readOnly: false });
          const model = pattern();
          for (const { start, count, fill } of steps) {
            const offset = start * SECTOR;
            const end = Math.min(offset + count * SECTOR, BYTE_LENGTH);
            if (fill === 0) await disk.writeZeroes(offset, end - offset, true);
            else await disk.write(offset, new Uint8Array(end - offset).fill(fill));
            model.fill(fill, offset, end);
          }
          expectSame(await contentsOf(disk), model);
          await disk.close();
        }),
        { numRuns: 30 },
      );
    });
  });
}

/** Contents in which every sector is different. */
function pattern(): Uint8Array {
  return Uint8Array.from({ length: BYTE_LENGTH }, (_, index) => (index * 7 + (index >> 9)) & 0xff);
}

/** As `toEqual`, which takes its time with this many bytes. */
function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(actual, expected)).toBe(0);
}

async function readFrom(disk: BlockBackend, offset: number, byteLength: number): Promise<Uint8Array> {
  const into = new Uint8Array(byteLength);
  await disk.read(offset, into);
  return into;
}

function contentsOf(disk: BlockBackend): Promise<Uint8Array> {
  return readFrom(disk, 0, disk.byteLength);
}
