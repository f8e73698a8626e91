import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RecordReader, type RecordValue, RecordWriter } from "../../host/machine/history/record-value.js";
import { VivariumError } from "../../host/util/errors.js";

const value: fc.Arbitrary<RecordValue> = fc.letrec<{ value: RecordValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true }),
    fc.maxSafeInteger(),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.string({ unit: "binary" }),
    fc.uint8Array(),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.string({ unit: "binary" }), tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

function written(...values: readonly RecordValue[]): Uint8Array {
  const writer = new RecordWriter();
  for (const each of values) writer.value(each);
  return writer.take();
}

describe("values in a record", () => {
  test("come back as they were written, one after the other", () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 5 }), (values) => {
        const reader = new RecordReader(written(...values));
        expect(values.map(() => reader.value())).toEqual(values);
        expect(reader.isAtEnd).toBe(true);
      }),
    );
  });

  test("have the layout that their documentation says", () => {
    expect([...written(null, false, true, 0, 127, 128, -1)]).toEqual([0, 1, 2, 3, 0, 3, 127, 3, 0x80, 1, 4, 0]);
    expect([...written(300n, "a", Uint8Array.of(9), [true], { b: null })]).toEqual([
      ...[6, 0xac, 2],
      ...[7, 1, 97],
      ...[8, 1, 9],
      ...[9, 1, 2],
      ...[10, 1, 1, 98, 0],
    ]);
    expect([...written(0.5)]).toEqual([5, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f]);
  });

  test("that are anybody's bytes are read, or refused as damage, without more memory than they take", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const reader = new RecordReader(bytes);
        try {
          while (!reader.isAtEnd) reader.value();
        } catch (error) {
          expect(error).toBeInstanceOf(VivariumError);
          expect((error as VivariumError).code).toBe("file/damaged");
        }
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    ["a length of more than there is", [8, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ["a list of more items than bytes", [9, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ["lists within lists without end", new Array<number>(2000).fill(9).flatMap((tag) => [tag, 1])],
    ["a number that does not end", [3, ...new Array<number>(12).fill(0xff)]],
    ["a kind that does not exist", [11]],
    ["nothing at all", []],
  ])("refuse %s", (_, bytes) => {
    expect(() => new RecordReader(Uint8Array.from(bytes)).value()).toThrow(/the recording is damaged/);
  });
});
