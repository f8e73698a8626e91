import { expect, test } from "vitest";
import { ConsoleTail } from "../../host/control/console-tail.js";

test("console tail: keeps everything while it is little", () => {
  const tail = new ConsoleTail();
  expect(tail.bytes()).toEqual(new Uint8Array());
  tail.write(Uint8Array.of(1, 2));
  tail.write(Uint8Array.of(3));
  expect(tail.bytes()).toEqual(Uint8Array.of(1, 2, 3));
});

test("console tail: keeps the last 16384 bytes of much, in order", () => {
  const tail = new ConsoleTail();
  const all = Uint8Array.from({ length: 40_000 }, (_, index) => index % 251);
  for (let start = 0; start < all.length; start += 700) tail.write(all.subarray(start, start + 700));
  expect(Buffer.compare(tail.bytes(), all.subarray(-16384))).toBe(0);
});
