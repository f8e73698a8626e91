import { describe, expect, test } from "vitest";
import { readLimits } from "../../host/control/limits-file.js";
import { readNetworks, readSharedRate } from "../../host/control/network-options.js";
import { UNLIMITED } from "../../host/network/token-bucket.js";

describe("a file of limits", () => {
  test("says what all networks, each network and each disk may have", () => {
    const text =
      "# evenings\nnet: rate=100mbit burst=1MiB\n\n net0: rate=8mbit guarantee=800kbit # first\nnet2:\ndisk1: iops=100 bps=1MiB\ndisk0 :\n";
    expect(readLimits(text, "limits")).toEqual({
      shared: { bytesPerSecond: 12_500_000, burstByteLength: 1 << 20 },
      links: new Map([
        [0, { ceiling: { bytesPerSecond: 1_000_000, burstByteLength: 65_536 }, guaranteedBytesPerSecond: 100_000 }],
        [2, null],
      ]),
      drives: new Map([
        [1, { operationsPerSecond: 100, bytesPerSecond: 1 << 20 }],
        [0, null],
      ]),
    });
    expect(readLimits("net:", "limits").shared).toBeNull();
    expect(readLimits("", "limits")).toEqual({ shared: undefined, links: new Map(), drives: new Map() });
  });

  test.each([
    ["net0 rate=1mbit", 'limits, line 1: "net0 rate=1mbit" is no limit; expected one such as "net0: rate=10mbit"'],
    ["\n\ndisk: iops=1", 'limits, line 3: "disk: iops=1" is no limit'],
    ["net: guarantee=1mbit", 'limits, line 1: "guarantee=1mbit" is no setting; expected rate=..., burst=...'],
    ["net0: rate=quick", 'limits, line 1: rate: "quick" is no rate; expected bits per second'],
    ["net0: guarantee=-1", 'limits, line 1: guarantee: "-1" is no rate; expected bits per second'],
    ["disk0: iops", 'limits, line 1: "iops" is no setting; expected iops=..., iops-burst=..., bps=..., bps-burst=...'],
    ["disk0: iops=many", "limits, line 1: iops=many; expected a number such as 500"],
  ])("%j is refused with what would be accepted", (text, message) => {
    expect(() => readLimits(text, "limits")).toThrow(message);
  });
});

describe("rates on the command line", () => {
  test("a link is guaranteed a part of what all of them carry together", () => {
    expect(readNetworks(["user,guarantee=8mbit"], 4)[0]!.rate).toEqual({
      ceiling: UNLIMITED,
      guaranteedBytesPerSecond: 1_000_000,
    });
    expect(readSharedRate("80mbit,burst=1MiB")).toEqual({ bytesPerSecond: 10_000_000, burstByteLength: 1 << 20 });
    expect(() => readSharedRate("80mbit,mtu=1")).toThrow('--net-rate: "mtu=1" is no setting; expected burst=...');
    expect(() => readSharedRate("fast")).toThrow('--net-rate: rate: "fast" is no rate');
  });

  test("a switch has a name, and may have an uplink", () => {
    expect(readNetworks(["switch", "switch,name=lab-2,uplink=user"], 4).map(({ link }) => link)).toEqual([
      { kind: "switch", name: "default", uplink: false },
      { kind: "switch", name: "lab-2", uplink: true },
    ]);
    expect(() => readNetworks(["switch,name=../x"], 4)).toThrow('name: "../x" is no name of a switch');
    expect(() => readNetworks(["switch,uplink=tap"], 4)).toThrow("expected user");
  });
});
