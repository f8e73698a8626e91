import fc from "fast-check";
import { expect, test } from "vitest";
import { fromBase64, toBase64 } from "../../host/util/base64.js";

test("base64: any bytes are written as Node writes them, and read back", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
      expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
      expect(fromBase64(toBase64(bytes))).toEqual(bytes);
    }),
  );
});

test.each(["A", "A===", "AA=", "####", "AAAA=A==", "AA AA=="])("base64: %j is refused", (text) => {
  expect(() => fromBase64(text)).toThrow("no base64 text");
});
