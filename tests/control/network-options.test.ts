import { describe, expect, test } from "vitest";
import { parseBitRate, readNetworks } from "../../host/control/network-options.js";
import { readRelayOptions } from "../../host/control/relay-options.js";
import { VivariumError } from "../../host/util/errors.js";

const read = (...texts: string[]) => readNetworks(texts, 4);

function errorOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof VivariumError) return error.message;
    throw error;
  }
  return "no error";
}

describe("--net", () => {
  test("user alone is the NAT with nothing forwarded, ruled or limited", () => {
    expect(read("user")).toEqual([
      { link: { kind: "user", forwards: [], egress: [] }, mac: null, mtu: 1500, rate: null },
    ]);
  });

  test.each([
    [
      "forward=127.0.0.1:2222:22",
      { protocol: "tcp", host: "127.0.0.1", port: 2222, guestAddress: null, guestPort: 22 },
    ],
    [
      "forward=udp:0.0.0.0:53:5353",
      { protocol: "udp", host: "0.0.0.0", port: 53, guestAddress: null, guestPort: 5353 },
    ],
    ["forward=8080:80", { protocol: "tcp", host: "127.0.0.1", port: 8080, guestAddress: null, guestPort: 80 }],
    ["forward=[::1]:8080:80", { protocol: "tcp", host: "::1", port: 8080, guestAddress: null, guestPort: 80 }],
    ["hostfwd=tcp::2222-:22", { protocol: "tcp", host: "127.0.0.1", port: 2222, guestAddress: null, guestPort: 22 }],
    [
      "hostfwd=tcp:127.0.0.1:2222-10.0.2.16:22",
      { protocol: "tcp", host: "127.0.0.1", port: 2222, guestAddress: Uint8Array.of(10, 0, 2, 16), guestPort: 22 },
    ],
  ])("%s is a forward", (text, forward) => {
    expect(read(`user,${text}`)[0]?.link).toEqual({ kind: "user", forwards: [forward], egress: [] });
  });

  test("rules keep their order, whichever way they decide", () => {
    const [network] = read("user,deny=10.0.0.0/8,allow=tcp:example.org:443,deny=[fec0::]/10");
    expect(network?.link).toMatchObject({
      egress: [
        { action: "deny", target: { prefixBitCount: 8 }, protocol: null, ports: null },
        { action: "allow", target: { name: "example.org" }, protocol: "tcp", ports: [443, 443] },
        { action: "deny", target: { prefixBitCount: 10 } },
      ],
    });
  });

  test("every kind takes an address, an MTU and a rate", () => {
    expect(read("socket,listen=:1234,mac=02:00:00:00:00:01,mtu=9000,rate=8mbit,burst=64KiB")).toEqual([
      {
        link: { kind: "socket", role: "listen", place: { kind: "tcp", host: "127.0.0.1", port: 1234 } },
        mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
        mtu: 9000,
        rate: { ceiling: { bytesPerSecond: 1_000_000, burstByteLength: 65_536 } },
      },
    ]);
  });

  test("places are a host with a port, or a Unix socket; a URL may have commas", () => {
    expect(read("socket,connect=example.org:9")[0]?.link).toMatchObject({ place: { host: "example.org", port: 9 } });
    expect(read("socket,connect=unix:/run/net")[0]?.link).toMatchObject({ place: { kind: "unix", path: "/run/net" } });
    expect(read("ws,mtu=1400,url=wss://example.org/?a=1,b=2")).toMatchObject([
      { link: { kind: "ws", url: "wss://example.org/?a=1,b=2" }, mtu: 1400 },
    ]);
    expect(read("tap,device=/dev/tap7", "unplugged")).toMatchObject([
      { link: { kind: "tap", device: "/dev/tap7" } },
      { link: { kind: "unplugged" } },
    ]);
  });

  test("none is no device, and stands alone", () => {
    expect(read("none")).toEqual([]);
    expect(errorOf(() => read("none", "user"))).toMatch(/none stands alone/);
  });

  test.each([
    ["usr", '--net: "usr" is no kind of network; expected user, switch, socket, ws, tap, unplugged or none'],
    [
      "user,forwrad=1:2",
      '--net: user has no option "forwrad"; expected forward, hostfwd, allow, deny, mac, mtu, rate, burst',
    ],
    ["user,forward", "--net: forward needs a value: forward=..."],
    ["user,forward=0:22", /^--net: forward: "0:22" is no forward; expected .*such as 127\.0\.0\.1:2222:22$/],
    ["user,forward=80:70000", /is no forward/],
    ["user,hostfwd=tcp::1-10.0.2.999:1", /is no forward/],
    ["user,allow=10.0.0.0/33", /^--net: allow: "10\.0\.0\.0\/33" is not a rule; expected/],
    ["user,deny=tcp:x:0", /is not a rule/],
    ["user,mac=01:00:00:00:00:00", /mac: .*expected one such as 52:54:00:12:34:56/],
    ["user,mtu=500", '--net: mtu: "500"; expected 1280 to 65521'],
    ["user,rate=fast", /rate: "fast" is no rate; expected bits per second/],
    ["user,burst=64KiB", "--net: burst needs rate="],
    ["user,rate=1mbit,rate=2mbit", "--net: rate is given 2 times; expected once"],
    ["socket", "--net: socket needs either connect= or listen=, with HOST:PORT or unix:PATH"],
    ["socket,connect=:1,listen=:2", /either/],
    ["socket,connect=:1", /is no place/],
    ["ws,url=http://x", /ws needs url=/],
    ["tap", /tap needs device=/],
  ])("%s is refused with what would be accepted", (text, message) => {
    expect(errorOf(() => read(text))).toMatch(message);
  });

  test("more devices than slots are refused", () => {
    expect(errorOf(() => read("user", "user", "user", "user", "user"))).toBe(
      "--net: 5 network devices; expected at most 4",
    );
  });

  test("rates are in bits, in thousands", () => {
    expect([parseBitRate("8"), parseBitRate("1.5k"), parseBitRate("10Mbit"), parseBitRate("2gbit/s")]).toEqual([
      8, 1500, 10_000_000, 2_000_000_000,
    ]);
    expect([parseBitRate("0"), parseBitRate("-1k"), parseBitRate("1MiB"), parseBitRate("")]).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });
});

describe("viv relay", () => {
  test("listens on this host alone unless told otherwise", () => {
    expect(readRelayOptions({})).toEqual({
      action: "relay",
      host: "127.0.0.1",
      port: 8086,
      egress: [],
      rate: null,
      origins: [],
    });
    expect(readRelayOptions({ listen: "0.0.0.0:9000", origin: ["https://a.example"] })).toMatchObject({
      host: "0.0.0.0",
      port: 9000,
      origins: ["https://a.example"],
    });
  });

  test.each([
    [{ listen: "nowhere" }, /^--listen: "nowhere" is no place to listen on; expected \[HOST:\]PORT$/],
    [{ origin: ["example.org"] }, /^--origin: .* expected one such as https:\/\/example\.org, or \*$/],
    [{ deny: ["?"] }, /^--deny: "\?" is not a rule/],
    [{ rate: "0" }, /^--rate: "0" is no rate/],
  ])("%j is refused", (options, message) => {
    expect(errorOf(() => readRelayOptions(options))).toMatch(message);
  });
});
