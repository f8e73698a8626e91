/** TCP of the NAT segment by segment, as RFC 9293 and its relatives want it. */
import { beforeEach, describe, expect, test } from "vitest";
import { Nat } from "../../../host/network/nat/nat.js";
import { FakeOutside, FakeStream } from "./fake-outside.js";
import { ACK, arp, FIN, PSH, RST, type SeenTcp, SYN, type TcpOptions, tcp, u16, Wiretap } from "./packets.js";

const MSS = Buffer.concat([Buffer.from([2, 4]), u16(1460)]);
const WINDOW_SCALE_7 = Buffer.from([1, 3, 3, 7]);
const SACK_PERMITTED = Buffer.from([1, 1, 4, 2]);
const GUEST_START = 1000;

let outside: FakeOutside;
let nat: Nat;
let wire: Wiretap;

beforeEach(() => {
  outside = new FakeOutside();
  nat = new Nat({ outside });
  wire = new Wiretap(nat);
});

function send(fields: TcpOptions): SeenTcp[] {
  wire.send(tcp(fields));
  outside.settle();
  return wire.takeTcp();
}

/** @param blocks counted from `start` */
function sackFrom(start: number, blocks: readonly (readonly [number, number])[]): Buffer {
  const edges = blocks.flat().map((edge) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE((start + edge) >>> 0);
    return bytes;
  });
  return Buffer.concat([Buffer.from([1, 1, 5, 2 + 4 * edges.length]), ...edges]);
}

interface Open {
  readonly stream: FakeStream;
  /** What the NAT counts from: its first byte of data. */
  readonly start: number;
}

/** A connection of the guest's from its port 4000 to port 80 of the router. */
function open(options = Buffer.concat([MSS, WINDOW_SCALE_7, SACK_PERMITTED]), window = 0xffff): Open {
  send({ sequence: GUEST_START, flags: SYN, options, window });
  const stream = outside.streams.at(-1)!;
  stream.events.connected();
  const [synAck] = wire.takeTcp();
  send({ sequence: GUEST_START + 1, acknowledgment: synAck!.sequence + 1, flags: ACK, window });
  return { stream, start: synAck!.sequence + 1 };
}

describe("tcp: opening", () => {
  test("a connection from outside reaches a guest that has said nothing yet as soon as it answers ARP", () => {
    nat.forwardTcp({ accept: (events) => new FakeStream(null, events) }, null, 22);
    expect(wire.takeTcp()).toEqual([]);
    wire.send(arp(2, "10.0.2.15", "10.0.2.2"));
    expect(wire.takeTcp()).toMatchObject([{ flags: SYN, destinationPort: 22 }]);
  });

  test("the guest hears of the connection only when the outside has accepted it", () => {
    expect(send({ sequence: 5, flags: SYN, options: MSS })).toEqual([]);
    expect(outside.streams[0]!.to).toBe("127.0.0.1:80");
    outside.streams[0]!.events.connected();
    const [synAck] = wire.takeTcp();
    expect(synAck).toMatchObject({ flags: SYN | ACK, acknowledgment: 6, sourcePort: 80, destinationPort: 4000 });
  });

  test("a port that refuses is answered with a reset that counts for the SYN", () => {
    send({ sequence: 5, flags: SYN });
    outside.streams[0]!.events.failed("refused");
    expect(wire.takeTcp()).toMatchObject([{ flags: RST | ACK, acknowledgment: 6, sequence: 0 }]);
    expect(nat.usage.tcp).toBe(0);
  });

  test("a host out of reach is told by ICMP, with the packet it is about", () => {
    send({ sequence: 5, flags: SYN, destination: "192.0.2.9" });
    outside.streams[0]!.events.failed("unreachable");
    const [packet] = wire.take();
    expect(packet).toMatchObject({ protocol: 1, destination: "10.0.2.15" });
    expect([...packet!.payload.subarray(0, 2)]).toEqual([3, 1]);
    // The quoted packet's own destination and source port.
    expect(packet!.payload.subarray(8 + 16, 8 + 20).join(".")).toBe("192.0.2.9");
    expect(packet!.payload.readUInt16BE(8 + 20)).toBe(4000);
  });

  test("a SYN that comes again is answered again, without another connection outside", () => {
    send({ sequence: 5, flags: SYN });
    send({ sequence: 5, flags: SYN });
    outside.streams[0]!.events.connected();
    wire.takeTcp();
    expect(send({ sequence: 5, flags: SYN })).toMatchObject([{ flags: SYN | ACK, acknowledgment: 6 }]);
    expect(outside.streams.length).toBe(1);
  });

  test("a SYN-ACK that is lost goes again, and after a while the connection is given up", () => {
    send({ sequence: 5, flags: SYN });
    outside.streams[0]!.events.connected();
    expect(wire.takeTcp().length).toBe(1);
    outside.advance(1100);
    expect(wire.takeTcp()).toMatchObject([{ flags: SYN | ACK }]);
    outside.advance(600_000);
    expect(outside.streams[0]!.isAborted).toBe(true);
    expect(nat.usage.tcp).toBe(0);
    expect(outside.timerCount).toBe(0);
  });

  test.each(["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "10.0.2.200", "10.0.2.255", "10.0.2.3"])(
    "nothing leads to %s",
    (destination) => {
      const answers = send({ sequence: 5, flags: SYN, destination });
      expect(answers).toMatchObject([{ flags: RST | ACK }]);
      expect(outside.streams).toEqual([]);
    },
  );

  test("a segment of no connection is answered with a reset that fits it, a reset with nothing", () => {
    expect(send({ sequence: 7, acknowledgment: 99, flags: ACK })).toMatchObject([{ flags: RST, sequence: 99 }]);
    expect(send({ sequence: 7, flags: FIN, data: Buffer.from("abc") })).toMatchObject([
      { flags: RST | ACK, acknowledgment: 11 },
    ]);
    expect(send({ sequence: 7, flags: RST })).toEqual([]);
  });

  test("a connection from outside is opened to the guest, which may refuse it", () => {
    wire.send(arp(1, "10.0.2.15", "10.0.2.2"));
    wire.frames.length = 0;
    const incoming: FakeStream[] = [];
    const stream = {
      accept: (events: FakeStream["events"]) => {
        incoming.push(new FakeStream(null, events));
        return incoming.at(-1)!;
      },
    };
    nat.forwardTcp(stream, null, 22);
    const [syn] = wire.takeTcp();
    expect(syn).toMatchObject({ flags: SYN, destinationPort: 22 });
    const reply = { sourcePort: 22, destinationPort: syn!.sourcePort, acknowledgment: syn!.sequence + 1 };
    const answers = send({ ...reply, sequence: 50, flags: SYN | ACK, options: MSS });
    expect(answers).toMatchObject([{ flags: ACK, acknowledgment: 51, sequence: syn!.sequence + 1 }]);
    incoming[0]!.events.received(Buffer.from("hello"));
    expect(wire.takeTcp()[0]!.data.toString()).toBe("hello");

    nat.forwardTcp(stream, null, 23);
    const [second] = wire.takeTcp();
    send({
      sourcePort: 23,
      destinationPort: second!.sourcePort,
      sequence: 0,
      acknowledgment: second!.sequence + 1,
      flags: RST | ACK,
    });
    expect(incoming[1]!.isAborted).toBe(true);
  });
});

describe("tcp: from the guest", () => {
  test("data goes to the outside in order, whatever order it comes in, and gaps are reported", () => {
    const { stream, start } = open();
    const at = (offset: number, text: string) =>
      send({ sequence: GUEST_START + 1 + offset, acknowledgment: start, flags: ACK | PSH, data: Buffer.from(text) });
    expect(at(3, "def")[0]).toMatchObject({ flags: ACK, acknowledgment: GUEST_START + 1 });
    at(6, "ghi");
    expect(stream.written).toEqual([]);
    const answers = at(0, "abc");
    expect(Buffer.concat(stream.written).toString()).toBe("abcdefghi");
    expect(answers.at(-1)).toMatchObject({ acknowledgment: GUEST_START + 1 + 9 });
    at(2, "cdefghijk");
    at(0, "abc");
    expect(Buffer.concat(stream.written).toString()).toBe("abcdefghijk");
  });

  test("what fills the first gap is taken however many pieces wait behind it", () => {
    const { stream, start } = open();
    const byte = (index: number, length = 1) => {
      const data = Buffer.alloc(length, index);
      send({ sequence: GUEST_START + 1 + index, acknowledgment: start, flags: ACK, data });
    };
    for (let index = 2; index < 6000; index += 2) byte(index);
    byte(0);
    expect(Buffer.concat(stream.written).length).toBe(1);
    // It reaches over pieces that are there.
    byte(1, 20);
    expect(Buffer.concat(stream.written).length).toBe(21);
    for (let index = 21; index < 6000; index++) byte(index);
    expect(Buffer.concat(stream.written).length).toBe(6000);
    expect(nat.usage.byteLength).toBe(0);
  });

  test("what came last is reported first, and what was reported before after it (RFC 2018)", () => {
    const { start } = open();
    const base = GUEST_START + 1;
    const blocksAfter = (offset: number) => {
      const fields = { sequence: base + offset, acknowledgment: start, flags: ACK };
      const { options } = send({ ...fields, data: Buffer.alloc(10) })[0]!;
      const edges = Array.from({ length: (options.length - 4) / 4 }, (_, n) => options.readUInt32BE(4 + 4 * n) - base);
      return edges.filter((_, n) => n % 2 === 0).map((from, n) => [from, edges[2 * n + 1]]);
    };
    for (const offset of [100, 200, 300, 400]) blocksAfter(offset);
    expect(blocksAfter(500)[0]).toEqual([500, 510]);
    expect(blocksAfter(210)).toEqual([
      [200, 220],
      [500, 510],
      [400, 410],
      [300, 310],
    ]);
  });

  test("what the outside does not take closes the window, and what it takes opens it", () => {
    const { stream, start } = open(MSS);
    stream.isStuck = true;
    let sequence = GUEST_START + 1;
    let window = 0xffff;
    for (let n = 0; n < 100_000 && window > 0; n++) {
      const data = Buffer.alloc(Math.min(window, 2 * 1460));
      const [answer] = send({ sequence, acknowledgment: start, flags: ACK, data });
      sequence += data.length;
      window = answer!.window;
    }
    const total = stream.written.reduce((sum, { length }) => sum + length, 0);
    expect(window).toBe(0);
    expect(total).toBeLessThanOrEqual(4 << 20);
    const beyond = send({ sequence, acknowledgment: start, flags: ACK, data: Buffer.alloc(1) });
    expect(beyond).toMatchObject([{ acknowledgment: sequence, window: 0 }]);
    stream.pendingByteLength = 0;
    stream.events.drained();
    expect(wire.takeTcp()).toMatchObject([{ flags: ACK, acknowledgment: sequence, window: 0xffff }]);
  });

  test("two full segments are acknowledged at once (RFC 5681)", () => {
    const { start } = open();
    const at = (offset: number, byteLength: number) =>
      send({
        sequence: GUEST_START + 1 + offset,
        acknowledgment: start,
        flags: ACK,
        data: Buffer.alloc(byteLength),
      });
    expect(at(0, 1460)).toEqual([]);
    expect(at(1460, 1460)).toMatchObject([{ flags: ACK, acknowledgment: GUEST_START + 1 + 2920 }]);
  });

  test("a little data is acknowledged with the answer to it, or within 2 ms when there is none", () => {
    const { stream, start } = open();
    const ask = (offset: number) =>
      send({ sequence: GUEST_START + 1 + offset, acknowledgment: start, flags: ACK | PSH, data: Buffer.from("?") });
    expect(ask(0)).toEqual([]);
    stream.events.received(Buffer.from("!"));
    expect(wire.takeTcp()).toMatchObject([{ acknowledgment: GUEST_START + 2, data: Buffer.from("!") }]);
    outside.advance(2);
    expect(wire.takeTcp()).toEqual([]);

    expect(ask(1)).toEqual([]);
    outside.advance(2);
    expect(wire.takeTcp()).toMatchObject([{ flags: ACK, acknowledgment: GUEST_START + 3, data: Buffer.alloc(0) }]);
  });

  test("a question waits its 2 ms for an answer, however many came before it", () => {
    const { stream, start } = open();
    const ask = (offset: number) =>
      send({ sequence: GUEST_START + 1 + offset, acknowledgment: start, flags: ACK | PSH, data: Buffer.from("?") });
    for (let n = 0; n < 10; n++) {
      expect(ask(n)).toEqual([]);
      outside.advance(1.5);
      stream.events.received(Buffer.from("!"));
      expect(wire.takeTcp()).toMatchObject([{ acknowledgment: GUEST_START + 2 + n, data: Buffer.from("!") }]);
    }
    expect(ask(10)).toEqual([]);
    outside.advance(1.9);
    expect(wire.takeTcp()).toEqual([]);
    outside.advance(0.1);
    expect(wire.takeTcp()).toMatchObject([{ flags: ACK, acknowledgment: GUEST_START + 12, data: Buffer.alloc(0) }]);
  });

  test("the guest's end is passed on after its data, also when it overtakes them", () => {
    const { stream, start } = open();
    send({ sequence: GUEST_START + 4, acknowledgment: start, flags: ACK | FIN });
    expect(stream.isEnded).toBe(false);
    const answers = send({ sequence: GUEST_START + 1, acknowledgment: start, flags: ACK, data: Buffer.from("abc") });
    expect(stream.isEnded).toBe(true);
    expect(answers.at(-1)).toMatchObject({ acknowledgment: GUEST_START + 5 });
    stream.events.received(Buffer.from("still"));
    expect(wire.takeTcp()[0]!.data.toString()).toBe("still");
  });

  test("a reset counts only with the exact sequence number; near it, the guest is asked (RFC 5961)", () => {
    const { stream, start } = open();
    expect(send({ sequence: GUEST_START + 100, flags: RST })).toMatchObject([
      { flags: ACK, acknowledgment: GUEST_START + 1 },
    ]);
    expect(send({ sequence: GUEST_START - 100, flags: RST })).toEqual([]);
    expect(send({ sequence: GUEST_START + 50, acknowledgment: start, flags: SYN })).toMatchObject([{ flags: ACK }]);
    expect(stream.isAborted).toBe(false);
    send({ sequence: GUEST_START + 1, flags: RST });
    expect(stream.isAborted).toBe(true);
    expect(nat.usage).toEqual({ tcp: 0, udp: 0, byteLength: 0 });
  });

  test("an acknowledgment of what was never sent changes nothing", () => {
    const { stream, start } = open();
    expect(send({ sequence: GUEST_START + 1, acknowledgment: start + 1000, flags: ACK })).toMatchObject([
      { flags: ACK },
    ]);
    stream.events.received(Buffer.from("x"));
    expect(wire.takeTcp()).toMatchObject([{ sequence: start }]);
  });
});

describe("tcp: to the guest", () => {
  const ack = (acknowledgment: number, window = 0xffff, options?: Buffer) =>
    send({ sequence: GUEST_START + 1, acknowledgment, flags: ACK, window, ...(options && { options }) });

  test("large data goes in one frame that is to be cut to the guest's maximum", () => {
    const { stream, start } = open();
    stream.events.received(Buffer.alloc(50_000, 7));
    const [frame] = wire.frames;
    expect(frame?.segmentation).toEqual({ kind: "tcp4", payloadByteLength: 1460 });
    expect(frame?.checksum).toEqual({ start: 34, offset: 16 });
    expect(wire.takeTcp()).toMatchObject([{ sequence: start, data: Buffer.alloc(50_000, 7) }]);
  });

  test("no more is sent than the window holds; a silly window waits, a closed one is probed for ever", () => {
    const { stream, start } = open(MSS, 3000);
    stream.events.received(Buffer.alloc(10_000));
    expect(wire.takeTcp().map(({ data }) => data.length)).toEqual([3000]);
    expect(ack(start + 3000, 0)).toEqual([]);
    for (let round = 0; round < 40; round++) {
      outside.advance(31_000);
      const probes = wire.takeTcp();
      expect(probes.length, `round ${round}`).toBeGreaterThan(0);
      expect(probes.every(({ data }) => data.length === 1)).toBe(true);
      ack(start + 3000, 0);
    }
    expect(nat.usage.tcp).toBe(1);
    const answers = ack(start + 3000, 0xffff);
    expect(answers.map(({ data }) => data.length).reduce((a, b) => a + b)).toBeGreaterThanOrEqual(6999);
  });

  test("while the window is closed, what the guest sends is acknowledged inside it, and when it opens nothing is missing", () => {
    const { stream, start } = open(MSS, 3000);
    const data = Buffer.from(Array.from({ length: 10_000 }, (_, index) => index & 0xff));
    stream.events.received(data);
    wire.takeTcp();
    ack(start + 3000, 0);
    outside.advance(1000);
    expect(wire.takeTcp().at(-1)).toMatchObject({ sequence: start + 3000, data: Buffer.from([3000 & 0xff]) });
    const said = "question";
    const answers = send({
      sequence: GUEST_START + 1,
      acknowledgment: start + 3000,
      flags: ACK | PSH,
      window: 0,
      data: Buffer.from(said),
    });
    outside.advance(10);
    const acknowledgment = GUEST_START + 1 + said.length;
    expect([...answers, ...wire.takeTcp()]).toMatchObject([{ flags: ACK, sequence: start + 3000, acknowledgment }]);
    const rest = send({ sequence: acknowledgment, acknowledgment: start + 3000, flags: ACK, window: 0xffff });
    expect(rest[0]!.sequence).toBe(start + 3000);
    expect(Buffer.concat(rest.map((segment) => segment.data)).equals(data.subarray(3000))).toBe(true);
  });

  test("the host's stream is paused while the guest does not read, and goes on when it does", () => {
    const { stream, start } = open();
    let sent = 0;
    while (!stream.isPaused && sent < 64 << 20) {
      stream.events.received(Buffer.alloc(65_536));
      sent += 65_536;
    }
    expect(sent).toBeLessThanOrEqual(4 << 20);
    let segments = wire.takeTcp();
    for (let round = 0; round < 1000 && stream.isPaused; round++) {
      const ends = segments.map(({ sequence, data }) => sequence + data.length);
      segments = ack(Math.max(start, ...ends));
    }
    expect(stream.isPaused).toBe(false);
  });

  test("three acknowledgments of the same send the missing segment at once, with SACK each missing one", () => {
    const { stream, start } = open();
    stream.events.received(Buffer.alloc(14_600));
    wire.takeTcp();
    const sack = (...blocks: [number, number][]) => sackFrom(start, blocks);
    expect(ack(start, 0xffff, sack([1460, 2920]))).toEqual([]);
    expect(ack(start, 0xffff, sack([1460, 4380]))).toEqual([]);
    expect(ack(start, 0xffff, sack([1460, 4380], [5840, 7300]))).toMatchObject([
      { sequence: start, data: Buffer.alloc(1460) },
    ]);
    expect(ack(start, 0xffff, sack([1460, 4380], [5840, 8760]))).toMatchObject([{ sequence: start + 4380 }]);
  });

  test("reports that say of nothing new are no sign of a loss; those on the guest's data are (RFC 6675)", () => {
    const { stream, start } = open();
    stream.events.received(Buffer.alloc(14_600));
    wire.takeTcp();
    for (let round = 0; round < 10; round++) expect(ack(start, 0xffff, sackFrom(start, [[1460, 2920]]))).toEqual([]);
    // Duplicates that the guest has got twice, as RFC 2883 reports them.
    for (let round = 0; round < 10; round++) expect(ack(start, 0xffff, sackFrom(start, [[-1460, 0]]))).toEqual([]);
    const withData = (round: number, end: number) =>
      send({
        sequence: GUEST_START + 1 + 10 * round,
        acknowledgment: start,
        flags: ACK,
        options: sackFrom(start, [[1460, end]]),
        data: Buffer.alloc(10),
      }).filter(({ data }) => data.length > 0);
    expect(withData(0, 4380)).toEqual([]);
    expect(withData(1, 5840)).toMatchObject([{ sequence: start, data: Buffer.alloc(1460) }]);
  });

  test("what is lost again goes again once the guest has what was sent after it, not only after a timeout", () => {
    const { stream, start } = open();
    stream.events.received(Buffer.alloc(300_000));
    let sentTo = 0;
    const noting = (segments: SeenTcp[]) => {
      sentTo = Math.max(sentTo, ...segments.map(({ sequence, data }) => sequence + data.length - start));
      return segments;
    };
    noting(wire.takeTcp());
    const isFirst = ({ sequence }: SeenTcp) => sequence === start;
    const reported = (end: number) => noting(ack(start, 0xffff, sackFrom(start, [[1460, end]])));
    expect([2920, 4380, 5840].flatMap((end) => reported(end)).filter(isFirst).length).toBe(1);
    // All else arrives, and makes room for what is new.
    const before = sentTo;
    expect(reported(before).filter(isFirst)).toEqual([]);
    expect(sentTo).toBeGreaterThan(before + 5 * 1460);
    expect(reported(before + 1460).filter(isFirst)).toEqual([]);
    expect(reported(before + 4 * 1460).filter(isFirst).length).toBe(1);
  });

  test("after a timeout what the guest has is not sent again, unless it has thrown it away (RFC 2018)", () => {
    const { stream, start } = open();
    stream.events.received(Buffer.alloc(14_600));
    wire.takeTcp();
    const runs: [number, number][] = [
      [1460, 5840],
      [7300, 13_140],
    ];
    ack(start, 0xffff, sackFrom(start, runs));
    outside.advance(300);
    expect(wire.takeTcp()).toMatchObject([{ sequence: start, data: Buffer.alloc(1460) }]);
    expect(ack(start + 5840, 0xffff, sackFrom(start, runs.slice(1)))).toMatchObject([
      { sequence: start + 5840, data: Buffer.alloc(1460) },
      { sequence: start + 13_140, data: Buffer.alloc(1460) },
    ]);
    expect(ack(start + 14_600)).toEqual([]);

    stream.events.received(Buffer.alloc(14_600));
    const again = start + 14_600;
    const sentTo = Math.max(...wire.takeTcp().map(({ sequence, data }) => sequence + data.length - again));
    expect(sentTo).toBeGreaterThan(1460);
    ack(again, 0xffff, sackFrom(again, [[1460, sentTo]]));
    let acknowledgment = again;
    for (let round = 0; round < 100 && acknowledgment < again + 14_600; round++) {
      outside.advance(500);
      for (const { sequence, data } of wire.takeTcp()) {
        // Only the oldest is kept.
        if (sequence === acknowledgment) acknowledgment += data.length;
      }
      if (round % 10 === 9) ack(acknowledgment);
    }
    expect(acknowledgment).toBe(again + 14_600);
  });

  test("what is not acknowledged goes again, later each time, and in the end the connection is reset", () => {
    const { stream, start } = open();
    stream.events.received(Buffer.from("abc"));
    wire.takeTcp();
    const times: number[] = [];
    for (let ms = 0; ms < 400_000 && nat.usage.tcp > 0; ms += 100) {
      outside.advance(100);
      for (const { data } of wire.takeTcp()) if (data.toString() === "abc") times.push(ms);
    }
    const pauses = times.slice(1).map((time, index) => time - times[index]!);
    expect(times.length).toBeGreaterThan(5);
    expect(pauses.slice(0, 4).every((pause, index) => index === 0 || pause > 1.5 * pauses[index - 1]!)).toBe(true);
    expect(stream.isAborted).toBe(true);
    void start;
  });

  test("what is lost goes again also while the guest sends all the time", () => {
    const { stream, start } = open();
    stream.events.received(Buffer.from("abc"));
    wire.takeTcp();
    let sequence = GUEST_START + 1;
    const repeated: number[] = [];
    for (let ms = 0; ms < 3000; ms += 100) {
      outside.advance(100);
      const data = Buffer.alloc(100);
      const seen = send({ sequence, acknowledgment: start, flags: ACK | PSH, data });
      sequence += data.length;
      for (const segment of [...seen, ...wire.takeTcp()]) if (segment.data.toString() === "abc") repeated.push(ms);
    }
    expect(repeated.length).toBeGreaterThanOrEqual(2);
  });

  test("the host's end is sent once while the guest goes on, however often it acknowledges it, and then all is gone", () => {
    const { stream, start } = open();
    stream.events.received(Buffer.from("bye"));
    stream.events.ended();
    wire.takeTcp();
    const acknowledgment = start + 4;
    for (let round = 0; round < 10; round++) expect(ack(acknowledgment)).toEqual([]);
    let sequence = GUEST_START + 1;
    const seen: SeenTcp[] = [];
    for (let round = 0; round < 50; round++) {
      seen.push(...send({ sequence, acknowledgment, flags: ACK | PSH, data: Buffer.from("more") }));
      sequence += 4;
      outside.advance(100);
      seen.push(...wire.takeTcp());
    }
    seen.push(...send({ sequence, acknowledgment, flags: ACK | FIN }));
    expect(seen.filter(({ flags }) => (flags & FIN) !== 0)).toEqual([]);
    expect(seen.at(-1)).toMatchObject({ flags: ACK, sequence: acknowledgment, acknowledgment: sequence + 1 });
    stream.events.closed();
    outside.advance(5000);
    expect(nat.usage).toEqual({ tcp: 0, udp: 0, byteLength: 0 });
  });

  test("the host's end is passed on after its data, and when both have ended the connection is gone", () => {
    const { stream, start } = open();
    stream.events.received(Buffer.from("bye"));
    stream.events.ended();
    const segments = wire.takeTcp();
    expect(segments.map(({ data }) => data.toString()).join("")).toBe("bye");
    expect(segments.at(-1)!.flags & FIN).toBe(FIN);
    expect(segments.at(-1)!.sequence).toBe(start + 3);
    const answers = send({ sequence: GUEST_START + 1, acknowledgment: start + 4, flags: ACK | FIN });
    expect(answers.at(-1)).toMatchObject({ flags: ACK, acknowledgment: GUEST_START + 2 });
    expect(stream.isEnded).toBe(true);
    stream.events.closed();
    outside.advance(5000);
    expect(nat.usage).toEqual({ tcp: 0, udp: 0, byteLength: 0 });
    expect(outside.timerCount).toBe(0);
  });

  test("when the host's stream breaks, the guest is reset", () => {
    const { stream, start } = open();
    stream.events.failed("reset");
    expect(wire.takeTcp()).toMatchObject([{ flags: RST | ACK, sequence: start }]);
    expect(nat.usage.tcp).toBe(0);
  });

  test("while the machine takes no frames, nothing is lost and nothing piles up", () => {
    const { stream } = open();
    wire.isFull = true;
    stream.events.received(Buffer.alloc(200_000, 1));
    wire.isFull = false;
    nat.resume();
    const total = wire.takeTcp().reduce((sum, { data }) => sum + data.length, 0);
    expect(total).toBeGreaterThan(60_000);
  });

  test("a new machine on the link is a guest without connections", () => {
    const { stream, start } = open();
    const another = new Wiretap(nat);
    expect(stream.isAborted).toBe(true);
    another.send(tcp({ sequence: GUEST_START + 1, acknowledgment: start, flags: ACK }));
    expect(another.takeTcp()).toMatchObject([{ flags: RST, sequence: start }]);
  });
});

describe("tcp: floods", () => {
  test("ten thousand connections opened and reset leave nothing behind", () => {
    for (let n = 0; n < 10_000; n++) {
      const sourcePort = 1024 + n;
      send({ sourcePort, sequence: 1, flags: SYN, options: MSS });
      outside.streams.at(-1)!.events.connected();
      const [synAck] = wire.takeTcp();
      send({ sourcePort, sequence: 2, acknowledgment: synAck!.sequence + 1, flags: ACK });
    }
    expect(nat.usage.tcp).toBe(10_000);
    for (let n = 0; n < 10_000; n++) send({ sourcePort: 1024 + n, sequence: 2, flags: RST });
    expect(nat.usage).toEqual({ tcp: 0, udp: 0, byteLength: 0 });
    expect(outside.streams.every(({ isAborted }) => isAborted)).toBe(true);
    expect(outside.timerCount).toBe(0);
  });

  test("SYNs to hosts that do not answer are bounded", () => {
    for (let n = 0; n < 5000; n++) send({ sourcePort: 1024 + n, destination: "192.0.2.1", sequence: 1, flags: SYN });
    expect(outside.streams.length).toBeLessThanOrEqual(1024);
  });

  test("a guest that asks for names and reads no answer is owed no more than its stream may hold", async () => {
    outside.answer = {
      kind: "addresses",
      addresses: Array.from({ length: 60 }, (_, n) => Uint8Array.of(192, 0, 2, n)),
    };
    const name = Buffer.from("\u0004many\u0007example\0", "latin1");
    const message = Buffer.concat([Buffer.from("abcd01000001000000000000", "hex"), name, u16(1), u16(1)]);
    const question = Buffer.concat([u16(message.length), message]);
    const to = { destination: "10.0.2.3", destinationPort: 53 };
    send({ ...to, sequence: GUEST_START, flags: SYN, options: MSS });
    const synAck = wire.takeTcp()[0] ?? send({ ...to, sequence: GUEST_START, flags: SYN, options: MSS })[0]!;
    const acknowledgment = synAck.sequence + 1;
    for (let count = 0; count < 5000; count++) {
      const sequence = GUEST_START + 1 + count * question.length;
      send({ ...to, sequence, acknowledgment, flags: ACK | PSH, window: 0, data: question });
      await new Promise((resolve) => setImmediate(resolve));
    }
    // The 5,000 answers have 5 MB.
    expect(nat.usage.byteLength).toBeGreaterThan(1 << 20);
    expect(nat.usage.byteLength).toBeLessThan(2.2 * (1 << 20));
  });

  test("what all connections hold is bounded, whatever windows they were promised, and what comes next is taken", () => {
    const ports = Array.from({ length: 140 }, (_, n) => 1024 + n);
    const opened = ports.map((sourcePort) => {
      send({ sourcePort, sequence: GUEST_START, flags: SYN, options: Buffer.concat([MSS, WINDOW_SCALE_7]) });
      const stream = outside.streams.at(-1)!;
      stream.events.connected();
      const acknowledgment = wire.takeTcp()[0]!.sequence + 1;
      const to = (offset: number, data: Buffer) => {
        const sequence = GUEST_START + 1 + offset;
        return send({ sourcePort, sequence, acknowledgment, flags: ACK, window: 0xffff, data });
      };
      // Half a megabyte, of which only the beginning is missing, fits the window that the answer to this states.
      to(0, Buffer.alloc(3000));
      return { stream, to };
    });
    for (const { to } of opened) for (let n = 0; n < 9; n++) to(4000 + n * 60_000, Buffer.alloc(60_000));
    expect(nat.usage.byteLength).toBeLessThan(68 << 20);
    for (const { to } of opened) to(3000, Buffer.alloc(1000));
    expect(opened.every(({ stream }) => Buffer.concat(stream.written).length >= 4000)).toBe(true);
  });

  test("data that never fits together is bounded by the window", () => {
    const { start } = open();
    for (let n = 1; n < 5000; n++) {
      const sequence = GUEST_START + 1 + n * 1500;
      send({ sequence, acknowledgment: start, flags: ACK, data: Buffer.alloc(1460) });
    }
    expect(nat.usage.byteLength).toBeLessThan(4 << 20);
  });
});
