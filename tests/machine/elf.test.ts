import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isElf, parseElf } from "../../host/machine/elf.js";
import { VivariumError } from "../../host/util/errors.js";
import { elfFile, patched } from "./elf-file.js";

const file = elfFile({
  entry: 0x8000_0004n,
  segments: [
    { vaddr: 0x8000_0000n, contents: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
    { vaddr: 0xffff_ffff_8000_0000n, paddr: 0x8000_1000n, contents: Uint8Array.of(9), memoryByteLength: 0x100 },
  ],
  symbols: { _start: 0x8000_0004n, tohost: 0x8000_1000n, tohost_more: 1n },
});

const FIRST_SEGMENT = 64;
const SECTIONS = file.length - 3 * 64;

describe("elf", () => {
  test("gives entry, segments with file contents and memory length, and symbols", () => {
    const elf = parseElf(file, "program");
    expect(elf.entry).toBe(0x8000_0004n);
    expect(elf.segments).toEqual([
      {
        vaddr: 0x8000_0000n,
        paddr: 0x8000_0000n,
        contents: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
        memoryByteLength: 8,
      },
      { vaddr: 0xffff_ffff_8000_0000n, paddr: 0x8000_1000n, contents: Uint8Array.of(9), memoryByteLength: 0x100 },
    ]);
    expect(elf.symbol("tohost")).toBe(0x8000_1000n);
    expect(elf.symbol("tohos")).toBeUndefined();
    expect(elf.symbol("fromhost")).toBeUndefined();
  });

  test("a stripped file has no symbols", () => {
    expect(parseElf(patched(file, 60, 0n, 2), "program").symbol("tohost")).toBeUndefined();
  });

  test("reads a file that is a slice of a larger buffer", () => {
    const larger = new Uint8Array(file.length + 3);
    larger.set(file, 3);
    expect(parseElf(larger.subarray(3), "program").segments[0]!.contents).toEqual(
      Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    );
  });

  test("refuses what was made for something else, saying what it is and what is expected", () => {
    const refusal = (bytes: Uint8Array): string => {
      try {
        parseElf(bytes, "kernel");
      } catch (error) {
        if (error instanceof VivariumError && error.code === "elf/unsupported") return error.message;
        throw error;
      }
      return "accepted";
    };
    expect(refusal(patched(file, 18, 62n, 2))).toBe("kernel: not an ELF for RISC-V (machine 62); expected machine 243");
    expect(refusal(patched(file, 4, 1n, 1))).toBe("kernel: a 32-bit ELF; expected a 64-bit one");
    // A big-endian file has its machine number big-endian, too.
    expect(refusal(patched(patched(file, 5, 2n, 1), 18, 0xf300n, 2))).toBe(
      "kernel: a big-endian ELF; expected a little-endian one",
    );
    expect(refusal(patched(file, 16, 1n, 2))).toBe("kernel: an ELF of type 1; expected an executable (type 2 or 3)");
    expect(refusal(Uint8Array.of(0x4d, 0x5a))).toBe("kernel: not an ELF file");
    expect(isElf(Uint8Array.of(0x7f, 0x45, 0x4c))).toBe(false);
  });

  test.each([
    ["program headers past the end", patched(file, 32, BigInt(file.length - 1), 8), /program headers .* end past/],
    ["program headers at an offset of 2^64 - 1", patched(file, 32, 2n ** 64n - 1n, 8), /program headers .* end past/],
    ["program headers of another length", patched(file, 54, 32n, 2), /program headers have 32 bytes each; expected 56/],
    ["no program header", patched(file, 56, 0n, 2), /no segment to load/],
    ["a segment past the end", patched(file, FIRST_SEGMENT + 8, BigInt(file.length), 8), /segment 0 .* end past/],
    ["a segment of 2^64 - 1 bytes", patched(file, FIRST_SEGMENT + 32, 2n ** 64n - 1n, 8), /segment 0 has/],
    [
      "more bytes in the file than in memory",
      patched(file, FIRST_SEGMENT + 40, 7n, 8),
      /8 bytes for 7 bytes of memory/,
    ],
  ])("a broken file is refused: %s", (_, bytes, message) => {
    expect(() => parseElf(bytes, "program")).toThrow(message);
  });

  test.each([
    ["section headers past the end", patched(file, 40, BigInt(file.length - 64), 8), /section headers .* end past/],
    ["symbols past the end", patched(file, SECTIONS + 64 + 32, 2n ** 63n, 8), /symbol table .* end past/],
    ["names in a section that is not there", patched(file, SECTIONS + 64 + 40, 3n, 4), /section 3 of 3/],
    ["names past the end", patched(file, SECTIONS + 2 * 64 + 24, BigInt(file.length), 8), /symbol names .* end past/],
  ])("a broken symbol table is refused: %s", (_, bytes, message) => {
    expect(() => parseElf(bytes, "program").symbol("tohost")).toThrow(message);
  });

  test("any bytes put anywhere into a file give an image or a typed error, never anything else", () => {
    const damage = fc.array(fc.tuple(fc.nat(file.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 8 });
    fc.assert(
      fc.property(damage, fc.nat(file.length), (changes, byteLength) => {
        const bytes = Uint8Array.from(file);
        for (const [offset, value] of changes) bytes[offset] = value;
        try {
          const elf = parseElf(bytes.subarray(0, byteLength), "program");
          elf.symbol("tohost");
          for (const { contents, memoryByteLength } of elf.segments) {
            expect(contents.length).toBeLessThanOrEqual(memoryByteLength);
          }
        } catch (error) {
          if (!(error instanceof VivariumError)) throw error;
        }
      }),
      { numRuns: 500 },
    );
  });
});
