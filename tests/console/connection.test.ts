import { describe, expect, it } from "vitest";
import { requestOf } from "../../web/console/client/connection.js";
import { formatBytes, formatDuration, formatPercent } from "../../web/console/client/format.js";

describe("the console's requests", () => {
  it("put names into the path and the rest into the query of a GET", () => {
    expect(requestOf("machine.logs", { machine: "web", lines: 5 })).toEqual({
      method: "GET",
      path: "/v1/machines/web/logs?lines=5",
      body: null,
    });
  });
  it("put the rest into the body of what changes something", () => {
    expect(requestOf("machine.set", { machine: "web", cpu: { shares: 400 } })).toEqual({
      method: "PATCH",
      path: "/v1/machines/web",
      body: { cpu: { shares: 400 } },
    });
  });
  it("keep a name from being anything but one part of the path", () => {
    expect(requestOf("snapshot.delete", { machine: "web", snapshot: "../../../tokens?x#y" }).path).toBe(
      "/v1/machines/web/snapshots/..%2F..%2F..%2Ftokens%3Fx%23y",
    );
  });
});

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
