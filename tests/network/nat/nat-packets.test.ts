/** What the NAT says to single packets, as the RFCs want it, and that no packet can do it harm. */
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { parseAddress } from "../../../host/network/address.js";
import { EgressPolicy, parseEgressRule } from "../../../host/network/nat/egress.js";
import { Nat } from "../../../host/network/nat/nat.js";
import { FakeOutside } from "./fake-outside.js";
import { arp, ethernet, GUEST_MAC, internetChecksum, ip, ipv4, SYN, tcp, u16, u32, udp, Wiretap } from "./packets.js";

let outside: FakeOutside;
let nat: Nat;
let wire: Wiretap;

beforeEach(() => {
  outside = new FakeOutside();
  nat = new Nat({ outside });
  wire = new Wiretap(nat);
});

function ip6(text: string): Buffer {
  return Buffer.from(parseAddress(text)!);
}

/** @param place of the checksum in the payload, if it has one */
function ipv6(
  protocol: number,
  payload: Buffer,
  place: number | null,
  source: Buffer,
  destination: Buffer,
  hops = 64,
): Buffer {
  const pseudo = Buffer.concat([source, destination, u32(payload.length), u32(protocol)]);
  if (place !== null) payload.writeUInt16BE(internetChecksum(Buffer.concat([pseudo, payload])), place);
  const header = Buffer.concat([
    u32(0x60000000),
    u16(payload.length),
    Buffer.from([protocol, hops]),
    source,
    destination,
  ]);
  return ethernet(0x86dd, Buffer.concat([header, payload]));
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("arp", () => {
  test.each(["10.0.2.2", "10.0.2.3"])("%s answers with the router's address", (address) => {
    wire.send(arp(1, "10.0.2.15", address));
    const reply = Buffer.from(wire.frames[0]!.bytes);
    expect(reply.subarray(0, 6)).toEqual(GUEST_MAC);
    // Operation 2, sender, its address, target, its address: RFC 826.
    expect(reply.subarray(20).toString("hex")).toBe(
      `000252550a000202${ip(address).toString("hex")}${GUEST_MAC.toString("hex")}0a00020f`,
    );
  });

  test("nobody answers for an address that is the guest's or nobody's", () => {
    for (const address of ["10.0.2.15", "10.0.2.4", "192.0.2.1"]) wire.send(arp(1, "10.0.2.15", address));
    expect(wire.frames).toEqual([]);
  });
});

describe("a guest that has said nothing yet", () => {
  const from = { address: Uint8Array.of(198, 51, 100, 1), port: 7 };
  const forward = (address: string, text: string) =>
    nat.forwardUdp("f", from, parseAddress(address), 69, Buffer.from(text), () => {});
  const texts = () => wire.take().map(({ payload }) => payload.subarray(8).toString());
  const types = () => wire.frames.map(({ bytes }) => Buffer.from(bytes).readUInt16BE(12));

  test("is asked for by ARP, and what came for it meanwhile is sent to it when it answers (RFC 1122)", () => {
    forward("10.0.2.15", "first");
    forward("10.0.2.15", "second");
    expect(types()).toEqual([0x0806]);
    wire.send(arp(2, "10.0.2.15", "10.0.2.2"));
    expect(wire.frames.slice(1).map(({ bytes }) => Buffer.from(bytes.subarray(0, 6)))).toEqual([GUEST_MAC, GUEST_MAC]);
    expect(texts()).toEqual(["first", "second"]);
    outside.advance(10_000);
    expect(wire.frames).toEqual([]);
  });

  test("or whose address was forgotten is asked for by neighbour discovery over IPv6 (RFC 4861)", () => {
    const guest = ip6("fec0::15");
    const server = ip6("2001:db8::7");
    const ask = Buffer.concat([u16(5000), u16(99), u16(8 + 3), u16(0), Buffer.from("ask")]);
    wire.send(ipv6(17, ask, 6, guest, server));
    for (let n = 0; n < 1024; n++) wire.send(ipv6(59, Buffer.alloc(0), null, ip6(`fec0::1:${n.toString(16)}`), server));
    outside.sockets[0]!.deliver(Buffer.from("hello"), { address: server, port: 99 });
    const [solicitation] = wire.frames.splice(0).map(({ bytes }) => Buffer.from(bytes));
    expect(solicitation![14 + 40]).toBe(135);
    expect(solicitation!.subarray(14 + 40 + 8, 14 + 40 + 24)).toEqual(guest);
    // A solicited advertisement with the guest's Ethernet address.
    const advertisement = Buffer.concat([
      Buffer.from("8800000060000000", "hex"),
      guest,
      Buffer.from([2, 1]),
      GUEST_MAC,
    ]);
    wire.send(ipv6(58, advertisement, 2, guest, solicitation!.subarray(14 + 8, 14 + 24), 255));
    const [datagram] = wire.frames.map(({ bytes }) => Buffer.from(bytes));
    expect(datagram!.subarray(0, 6)).toEqual(GUEST_MAC);
    expect(datagram!.subarray(14 + 40 + 8).toString()).toBe("hello");
  });

  test("is asked three times, a second apart, and if it never answers what has waited is dropped", () => {
    for (let n = 0; n < 5000; n++) forward("10.0.2.15", `${n}`);
    outside.advance(2999);
    expect(types()).toEqual([0x0806, 0x0806, 0x0806]);
    outside.advance(1);
    expect(outside.timerCount).toBe(0);
    wire.send(arp(2, "10.0.2.15", "10.0.2.2"));
    expect(texts()).toEqual([]);
  });

  test("costs no more than a few packets, of which the last are kept, and so do many of them", () => {
    for (let n = 0; n < 5000; n++) forward("10.0.2.15", `${n}`);
    wire.send(arp(2, "10.0.2.15", "10.0.2.2"));
    const kept = texts();
    expect(kept.length).toBeLessThanOrEqual(16);
    expect(kept.at(-1)).toBe("4999");
    for (let n = 20; n < 250; n++) forward(`10.0.2.${n}`, "x");
    expect(outside.timerCount).toBeLessThanOrEqual(16);
    nat.connect({ receive: () => true, resume: () => {}, setLinkUp: () => {} });
    expect(outside.timerCount).toBe(0);
  });
});

describe("dhcp", () => {
  function message(type: number, options: Buffer = Buffer.alloc(0), mac = GUEST_MAC): Buffer {
    const fixed = Buffer.alloc(236);
    fixed.set([1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef]);
    fixed.set(mac, 28);
    const body = Buffer.concat([fixed, Buffer.from([99, 130, 83, 99, 53, 1, type]), options, Buffer.from([255])]);
    return udp(68, 67, body, { source: "0.0.0.0", destination: "255.255.255.255" });
  }

  /** The answer's type, the address it gives, and its options by code. */
  function answer(): { type: number; address: string; options: Map<number, Buffer> } | undefined {
    const packet = wire.take().at(-1);
    if (packet === undefined) return undefined;
    const body = packet.payload.subarray(8);
    const options = new Map<number, Buffer>();
    for (let at = 240; at < body.length && body[at] !== 255; at += 2 + body[at + 1]!) {
      options.set(body[at]!, body.subarray(at + 2, at + 2 + body[at + 1]!));
    }
    return { type: options.get(53)![0]!, address: body.subarray(16, 20).join("."), options };
  }

  test("a guest is offered 10.0.2.15 with mask, router, name server, MTU and a lease, and may have it", () => {
    wire.send(message(1));
    const offer = answer()!;
    expect([offer.type, offer.address]).toEqual([2, "10.0.2.15"]);
    const text = (code: number) => offer.options.get(code)!.join(".");
    expect([1, 3, 6, 54].map(text)).toEqual(["255.255.255.0", "10.0.2.2", "10.0.2.3", "10.0.2.2"]);
    expect(offer.options.get(26)!.readUInt16BE()).toBe(1500);
    expect(offer.options.get(51)!.readUInt32BE()).toBeGreaterThan(3600);
    wire.send(message(3, Buffer.from([50, 4, 10, 0, 2, 15])));
    expect(answer()).toMatchObject({ type: 5, address: "10.0.2.15" });
  });

  test("another address is refused; another guest gets another, and keeps it", () => {
    wire.send(message(1));
    wire.send(message(3, Buffer.from([50, 4, 192, 168, 0, 9])));
    expect(answer()).toMatchObject({ type: 6, address: "0.0.0.0" });
    const other = Buffer.from("525400999999", "hex");
    for (let n = 0; n < 2; n++) {
      wire.send(message(1, undefined, other));
      expect(answer()).toMatchObject({ type: 2, address: "10.0.2.16" });
    }
  });

  test("when all addresses are taken, the next guest gets none", () => {
    for (let n = 0; n < 300; n++) wire.send(message(1, undefined, Buffer.concat([Buffer.from([2, 0, 0, 0]), u16(n)])));
    const given = wire.take().map(({ payload }) => payload.subarray(24, 28).join("."));
    expect(given.length).toBe(240);
    expect(given.at(-1)).toBe("10.0.2.254");
    expect(new Set(given).size).toBe(240);
  });

  test("a message for another server, or of no type, is not answered", () => {
    wire.send(message(3, Buffer.from([54, 4, 10, 0, 2, 99])));
    wire.send(message(77));
    expect(wire.take()).toEqual([]);
  });
});

describe("icmp", () => {
  const echo = (destination: string, timeToLive?: number) => {
    const request = Buffer.concat([Buffer.from([8, 0, 0, 0, 1, 2, 3, 4]), Buffer.from("data")]);
    request.writeUInt16BE(internetChecksum(request), 2);
    return ipv4(1, request, { destination, ...(timeToLive === undefined ? {} : { timeToLive }) });
  };

  test("the router echoes what it is sent; a wrong checksum it does not", () => {
    wire.send(echo("10.0.2.2"));
    const [reply] = wire.take();
    expect(reply).toMatchObject({ source: "10.0.2.2", destination: "10.0.2.15", protocol: 1 });
    expect([...reply!.payload.subarray(0, 2)]).toEqual([0, 0]);
    expect(reply!.payload.subarray(4)).toEqual(Buffer.from("\x01\x02\x03\x04data"));
    expect(internetChecksum(reply!.payload)).toBe(0);
    const wrong = echo("10.0.2.2");
    wrong[wrong.length - 1]! ^= 1;
    wire.send(wrong);
    expect(wire.take()).toEqual([]);
  });

  test("it is the first hop for what goes beyond it, and says so of all but errors (RFC 1812)", () => {
    const beyond = { destination: "192.0.2.1", timeToLive: 1 };
    wire.send(udp(5000, 33_434, Buffer.from("x"), beyond));
    wire.send(echo("192.0.2.1", 1));
    const answers = wire.take();
    expect(answers.map(({ source, payload }) => [source, ...payload.subarray(0, 2)])).toEqual([
      ["10.0.2.2", 11, 0],
      ["10.0.2.2", 11, 0],
    ]);
    // The packet that it is about, with its ports.
    expect(answers[0]!.payload.readUInt16BE(8 + 20 + 2)).toBe(33_434);
    expect(outside.sockets).toEqual([]);
    wire.send(ipv4(1, Buffer.from([3, 3, 0xfc, 0xfc, 0, 0, 0, 0]), beyond));
    wire.send(udp(5000, 5353, Buffer.from("x"), { destination: "224.0.0.251", timeToLive: 1 }));
    expect(wire.take()).toEqual([]);
    wire.send(echo("10.0.2.2", 1));
    expect(wire.take()[0]!.payload[0]).toBe(0);
  });

  test("for others it says that it must not, and says so a hundred times a second at most", () => {
    for (let n = 0; n < 1000; n++) wire.send(echo("192.0.2.1"));
    const answers = wire.take();
    expect([...answers[0]!.payload.subarray(0, 2)]).toEqual([3, 13]);
    expect(answers.length).toBe(100);
  });
});

describe("udp", () => {
  const server = { address: Uint8Array.of(192, 0, 2, 7), port: 99 };

  test("a port of the guest has a socket outside, whose answers come back by whichever port; those of strangers do not", () => {
    wire.send(udp(5000, 99, Buffer.from("ask"), { destination: "192.0.2.7" }));
    wire.send(udp(5000, 98, Buffer.from("too"), { destination: "10.0.2.2" }));
    expect(outside.sockets.length).toBe(1);
    expect(outside.sockets[0]!.sent.map(({ to, data }) => `${to} ${data}`)).toEqual([
      "192.0.2.7:99 ask",
      "127.0.0.1:98 too",
    ]);
    outside.sockets[0]!.deliver(Buffer.from("answer"), server);
    outside.sockets[0]!.deliver(Buffer.from("answer"), { ...server, port: 100 });
    outside.sockets[0]!.deliver(Buffer.from("stranger"), { ...server, address: Uint8Array.of(192, 0, 2, 8) });
    outside.sockets[0]!.deliver(Buffer.from("local"), { address: Uint8Array.of(127, 0, 0, 1), port: 98 });
    expect(
      wire.take().map(({ source, payload }) => `${source}:${payload.readUInt16BE(0)} ${payload.subarray(8)}`),
    ).toEqual(["192.0.2.7:99 answer", "192.0.2.7:100 answer", "10.0.2.2:98 local"]);
  });

  test("a port outside at which nobody listens is told by ICMP, once for each datagram, with the datagram it is about", () => {
    const datagram = udp(5000, 99, Buffer.from("ask"), { destination: "192.0.2.7" });
    wire.send(datagram);
    outside.sockets[0]!.refuse({ ...server, port: 100 });
    expect(wire.take()).toEqual([]);
    outside.sockets[0]!.refuse(server);
    outside.sockets[0]!.refuse(server);
    const answers = wire.take();
    expect(answers.map(({ source, protocol }) => [source, protocol])).toEqual([["192.0.2.7", 1]]);
    // Destination unreachable, port unreachable; the Internet header and 64 bits of the datagram: RFC 792.
    expect([...answers[0]!.payload.subarray(0, 2)]).toEqual([3, 3]);
    expect(answers[0]!.payload.subarray(8)).toEqual(datagram.subarray(14, 14 + 20 + 8));
    expect(internetChecksum(answers[0]!.payload)).toBe(0);
  });

  test("the same over IPv6 (RFC 4443)", () => {
    const [guest, far] = [ip6("fec0::15"), ip6("2001:db8::7")];
    const ask = Buffer.concat([u16(5000), u16(99), u16(8 + 3), u16(0), Buffer.from("ask")]);
    const datagram = ipv6(17, ask, 6, guest, far);
    wire.send(datagram);
    outside.sockets[0]!.refuse({ address: far, port: 99 });
    const [answer] = wire.frames.map(({ bytes }) => Buffer.from(bytes));
    expect(answer!.subarray(14 + 8, 14 + 40)).toEqual(Buffer.concat([far, guest]));
    expect([answer![14 + 6], ...answer!.subarray(14 + 40, 14 + 42)]).toEqual([58, 1, 4]);
    expect(answer!.subarray(14 + 40 + 8)).toEqual(datagram.subarray(14));
  });

  test("a silent port loses its socket, and a guest with too many loses the oldest", () => {
    wire.send(udp(5000, 99, Buffer.from("x"), { destination: "192.0.2.7" }));
    outside.advance(140_000);
    expect(outside.sockets[0]!.isClosed).toBe(true);
    for (let n = 0; n < 3000; n++) wire.send(udp(1000 + n, 99, Buffer.from("x"), { destination: "192.0.2.7" }));
    expect(nat.usage.udp).toBeLessThanOrEqual(1024);
    expect(outside.sockets.filter(({ isClosed }) => !isClosed).length).toBe(nat.usage.udp);
  });

  test("a datagram in pieces goes out whole, in whatever order they come; overlapping pieces are dropped", () => {
    const whole = udp(5000, 99, Buffer.alloc(3000, "p"), { destination: "192.0.2.7" }).subarray(34);
    const piece = (from: number, to: number, id = 9) =>
      ipv4(17, whole.subarray(from, to), {
        destination: "192.0.2.7",
        id,
        fragment: (to < whole.length ? 0x2000 : 0) | (from / 8),
      });
    for (const [from, to] of [
      [2000, whole.length],
      [0, 1000],
      [1000, 2000],
    ] as const)
      wire.send(piece(from, to));
    expect(outside.sockets[0]!.sent[0]!.data).toEqual(Buffer.alloc(3000, "p"));
    for (const [from, to] of [
      [0, 1000],
      [992, 2000],
      [1000, 2000],
      [2000, whole.length],
    ] as const)
      wire.send(piece(from, to, 10));
    expect(outside.sockets[0]!.sent.length).toBe(1);
  });

  test("an answer longer than the MTU comes in pieces", () => {
    wire.send(udp(5000, 99, Buffer.from("x"), { destination: "192.0.2.7" }));
    outside.sockets[0]!.deliver(Buffer.alloc(4000, "l"), server);
    const pieces = wire.frames.map(({ bytes }) => Buffer.from(bytes));
    expect(pieces.map((bytes) => bytes.readUInt16BE(20) & 0x2000)).toEqual([0x2000, 0x2000, 0]);
    expect(pieces.map((bytes) => (bytes.readUInt16BE(20) & 0x1fff) * 8)).toEqual([0, 1480, 2960]);
    expect(pieces.every((bytes) => bytes.readUInt16BE(16) <= 1500)).toBe(true);
  });

  test("somebody outside who sends to a forwarded port has a port of the router's, to which the guest answers", () => {
    wire.send(arp(1, "10.0.2.15", "10.0.2.2"));
    wire.frames.length = 0;
    const answers: string[] = [];
    const from = { address: Uint8Array.of(198, 51, 100, 1), port: 7 };
    nat.forwardUdp("f", from, null, 69, Buffer.from("hi"), (bytes) => answers.push(Buffer.from(bytes).toString()));
    const [datagram] = wire.take();
    expect(datagram).toMatchObject({ source: "10.0.2.2", destination: "10.0.2.15" });
    expect(datagram!.payload.readUInt16BE(2)).toBe(69);
    wire.send(udp(69, datagram!.payload.readUInt16BE(0), Buffer.from("hello")));
    expect(answers).toEqual(["hello"]);
    expect(outside.sockets).toEqual([]);
  });

  test("a flood to anywhere is bounded, and what is denied is told", () => {
    nat.egress.rules = [parseEgressRule("deny", "udp:192.0.2.0/24")];
    wire.send(udp(5000, 99, Buffer.from("x"), { destination: "192.0.2.7" }));
    expect([...wire.take()[0]!.payload.subarray(0, 2)]).toEqual([3, 13]);
    expect(outside.sockets).toEqual([]);
  });
});

describe("names", () => {
  const question = (name: string, type = 1) =>
    Buffer.concat([
      u16(0xabcd),
      u16(0x0100),
      u16(1),
      Buffer.alloc(6),
      ...name.split(".").map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
      Buffer.from([0]),
      u16(type),
      u16(1),
    ]);

  async function ask(message: Buffer): Promise<Buffer | undefined> {
    wire.send(udp(5000, 53, message, { destination: "10.0.2.3" }));
    await settled();
    return wire.take().at(-1)?.payload.subarray(8);
  }

  test("addresses are those that the host finds, of the version asked for", async () => {
    outside.answer = { kind: "addresses", addresses: [Uint8Array.of(192, 0, 2, 1), parseAddress("2001:db8::5")!] };
    const four = (await ask(question("Example.ORG")))!;
    expect(four.readUInt16BE(0)).toBe(0xabcd);
    expect(four.readUInt16BE(2) & 0x800f).toBe(0x8000);
    expect([four.readUInt16BE(4), four.readUInt16BE(6)]).toEqual([1, 1]);
    expect(four.subarray(-4).join(".")).toBe("192.0.2.1");
    const six = (await ask(question("example.org", 28)))!;
    expect(six.subarray(-16).toString("hex")).toBe("20010db8000000000000000000000005");
  });

  test.each([
    ["unknown", 3],
    ["failed", 2],
  ] as const)("a name whose lookup is %s has code %i", async (kind, code) => {
    outside.answer = { kind };
    expect((await ask(question("nowhere.example")))!.readUInt16BE(2) & 0xf).toBe(code);
  });

  test("a question that is cut off or has two parts is a format error; an answer is no question", async () => {
    expect((await ask(question("example.org").subarray(0, 20)))!.readUInt16BE(2) & 0xf).toBe(1);
    const two = question("example.org");
    two.writeUInt16BE(2, 4);
    expect((await ask(two))!.readUInt16BE(2) & 0xf).toBe(1);
    const answer = question("example.org");
    answer.writeUInt16BE(0x8100, 2);
    expect(await ask(answer)).toBeUndefined();
  });

  test("more addresses than fit a datagram are cut off, and the guest is told to ask by TCP", async () => {
    outside.answer = {
      kind: "addresses",
      addresses: Array.from({ length: 60 }, (_, n) => Uint8Array.of(192, 0, 2, n)),
    };
    const answer = (await ask(question("many.example")))!;
    expect(answer.length).toBeLessThanOrEqual(512);
    expect(answer.readUInt16BE(2) & 0x0200).toBe(0x0200);
  });

  test("an allowed name opens the addresses it was looked up to, and nothing else", async () => {
    nat.egress.rules = [parseEgressRule("allow", "*.example.org:80")];
    outside.answer = { kind: "addresses", addresses: [Uint8Array.of(192, 0, 2, 1)] };
    const connect = (destination: string, destinationPort = 80) => {
      wire.send(tcp({ sequence: 1, flags: SYN, destination, destinationPort }));
      return outside.streams.length;
    };
    expect(connect("192.0.2.1")).toBe(0);
    expect((await ask(question("www.example.com")))!.readUInt16BE(2) & 0xf).toBe(5);
    expect((await ask(question("www.example.org")))!.readUInt16BE(2) & 0xf).toBe(0);
    expect(connect("192.0.2.1")).toBe(1);
    expect(connect("192.0.2.1", 81)).toBe(1);
    expect(connect("192.0.2.2")).toBe(1);
    // Who keeps the name says that it is the router, which stands for this host.
    outside.answer = { kind: "addresses", addresses: [parseAddress("10.0.2.2")!, parseAddress("fec0::2")!] };
    expect((await ask(question("www.example.org")))!.subarray(-4).join(".")).toBe("10.0.2.2");
    expect(connect("10.0.2.2")).toBe(1);
  });
});

describe("rules", () => {
  const policy = (...rules: string[]) =>
    new EgressPolicy(rules.map((rule) => parseEgressRule(rule[0] === "+" ? "allow" : "deny", rule.slice(1))));
  const allows = (egress: EgressPolicy, address: string, port = 80, protocol: "tcp" | "udp" = "tcp") =>
    egress.allows(protocol, parseAddress(address)!, port);

  test("without rules everything is allowed; with an allowing one, nothing else", () => {
    expect(allows(policy(), "192.0.2.1")).toBe(true);
    expect(allows(policy("-10.0.0.0/8"), "192.0.2.1")).toBe(true);
    expect(allows(policy("+10.0.0.0/8"), "192.0.2.1")).toBe(false);
  });

  test("the first that fits decides", () => {
    const egress = policy("+192.0.2.1", "-192.0.2.0/24", "+udp:0.0.0.0/0:53", "+[2001:db8::]/33:1-99");
    expect(allows(egress, "192.0.2.1")).toBe(true);
    expect(allows(egress, "192.0.2.2")).toBe(false);
    expect(allows(egress, "198.51.100.1", 53, "udp")).toBe(true);
    expect(allows(egress, "198.51.100.1", 53, "tcp")).toBe(false);
    expect(allows(egress, "2001:db8:7fff::1", 99)).toBe(true);
    expect(allows(egress, "2001:db8:8000::1", 99)).toBe(false);
    expect(allows(egress, "2001:db8::1", 100)).toBe(false);
  });
});

describe("ipv6 from a guest", () => {
  const packet = (next: number, source: string, destination: string, payload: Buffer) =>
    ethernet(
      0x86dd,
      Buffer.concat([
        Buffer.from([0x60, 0, 0, 0]),
        u16(payload.length),
        Buffer.from([next, 64]),
        parseAddress(source)!,
        parseAddress(destination)!,
        payload,
      ]),
    );

  test.each(["::1", "::", "::ffff:127.0.0.1", "::127.0.0.1", "fe80::99", "ff02::5", "fec0::77"])(
    "nothing leads to %s",
    (destination) => {
      const syn = Buffer.concat([
        u16(4000),
        u16(80),
        u32(1),
        u32(0),
        Buffer.from([0x50, 2]),
        u16(100),
        Buffer.alloc(4),
      ]);
      const pseudo = [
        parseAddress("fec0::15")!,
        parseAddress(destination)!,
        u32(syn.length),
        Buffer.from([0, 0, 0, 6]),
      ];
      syn.writeUInt16BE(internetChecksum(Buffer.concat([...pseudo, syn])), 16);
      wire.send(packet(6, "fec0::15", destination, syn));
      expect(outside.streams).toEqual([]);
    },
  );
});

test("whatever a guest sends, the NAT neither throws nor keeps more than its bounds", () => {
  const port = fc.constantFrom(22, 53, 67, 68, 80, 547, 5000);
  const address = fc.constantFrom(
    "10.0.2.15",
    "10.0.2.2",
    "10.0.2.3",
    "0.0.0.0",
    "255.255.255.255",
    "192.0.2.1",
    "127.0.0.1",
  );
  const data = fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes));
  const frame = fc.oneof(
    fc.tuple(fc.constantFrom(0x0800, 0x0806, 0x86dd, 0x1234), data).map(([type, bytes]) => ethernet(type, bytes)),
    fc
      .tuple(fc.nat(255), data, address, address)
      .map(([protocol, bytes, source, destination]) => ipv4(protocol, bytes, { source, destination })),
    fc
      .tuple(port, port, data, address, address)
      .map(([from, to, bytes, source, destination]) => udp(from, to, bytes, { source, destination })),
    fc
      .tuple(fc.nat(0x3f), fc.nat(5), fc.nat(5), fc.nat(0xffff), data, address, fc.constantFrom(0, 4, 8, 12))
      .map(([flags, sequence, acknowledgment, window, bytes, destination, optionLength]) =>
        tcp({
          ...{ flags, sequence, acknowledgment: acknowledgment + 0x1111_1111, window, data: bytes, destination },
          options: Buffer.from([2, 4, 0, 1, 3, 3, 14, 0, 5, 10, 0, 0]).subarray(0, optionLength),
        }),
      ),
  );
  const spoilt = fc
    .tuple(frame, fc.array(fc.tuple(fc.nat(90), fc.nat(255)), { maxLength: 3 }))
    .map(([bytes, damage]) => {
      const copy = Buffer.from(bytes);
      for (const [offset, value] of damage) if (offset < copy.length) copy[offset] = value;
      return copy;
    });
  const step = fc.oneof(
    { weight: 8, arbitrary: spoilt.map((bytes) => () => wire.send(bytes)) },
    { weight: 1, arbitrary: fc.nat(5000).map((ms) => () => outside.advance(ms)) },
    { weight: 1, arbitrary: fc.constant(() => outside.streams.at(-1)?.events.connected()) },
    {
      weight: 1,
      arbitrary: fc.nat(3000).map((length) => () => outside.streams.at(-1)?.events.received(new Uint8Array(length))),
    },
    { weight: 1, arbitrary: fc.constant(() => outside.streams.at(-1)?.events.ended()) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      outside = new FakeOutside();
      nat = new Nat({ outside });
      wire = new Wiretap(nat);
      for (const each of steps) each();
      outside.settle();
      expect(nat.usage.byteLength).toBeGreaterThanOrEqual(0);
      expect(nat.usage.byteLength).toBeLessThan(1 << 20);
      nat.connect(wire);
      expect(nat.usage).toEqual({ tcp: 0, udp: 0, byteLength: 0 });
      expect(outside.timerCount).toBe(0);
    }),
    { numRuns: 300 },
  );
});
