/** What stands between a device and its network: switches, limits, captures, frames over streams. */
import { describe, expect, test } from "vitest";
import { formatAddress, formatMac, parseAddress, parseCidr, parseMac } from "../../host/network/address.js";
import { FrameReader, frameWithLength, packFrame, unpackFrame } from "../../host/network/frame-stream.js";
import { ImpatientLink } from "../../host/network/impatient-link.js";
import { LimitedLink, SharedRate } from "../../host/network/limited-link.js";
import { type Frame, type Link, plainFrame, type Station } from "../../host/network/link.js";
import { CapturedLink, pcapFileHeader, pcapPacket } from "../../host/network/pcap.js";
import { type FramePeer, PeerLink, PeerStation } from "../../host/network/peer-link.js";
import { plainFrames } from "../../host/network/plain-frames.js";
import { Switch } from "../../host/network/switch.js";
import { FakeLink } from "../devices/virtio/fake-link.js";
import { FakeOutside } from "./nat/fake-outside.js";
import { internetChecksum } from "./nat/packets.js";

class FakeStation implements Station {
  readonly frames: Frame[] = [];
  isFull = false;
  resumeCount = 0;
  isUp = true;

  receive(frame: Frame): boolean {
    if (this.isFull) return false;
    this.frames.push(frame);
    return true;
  }

  resume(): void {
    this.resumeCount++;
  }

  setLinkUp(isUp: boolean): void {
    this.isUp = isUp;
  }
}

function plugged(link: Link): FakeStation {
  const station = new FakeStation();
  link.connect(station);
  return station;
}

/** A frame between stations of these numbers; 255 is everybody. */
function frame(to: number, from: number, byteLength = 60): Frame {
  const bytes = new Uint8Array(byteLength);
  bytes.set(to === 255 ? new Array(6).fill(255) : [2, 0, 0, 0, 0, to]);
  bytes.set([2, 0, 0, 0, 0, from], 6);
  return plainFrame(bytes);
}

describe("a place at a switch that takes no frames any more", () => {
  /** Two stations of which the second is full, and the clock. The first knows both. */
  function pausedNeighbour() {
    const outside = new FakeOutside();
    const exchange = new Switch();
    const ports = [exchange.port(), exchange.port(), exchange.port()].map((port) => new ImpatientLink(port, outside));
    const stations = ports.map(plugged);
    for (const [index, port] of ports.entries()) port.send(frame(255, index + 1));
    for (const { frames } of stations) frames.length = 0;
    stations[1]!.isFull = true;
    return { outside, ports, stations };
  }

  test("holds its neighbours up for half a second, and then loses its frames until it takes some again", () => {
    const { outside, ports, stations } = pausedNeighbour();
    expect(ports[0]!.send(frame(2, 1))).toBe(false);
    outside.advance(450);
    expect(ports[0]!.send(frame(2, 1))).toBe(false);
    expect(stations[0]!.resumeCount).toBe(0);
    outside.advance(60);
    expect(stations[0]!.resumeCount).toBe(1);
    expect([ports[0]!.send(frame(2, 1)), ports[0]!.send(frame(3, 1))]).toEqual([true, true]);
    expect(stations.map(({ frames }) => frames.length)).toEqual([0, 0, 1]);
    stations[1]!.isFull = false;
    ports[1]!.resume();
    expect(ports[0]!.send(frame(2, 1))).toBe(true);
    expect(stations[1]!.frames.length).toBe(1);
  });

  test("is no such place when it only was full for a moment", () => {
    const { outside, ports, stations } = pausedNeighbour();
    for (let turn = 0; turn < 5; turn++) {
      stations[1]!.isFull = true;
      expect(ports[0]!.send(frame(2, 1))).toBe(false);
      outside.advance(400);
      stations[1]!.isFull = false;
      ports[1]!.resume();
      expect(ports[0]!.send(frame(2, 1))).toBe(true);
    }
    expect(stations[1]!.frames.length).toBe(5);
    expect(outside.timerCount).toBe(0);
  });

  test("leaves no timer when it is unplugged", async () => {
    const { outside, ports } = pausedNeighbour();
    ports[0]!.send(frame(2, 1));
    expect(outside.timerCount).toBeGreaterThan(0);
    for (const port of ports) await port.close();
    expect(outside.timerCount).toBe(0);
  });
});

describe("a switch", () => {
  function three() {
    const exchange = new Switch();
    const ports = [exchange.port(), exchange.port(), exchange.port()] as const;
    return { exchange, ports, stations: ports.map(plugged) as [FakeStation, FakeStation, FakeStation] };
  }

  test("sends a frame everywhere until it knows its destination, then only there", () => {
    const { ports, stations } = three();
    ports[0].send(frame(2, 1));
    expect(stations.map(({ frames }) => frames.length)).toEqual([0, 1, 1]);
    ports[1].send(frame(1, 2));
    expect(stations.map(({ frames }) => frames.length)).toEqual([1, 1, 1]);
    ports[0].send(frame(2, 1));
    expect(stations.map(({ frames }) => frames.length)).toEqual([1, 2, 1]);
    ports[2].send(frame(255, 3));
    expect(stations.map(({ frames }) => frames.length)).toEqual([2, 3, 1]);
  });

  test("follows a station that moves, and forgets one that is unplugged", async () => {
    const { ports, stations } = three();
    ports[1].send(frame(255, 2));
    ports[2].send(frame(255, 2));
    ports[0].send(frame(2, 1));
    expect(stations.map(({ frames }) => frames.length)).toEqual([2, 1, 2]);
    await ports[2].close();
    ports[0].send(frame(2, 1));
    expect(stations.map(({ frames }) => frames.length)).toEqual([2, 2, 2]);
  });

  test("refuses what only a full station is to have, and lets the sender know when it has room", () => {
    const { ports, stations } = three();
    ports[1].send(frame(255, 2));
    stations[1].isFull = true;
    expect(ports[0].send(frame(2, 1))).toBe(false);
    expect(ports[0].send(frame(255, 1))).toBe(true);
    stations[1].isFull = false;
    ports[1].resume();
    expect(stations[0].resumeCount).toBe(1);
    expect(ports[0].send(frame(2, 1))).toBe(true);
  });

  test("has room for no more than so many addresses", () => {
    const { ports } = three();
    for (let n = 0; n < 20_000; n++) {
      const bytes = new Uint8Array(60);
      bytes.set([2, 0, 0, n >> 16, n >> 8, n], 6);
      expect(ports[0].send(plainFrame(bytes))).toBe(true);
    }
  });
});

describe("a limited link", () => {
  const mbit = (n: number) => ({ bytesPerSecond: n * 125_000, burstByteLength: 10_000 });

  /** Sends as fast as it may for a second. @returns bytes sent */
  function flood(outside: FakeOutside, ...links: LimitedLink[]): number[] {
    const sent = links.map(() => 0);
    for (let ms = 0; ms < 1000; ms++) {
      links.forEach((link, index) => {
        while (link.send(frame(2, 1, 1000))) sent[index]! += 1000;
      });
      outside.advance(1);
    }
    return sent;
  }

  test("carries its ceiling and no more, but for the burst; what is refused may come again later", () => {
    const outside = new FakeOutside();
    const link = new LimitedLink(new FakeLink(), { ceiling: mbit(8) }, outside);
    const station = plugged(link);
    const [sent] = flood(outside, link);
    expect(sent).toBeGreaterThan(950_000);
    expect(sent).toBeLessThan(1_020_000);
    expect(station.resumeCount).toBeGreaterThan(10);
  });

  test("another rate counts at once, and none at all is no limit", () => {
    const outside = new FakeOutside();
    const inner = new FakeLink();
    const link = new LimitedLink(inner, { ceiling: mbit(8) }, outside);
    plugged(link);
    flood(outside, link);
    link.rate = { ceiling: mbit(80) };
    expect(flood(outside, link)[0]).toBeGreaterThan(9_000_000);
    link.rate = null;
    for (let n = 0; n < 1000; n++) expect(link.send(frame(2, 1, 60_000))).toBe(true);
  });

  test("limits what comes in, too, by itself", () => {
    const outside = new FakeOutside();
    const inner = new FakeLink();
    const link = new LimitedLink(inner, { ceiling: mbit(8) }, outside);
    const station = plugged(link);
    let taken = 0;
    while (inner.station.receive(frame(1, 2, 1000))) taken++;
    expect(taken).toBeLessThan(20);
    expect(link.send(frame(2, 1))).toBe(true);
    outside.advance(100);
    expect(inner.resumeCount).toBeGreaterThan(0);
    expect(inner.station.receive(frame(1, 2, 1000))).toBe(true);
    expect(station.frames.length).toBe(taken + 1);
  });

  test("has its guarantee while others use up what they share, and shares what is left", () => {
    const outside = new FakeOutside();
    const shared = new SharedRate(mbit(16), outside);
    const greedy = new LimitedLink(new FakeLink(), { ceiling: mbit(1000) }, outside, shared);
    const modest = new LimitedLink(
      new FakeLink(),
      { ceiling: mbit(1000), guaranteedBytesPerSecond: 500_000 },
      outside,
      shared,
    );
    plugged(greedy);
    plugged(modest);
    const [first, second] = flood(outside, greedy, modest);
    expect(second).toBeGreaterThan(450_000);
    expect(first! + second!).toBeLessThan(2_700_000);
  });
});

describe("plain frames", () => {
  /** An IPv4 TCP frame with a payload, its checksums not done. */
  function large(payloadByteLength: number, payloadPerFrame: number): Frame {
    const bytes = Buffer.alloc(54 + payloadByteLength);
    bytes.writeUInt16BE(0x0800, 12);
    bytes.set([0x45, 0], 14);
    bytes.writeUInt16BE(40 + payloadByteLength, 16);
    bytes.writeUInt16BE(100, 18);
    bytes.set([64, 6], 22);
    bytes.set([10, 0, 2, 15, 10, 0, 2, 2], 26);
    bytes.writeUInt32BE(0xffff_ff00, 38);
    bytes.set([0x50, 0x99], 46);
    for (let n = 0; n < payloadByteLength; n++) bytes[54 + n] = n;
    return {
      bytes: new Uint8Array(bytes),
      checksum: { start: 34, offset: 16 },
      segmentation: { kind: "tcp4", payloadByteLength: payloadPerFrame },
    };
  }

  test("a large segment becomes segments whose headers and checksums are right by themselves", () => {
    const frames = plainFrames(large(2500, 1000)).map(({ bytes }) => Buffer.from(bytes));
    expect(frames.map(({ length }) => length - 54)).toEqual([1000, 1000, 500]);
    expect(frames.map((each) => each.readUInt32BE(38))).toEqual([0xffff_ff00, 0x2e8, 0x6d0]);
    expect(frames.map((each) => each.readUInt16BE(18))).toEqual([100, 101, 102]);
    // FIN and PSH on the last, CWR on the first.
    expect(frames.map((each) => each[47])).toEqual([0x90, 0x10, 0x19]);
    for (const each of frames) {
      expect(each.readUInt16BE(16)).toBe(each.length - 14);
      expect(internetChecksum(each.subarray(14, 34))).toBe(0);
      const pseudo = Buffer.concat([
        each.subarray(26, 34),
        Buffer.from([0, 6, (each.length - 34) >> 8, (each.length - 34) & 0xff]),
      ]);
      expect(internetChecksum(Buffer.concat([pseudo, each.subarray(34)]))).toBe(0);
    }
  });

  test("the smallest pieces that Linux sends are cut, and between machines of ours passed on: 48 bytes less a timestamp", () => {
    const whole = large(65_000, 36);
    const frames = plainFrames(unpackFrame(packFrame(whole))!);
    expect(Buffer.concat(frames.map(({ bytes }) => bytes.subarray(54)))).toEqual(Buffer.from(whole.bytes.subarray(54)));
    expect(Math.max(...frames.map(({ bytes }) => bytes.length))).toBe(54 + 36);
  });

  test("claims that do not hold give no frames: pieces of nothing, too many, headers that are not there", () => {
    expect(plainFrames(large(1000, 0))).toEqual([]);
    expect(plainFrames(large(60_000, 1))).toEqual([]);
    expect(plainFrames({ ...large(100, 50), bytes: new Uint8Array(40) })).toEqual([]);
    expect(plainFrames({ bytes: new Uint8Array(60), checksum: { start: 58, offset: 6 }, segmentation: null })).toEqual(
      [],
    );
    const noTcp = large(100, 50);
    noTcp.bytes[23] = 17;
    expect(plainFrames(noTcp)).toEqual([]);
  });
});

describe("a capture", () => {
  test("is a pcap file with what passed, a question before its answer", () => {
    const written: Buffer[] = [Buffer.from(pcapFileHeader())];
    const answering: Link = {
      connect(station) {
        this.send = () => station.receive(frame(1, 2, 61));
      },
      send: () => true,
      resume: () => {},
      close: async () => {},
    };
    const link = new CapturedLink(
      answering,
      { write: (bytes) => written.push(Buffer.from(bytes)) },
      () => 1_500_000_000n,
    );
    plugged(link);
    link.send(frame(2, 1, 60));
    const pcap = Buffer.concat(written);
    expect(pcap.readUInt32LE(0)).toBe(0xa1b23c4d);
    expect([pcap.readUInt16LE(4), pcap.readUInt16LE(6), pcap.readUInt32LE(20)]).toEqual([2, 4, 1]);
    expect([24, 28, 32, 36].map((at) => pcap.readUInt32LE(at))).toEqual([1, 500_000_000, 60, 60]);
    expect(pcap.readUInt32LE(24 + 16 + 60 + 8)).toBe(61);
    expect(pcap.length).toBe(24 + 2 * 16 + 60 + 61);
  });

  test("has no packet that is longer than its header says, and says how long it was", () => {
    const longest = Buffer.from(pcapFileHeader()).readUInt32LE(16);
    const packet = Buffer.from(pcapPacket(new Uint8Array(longest + 100), 0n));
    expect([packet.readUInt32LE(8), packet.readUInt32LE(12)]).toEqual([longest, longest + 100]);
    expect(packet.length).toBe(16 + longest);
  });

  test("does not have what was refused", () => {
    const written: Uint8Array[] = [];
    const inner = new FakeLink();
    const link = new CapturedLink(inner, { write: (bytes) => written.push(bytes) }, () => 0n);
    const station = plugged(link);
    station.isFull = true;
    inner.isFull = true;
    expect(link.send(frame(2, 1))).toBe(false);
    expect(inner.station.receive(frame(1, 2))).toBe(false);
    expect(written).toEqual([]);
  });
});

describe("frames over a stream", () => {
  test("are found however the stream is cut", () => {
    const frames = [1, 60, 1500, 65_000].map((length) => new Uint8Array(length).fill(length));
    const stream = Buffer.concat(frames.map(frameWithLength));
    expect(stream.subarray(0, 5).toString("hex")).toBe("0000000101");
    for (const step of [1, 7, 1000, stream.length]) {
      const reader = new FrameReader();
      const found: Uint8Array[] = [];
      for (let at = 0; at < stream.length; at += step) found.push(...reader.push(stream.subarray(at, at + step))!);
      expect(found).toEqual(frames);
    }
  });

  test("between machines of ours carry the work that is left to do", () => {
    const bytes = new Uint8Array(9000).fill(7);
    const checksum = { start: 34, offset: 16 };
    const frames: Frame[] = [
      plainFrame(bytes),
      { bytes, checksum, segmentation: null },
      { bytes, checksum, segmentation: { kind: "tcp4", payloadByteLength: 1460 } },
      { bytes, checksum, segmentation: { kind: "tcp6", payloadByteLength: 1440 } },
    ];
    expect(frames.map((frame) => unpackFrame(packFrame(frame)))).toEqual(frames);
    expect(Buffer.from(packFrame(frames[2]!)).subarray(0, 9).toString("hex")).toBe("00020022001005b407");
  });

  test.each([
    ["no room for what is to be done", "000000"],
    ["work that nobody knows", `0004000000000040${"00".repeat(60)}`],
    ["a checksum behind the end", `0001003a00010000${"00".repeat(60)}`],
    ["pieces of no length", `0002000000000000${"00".repeat(60)}`],
  ])("a frame with %s is none", (_, hex) => {
    expect(unpackFrame(Buffer.from(hex, "hex"))).toBeNull();
  });

  test("a length that no frame has means that the stream is no such stream", () => {
    expect(new FrameReader().push(Buffer.from("GET / HTTP/1.1\r\n"))).toBeNull();
    expect(new FrameReader().push(new Uint8Array(4))).toBeNull();
  });
});

describe("a peer", () => {
  class FakePeer implements FramePeer {
    readonly sent: Uint8Array[] = [];
    pendingByteLength = 0;
    isPaused = false;
    isClosed = false;

    send(bytes: Uint8Array): void {
      this.sent.push(bytes);
    }

    pause(): void {
      this.isPaused = true;
    }

    resume(): void {
      this.isPaused = false;
    }

    close(): void {
      this.isClosed = true;
    }
  }

  test("that is gone pulls out the cable, and one that comes puts it in", () => {
    const link = new PeerLink();
    const station = plugged(link);
    expect(station.isUp).toBe(false);
    link.setPeer(new FakePeer());
    expect(station.isUp).toBe(true);
    link.setPeer(null);
    expect(station.isUp).toBe(false);
    expect(link.send(frame(2, 1))).toBe(true);
  });

  test("that is slow makes the sender wait; a machine that is slow pauses it, and loses nothing", () => {
    const link = new PeerLink();
    const station = plugged(link);
    const peer = new FakePeer();
    link.setPeer(peer);
    peer.pendingByteLength = 2 << 20;
    expect(link.send(frame(2, 1))).toBe(false);
    peer.pendingByteLength = 0;
    link.drained();
    expect(station.resumeCount).toBe(1);
    station.isFull = true;
    for (let n = 0; n < 3; n++) link.received(new Uint8Array(60 + n));
    expect(peer.isPaused).toBe(true);
    station.isFull = false;
    link.resume();
    expect(station.frames.map(({ bytes }) => bytes.length)).toEqual([60, 61, 62]);
    expect(peer.isPaused).toBe(false);
  });

  test("that cannot be paused loses frames beyond some megabytes while the machine takes none", () => {
    const link = new PeerLink();
    const station = plugged(link);
    link.setPeer(new FakePeer());
    for (let turn = 0; turn < 2; turn++) {
      station.isFull = true;
      station.frames.length = 0;
      for (let n = 0; n < 10_000; n++) link.received(new Uint8Array(1500));
      station.isFull = false;
      link.resume();
      const byteLength = station.frames.length * 1500;
      expect(byteLength).toBeGreaterThan(1 << 20);
      expect(byteLength).toBeLessThan(5 << 20);
    }
    link.received(new Uint8Array(60));
    expect(station.frames.at(-1)!.bytes.length).toBe(60);
  });

  test("can be the machine on a link of ours", () => {
    const inner = new FakeLink();
    const peer = new FakePeer();
    const station = new PeerStation(peer, inner);
    station.received(new Uint8Array(60));
    expect(inner.sent.length).toBe(1);
    expect(inner.station.receive(frame(1, 2))).toBe(true);
    expect(peer.sent.length).toBe(1);
    peer.pendingByteLength = 2 << 20;
    expect(inner.station.receive(frame(1, 2))).toBe(false);
    peer.pendingByteLength = 0;
    station.drained();
    expect(inner.resumeCount).toBe(1);
    inner.isFull = true;
    station.received(new Uint8Array(61));
    expect(peer.isPaused).toBe(true);
    inner.isFull = false;
    inner.station.resume();
    expect(inner.sent.at(-1)?.bytes.length).toBe(61);
    expect(peer.isPaused).toBe(false);
  });
});

describe("addresses as text", () => {
  test.each([
    ["192.0.2.1", "c0000201"],
    ["::", "00000000000000000000000000000000"],
    ["::1", "00000000000000000000000000000001"],
    ["2001:db8::8:800:200c:417a", "20010db80000000000080800200c417a"],
    ["::ffff:192.0.2.1", "00000000000000000000ffffc0000201"],
    ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
  ])("%s is read", (text, bytes) => {
    expect(Buffer.from(parseAddress(text)!).toString("hex")).toBe(bytes);
  });

  test.each([
    "",
    "1.2.3",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.4.5",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "::1.2.3",
    "1:2:3:4:5:6:7::8:9",
  ])("%j is none", (text) => expect(parseAddress(text)).toBeNull());

  test("an IPv6 address is written as RFC 5952 says", () => {
    const written = (text: string) => formatAddress(parseAddress(text)!);
    expect(written("2001:0DB8:0:0:0:0:2:1")).toBe("2001:db8::2:1");
    expect(written("2001:db8:0:1:1:1:1:1")).toBe("2001:db8:0:1:1:1:1:1");
    expect(written("2001:0:0:1:0:0:0:1")).toBe("2001:0:0:1::1");
    expect(written("::")).toBe("::");
  });

  test("prefixes and Ethernet addresses", () => {
    expect(parseCidr("10.0.0.0/8")).toEqual({ address: Uint8Array.of(10, 0, 0, 0), prefixBitCount: 8 });
    expect(["10.0.0.0/33", "10.0.0.0/", "x/8", "1.2.3.4/8/8"].map(parseCidr)).toEqual([null, null, null, null]);
    expect(formatMac(parseMac("52:54:00:AB:cd:0f")!)).toBe("52:54:00:ab:cd:0f");
    expect(["52:54:00:ab:cd", "5254.00ab.cd0f", "52:54:00:ab:cd:0g"].map(parseMac)).toEqual([null, null, null]);
  });
});
