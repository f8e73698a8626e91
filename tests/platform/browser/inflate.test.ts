/** Decompression, compared with zlib. */
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inflate } from "../../../host/platform/browser/inflate.js";

const STRATEGIES = [constants.Z_DEFAULT_STRATEGY, constants.Z_FIXED, constants.Z_HUFFMAN_ONLY, constants.Z_RLE];

/** Bytes with repetitions, as memory has them. */
const memory = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 70_000 })).map(([byte, length]) => {
        return new Uint8Array(length).fill(byte);
      }),
      fc.string({ maxLength: 80 }).map((text) => new TextEncoder().encode(text.repeat(9))),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Buffer.concat(parts));

describe("inflate", () => {
  it("gives what zlib compressed, at every level and with every kind of block", () => {
    fc.assert(
      fc.property(memory, fc.integer({ min: 0, max: 9 }), fc.constantFrom(...STRATEGIES), (bytes, level, strategy) => {
        const packed = deflateRawSync(bytes, { level, strategy });
        expect(Buffer.compare(inflate(packed, bytes.length), bytes)).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it("refuses what zlib refuses, whatever is wrong, and never gives more bytes than it was asked for", () => {
    const damage = fc.record({ at: fc.nat(), bit: fc.integer({ min: 0, max: 7 }), cut: fc.nat() });
    fc.assert(
      fc.property(memory, damage, ({ buffer, byteOffset, length }, { at, bit, cut }) => {
        const bytes = new Uint8Array(buffer, byteOffset, length);
        const packed = Uint8Array.from(deflateRawSync(bytes));
        packed[at % packed.length]! ^= 1 << bit;
        const damaged = packed.subarray(0, packed.length - (cut % 3));
        const expected = outcome(() => inflateRawSync(damaged, { maxOutputLength: Math.max(1, length) }));
        const actual = outcome(() => inflate(damaged, length));
        if (actual !== null) expect(expected === null ? null : Buffer.compare(expected, actual)).toBe(0);
        if (expected !== null && expected.length === length) expect(actual).not.toBeNull();
      }),
      { numRuns: 500 },
    );
  });

  it("refuses random bytes or makes something of them, but never anything else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(5000), (bytes, byteLength) => {
        outcome(() => inflate(bytes, byteLength));
      }),
      { numRuns: 2000 },
    );
  });
});

/** Null when refused. */
function outcome(work: () => Uint8Array): Uint8Array | null {
  try {
    return work();
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    const isRefusal = message.startsWith("deflate: ") || code !== undefined;
    if (!isRefusal) throw error;
    return null;
  }
}
