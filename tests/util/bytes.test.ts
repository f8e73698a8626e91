import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ByteQueue, utf8 } from "../../host/util/bytes.js";

describe("ByteQueue", () => {
  test("gives bytes back in order and takes only what there is room for", () => {
    const queue = new ByteQueue(4);
    expect(queue.push(Uint8Array.of(1, 2, 3))).toBe(3);
    expect(queue.shift()).toBe(1);
    expect(queue.push(Uint8Array.of(4, 5, 6))).toBe(2);
    expect([queue.length, queue.room]).toEqual([4, 0]);
    expect(queue.toBytes()).toEqual(Uint8Array.of(2, 3, 4, 5));
    expect(queue.take(3)).toEqual(Uint8Array.of(2, 3, 4));
    expect(queue.take(3)).toEqual(Uint8Array.of(5));
    expect(() => queue.shift()).toThrow("shift of an empty byte queue");
  });

  test("behaves as an array does, wherever its start is", () => {
    const operation = fc.oneof(
      fc.record({ kind: fc.constant("push" as const), bytes: fc.uint8Array({ maxLength: 9 }) }),
      fc.record({ kind: fc.constant("take" as const), maxLength: fc.nat(9) }),
      fc.record({ kind: fc.constant("assign" as const), bytes: fc.uint8Array({ maxLength: 7 }) }),
    );
    fc.assert(
      fc.property(fc.array(operation), (operations) => {
        const queue = new ByteQueue(7);
        const model: number[] = [];
        for (const step of operations) {
          switch (step.kind) {
            case "push": {
              const fits = [...step.bytes].slice(0, 7 - model.length);
              expect(queue.push(step.bytes)).toBe(fits.length);
              model.push(...fits);
              break;
            }
            case "take":
              expect([...queue.take(step.maxLength)]).toEqual(model.splice(0, step.maxLength));
              break;
            case "assign":
              queue.assign(step.bytes);
              model.splice(0, model.length, ...step.bytes);
              break;
          }
          expect([...queue.toBytes()]).toEqual(model);
          expect(queue.length).toBe(model.length);
        }
      }),
    );
  });
});

test("utf8 encodes as the platform's own encoder does", () => {
  const encoder = new TextEncoder();
  for (const text of ["", "hvc0", "é", "€", "𐍈", "\ud800", "a\udc00b"])
    expect(utf8(text)).toEqual(encoder.encode(text));
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(utf8(text)).toEqual(encoder.encode(text));
    }),
  );
});
