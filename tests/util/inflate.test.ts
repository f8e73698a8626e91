import { constants, deflateRawSync, deflateSync, inflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inflateRaw, inflateZlib } from "../../host/util/inflate.js";

function inflated(data: Uint8Array, room: number): Buffer {
  const into = new Uint8Array(room);
  return Buffer.from(into.subarray(0, inflateRaw(data, into)));
}

/** Lengths, in bits, of the codes of a block that has "a" and, once more, the three bytes before. */
interface BlockCodes {
  readonly a: number;
  readonly end: number;
  readonly copy: number;
  readonly distance: number;
}

/** A block with its own codes, of lengths 0 to 2, and after them the bits of its data (RFC 1951, section 3.2.7). */
function blockOf({ a, end, copy, distance }: BlockCodes, dataBits: string): Uint8Array {
  const number = (value: number, count: number): string =>
    Array.from({ length: count }, (_, bit) => (value >> bit) & 1).join("");
  const zeros = (count: number): string => `0${number(count - 11, 7)}`;
  // The lengths' own code: 18, a run of zeros, is 0; 2 is 10, 0 is 110 and 1 is 111.
  const length = (value: number): string => ["110", "111", "10"][value]!;
  const header = `1${number(2, 2)}${number(258 - 257, 5)}${number(1 - 1, 5)}${number(18 - 4, 4)}`;
  const lengthCodes = [0, 0, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3].map((each) => number(each, 3)).join("");
  const lengths = `${zeros(97)}${length(a)}${zeros(138)}${zeros(20)}${[end, copy, distance].map(length).join("")}`;
  const bits = `${header}${lengthCodes}${lengths}${dataBits}`;
  return Uint8Array.from(bits.match(/.{1,8}/g)!, (byte) => Number.parseInt([...byte].reverse().join(""), 2));
}

const text = Buffer.from("a rose is a rose is a rose, 0123456789. ".repeat(2000));

describe("inflate: what zlib has compressed", () => {
  test.each([
    ["stored", { level: 0 }],
    ["with fixed codes", { strategy: constants.Z_FIXED }],
    ["with codes of its own", { level: 9 }],
    ["without repetitions", { strategy: constants.Z_HUFFMAN_ONLY }],
    ["with a small window", { windowBits: 9 }],
  ])("%s is what it was", (_how, options) => {
    expect(inflated(deflateRawSync(text, options), text.length).equals(text)).toBe(true);
  });

  test("any bytes, in any way, are what they were", () => {
    const block = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(255).map((fill) => new Uint8Array(1000).fill(fill)),
    );
    fc.assert(
      fc.property(fc.array(block, { maxLength: 8 }), fc.integer({ min: 0, max: 9 }), (blocks, level) => {
        const bytes = Buffer.concat(blocks);
        expect(inflated(deflateRawSync(bytes, { level }), bytes.length).equals(bytes)).toBe(true);
      }),
    );
  });

  test("what follows the stream is left alone", () => {
    const data = Buffer.concat([deflateRawSync(text), Buffer.from("something else")]);
    expect(inflated(data, text.length).equals(text)).toBe(true);
  });

  test("zlib's wrapping is known, and nothing else is taken for it", () => {
    const into = new Uint8Array(text.length);
    expect(inflateZlib(deflateSync(text), into)).toBe(text.length);
    expect(() => inflateZlib(deflateRawSync(text), into)).toThrow("no zlib stream");
  });
});

describe("inflate: what is broken", () => {
  test("a stream with more than there is room for is refused", () => {
    expect(() => inflated(deflateRawSync(text), text.length - 1)).toThrow("longer than it should be");
  });

  test("a stream that ends early is refused, wherever it ends", () => {
    const data = deflateRawSync(text.subarray(0, 300));
    for (let length = 0; length < data.length; length++) {
      expect(() => inflated(data.subarray(0, length), 300)).toThrow("deflate");
    }
  });

  test.each<[string, BlockCodes, string | null]>([
    ["one distance, in one bit, is right", { a: 2, end: 2, copy: 1, distance: 1 }, null],
    ["one distance in two bits leaves patterns unused", { a: 2, end: 2, copy: 1, distance: 2 }, "fewer codes"],
    ["literals that leave patterns unused", { a: 2, end: 2, copy: 2, distance: 1 }, "fewer codes"],
    ["more literals than there are patterns", { a: 1, end: 2, copy: 1, distance: 1 }, "more codes"],
    ["no code for the block's end", { a: 1, end: 0, copy: 1, distance: 1 }, "without a code for its end"],
  ])("a block's codes: %s, as zlib has it", (_what, codes, refusal) => {
    const data = blockOf(codes, "10" + "00" + "11");
    if (refusal === null) {
      expect(inflated(data, 9).toString()).toBe("aaaa");
      expect(inflateRawSync(data).toString()).toBe("aaaa");
    } else {
      expect(() => inflated(data, 9)).toThrow(refusal);
      expect(() => inflateRawSync(data)).toThrow();
    }
  });

  test("any bytes at all end in a result or an error, never beyond the room", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (data) => {
        const into = new Uint8Array(1000);
        try {
          expect(inflateRaw(data, into)).toBeLessThanOrEqual(1000);
        } catch (error) {
          expect(String(error)).toContain("deflate");
        }
      }),
      { numRuns: 2000 },
    );
  });
});
