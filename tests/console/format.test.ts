import { describe, expect, it } from "vitest";
import { formatBytes, formatDuration, formatPercent } from "../../web/console/client/format.js";

describe("the console's figures", () => {
  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1536, "1.5 KiB"],
    [104_857_600, "100 MiB"],
    [12_000_000_000, "11.2 GiB"],
  ])("%d bytes are %s", (byteLength, text) => {
    expect(formatBytes(byteLength)).toBe(text);
  });
  it.each([
    [0, "0 %"],
    [0.004, "0.4 %"],
    [0.0999, "10 %"],
    [1.5, "150 %"],
  ])("%d of a processor is %s", (part, text) => {
    expect(formatPercent(part)).toBe(text);
  });
  it.each([
    [900, "0 s"],
    [61_000, "1 min 1 s"],
    [3_600_000, "1 h"],
    [90_061_000, "1 d 1 h"],
  ])("%d ms are %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
