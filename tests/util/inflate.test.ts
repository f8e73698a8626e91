import { constants, deflateRawSync, deflateSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inflateRaw, inflateZlib } from "../../host/util/inflate.js";

function inflated(data: Uint8Array, room: number): Buffer {
  const into = new Uint8Array(room);
  return Buffer.from(into.subarray(0, inflateRaw(data, into)));
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
