import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { sha256 } from "../../../host/platform/browser/sha256.js";

it("sha256: equals Node's for messages of every length around a block's end, and for longer ones", () => {
  const check = (bytes: Uint8Array): void => {
    expect(Buffer.from(sha256(bytes)).toString("hex")).toBe(createHash("sha256").update(bytes).digest("hex"));
  };
  for (let length = 0; length < 200; length++) check(new Uint8Array(length).fill(length));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 20_000 }), check));
});
