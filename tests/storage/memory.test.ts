import { expect, test } from "vitest";
import { MemoryBlockBackend } from "../../host/storage/memory.js";
import { blockBackendContract } from "../contracts/block-backend-contract.js";

blockBackendContract("memory", {
  create: async (contents, options) => new MemoryBlockBackend(contents, options),
});

test("memory: a length that is not a multiple of 512 is refused", () => {
  expect(() => new MemoryBlockBackend(new Uint8Array(1000))).toThrow(
    "a drive's length must be a multiple of 512 bytes, got 1000",
  );
});
