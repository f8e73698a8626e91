import { expect, test } from "vitest";
import { formatByteLength, parseByteLength } from "../../host/control/byte-length.js";

test("byte length: reads binary units, and QEMU's letters for them", () => {
  expect(parseByteLength("64KiB")).toBe(65536);
  expect(parseByteLength("512MiB")).toBe(536870912);
  expect(parseByteLength("2GiB")).toBe(2147483648);
  expect(parseByteLength("512M")).toBe(536870912);
  expect(parseByteLength("1g")).toBe(1073741824);
  expect(parseByteLength("8k")).toBe(8192);
  expect(parseByteLength("1.5GiB")).toBe(1610612736);
});

test("byte length: refuses what has no unit, an unknown or decimal unit, a sign or anything else around it", () => {
  for (const text of [
    "7",
    "",
    "MiB",
    "512MB",
    "512 MiB",
    "-1MiB",
    "0x10MiB",
    "1e3MiB",
    "512MiBs",
    "1.GiB",
    "constructor",
  ]) {
    expect(parseByteLength(text), text).toBeNull();
  }
});

test("byte length: refuses a fraction of a byte", () => {
  expect(parseByteLength("0.5KiB")).toBe(512);
  expect(parseByteLength("0.3KiB")).toBeNull();
});

test("byte length: is written in the largest unit that is exact", () => {
  expect(formatByteLength(512 * 1024 * 1024)).toBe("512MiB");
  expect(formatByteLength(3 * 1024 * 1024 * 1024)).toBe("3GiB");
  expect(formatByteLength(1536 * 1024 * 1024)).toBe("1536MiB");
  expect(formatByteLength(4096)).toBe("4KiB");
  expect(formatByteLength(1000)).toBe("1000 bytes");
  expect(formatByteLength(0)).toBe("0 bytes");
});
