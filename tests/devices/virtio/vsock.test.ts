import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { STATUS_NEEDS_RESET } from "../../../host/devices/virtio/mmio-registers.js";
import { VirtioVsock, VSOCK_CONNECTIONS_MAX } from "../../../host/devices/virtio/vsock.js";
import type { VsockEvents, VsockStream } from "../../../host/devices/virtio/vsock-connection.js";
import { VirtioBench, virtioDeviceContract } from "../../contracts/virtio-device-contract.js";
import { FakeRam } from "../fake-ram.js";
import type { MockQueue } from "./mock-driver.js";

const CID = 5;
// Virtio 1.2 section 5.10.6.
const [REQUEST, RESPONSE, RST, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST] = [1, 2, 3, 4, 5, 6, 7] as const;
const ROOM = 1 << 16;

interface Packet {
  readonly op: number;
  readonly hostPort: number;
  readonly guestPort: number;
  readonly flags: number;
  readonly room: number;
  readonly taken: number;
  readonly text: string;
}

/** A packet from the guest. */
function packet(op: number, fields: Partial<Packet & { cid: number; type: number; length: number }> = {}): Uint8Array {
  const { hostPort = 1024, guestPort = 2000, flags = 0, room = ROOM, taken = 0, text = "" } = fields;
  const bytes = Buffer.alloc(44 + text.length);
  bytes.writeBigUInt64LE(BigInt(fields.cid ?? CID), 0);
  bytes.writeBigUInt64LE(2n, 8);
  bytes.writeUInt32LE(guestPort, 16);
  bytes.writeUInt32LE(hostPort, 20);
  bytes.writeUInt32LE(fields.length ?? text.length, 24);
  bytes.writeUInt16LE(fields.type ?? 1, 28);
  bytes.writeUInt16LE(op, 30);
  bytes.writeUInt32LE(flags, 32);
  bytes.writeUInt32LE(room, 36);
  bytes.writeUInt32LE(taken, 40);
  bytes.write(text, 44, "latin1");
  return bytes;
}

let device: VirtioVsock;
let bench: VirtioBench;
let toGuest: MockQueue;
let fromGuest: MockQueue;
let events: MockQueue;

beforeEach(() => {
  device = new VirtioVsock(CID);
  bench = new VirtioBench(device, new FakeRam(1 << 24));
  [toGuest, fromGuest, events] = bench.driver.start(undefined, 64) as [MockQueue, MockQueue, MockQueue];
});

function offer(count: number, byteLength = 4096): void {
  for (let index = 0; index < count; index++) toGuest.add([], [byteLength]);
  toGuest.kick();
}

function send(...packets: readonly Uint8Array[]): void {
  for (const bytes of packets) fromGuest.send([bytes], []);
  fromGuest.takeUsed();
}

/** The packets that the guest has received. */
function received(): Packet[] {
  return toGuest.takeUsed().map(({ bytes, byteLength }) => {
    const view = Buffer.from(bytes.subarray(0, byteLength));
    expect([view.readBigUInt64LE(0), view.readBigUInt64LE(8)]).toEqual([2n, BigInt(CID)]);
    expect(view.readUInt32LE(24)).toBe(byteLength - 44);
    expect(view.readUInt16LE(28)).toBe(1);
    return {
      hostPort: view.readUInt32LE(16),
      guestPort: view.readUInt32LE(20),
      op: view.readUInt16LE(30),
      flags: view.readUInt32LE(32),
      room: view.readUInt32LE(36),
      taken: view.readUInt32LE(40),
      text: view.toString("latin1", 44),
    };
  });
}

const ops = (packets: readonly Packet[]) => packets.map(({ op }) => op);

/** What the host is told, as words. */
function watcher(): VsockEvents & { readonly heard: string[] } {
  const heard: string[] = [];
  return {
    heard,
    opened: () => heard.push("opened"),
    readable: () => heard.push("readable"),
    writable: () => heard.push("writable"),
    ended: () => heard.push("ended"),
    closed: () => heard.push("closed"),
  };
}

/** A connection that the guest has begun to port 1024. */
function accepted(room = ROOM): { readonly stream: VsockStream; readonly heard: string[] } {
  const watch = watcher();
  let stream: VsockStream | undefined;
  device.listen(1024, (each) => {
    stream = each;
    return watch;
  });
  send(packet(REQUEST, { room }));
  expect(ops(received())).toEqual([RESPONSE]);
  return { stream: stream!, heard: watch.heard };
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");
const bytesOf = (value: string) => new Uint8Array(Buffer.from(value, "latin1"));

describe("virtio-vsock", () => {
  test("the guest's address is in the configuration space, and must be one", () => {
    expect([bench.driver.config(0, 4), bench.driver.config(4, 4)]).toEqual([CID, 0]);
    for (const cid of [0, 2, 2 ** 32 - 1, 3.5]) expect(() => new VirtioVsock(cid)).toThrow("3 to 4294967294");
  });

  test("a guest that connects to a port nobody listens on is refused", () => {
    offer(4);
    send(packet(REQUEST), packet(RW, { text: "x" }), packet(RST));
    expect(ops(received())).toEqual([RST, RST]);
  });

  test("bytes go both ways, and end in both", () => {
    offer(16);
    const { stream, heard } = accepted();
    send(packet(RW, { text: "to the " }), packet(RW, { text: "host" }));
    expect(stream.readableByteLength).toBe(11);
    expect(text(stream.read(4)) + text(stream.read(100))).toBe("to the host");
    expect(stream.write(bytesOf("to the guest"))).toBe(12);
    expect(received().map(({ op, text }) => [op, text])).toEqual([[RW, "to the guest"]]);
    stream.end();
    expect(received().map(({ op, flags }) => [op, flags])).toEqual([[SHUTDOWN, 2]]);
    send(packet(RW, { text: "more" }), packet(SHUTDOWN, { flags: 3 }));
    expect(ops(received())).toEqual([RST]);
    expect(text(stream.read(100))).toBe("more");
    expect(heard).toEqual(["readable", "readable", "readable", "ended", "closed"]);
    expect(device.connectionCount).toBe(0);
  });

  test("the host connects to a port of the guest, which accepts or refuses", () => {
    offer(8);
    const [first, second] = [watcher(), watcher()];
    const stream = device.connect(22, first);
    device.connect(23, second);
    const [one, two] = received() as [Packet, Packet];
    expect([one.op, one.guestPort, two.op, two.guestPort]).toEqual([REQUEST, 22, REQUEST, 23]);
    send(
      packet(RESPONSE, { hostPort: one.hostPort, guestPort: 22 }),
      packet(RST, { hostPort: two.hostPort, guestPort: 23 }),
    );
    expect([first.heard, second.heard]).toEqual([["opened"], ["closed"]]);
    stream.write(bytesOf("hello"));
    expect(received().map(({ text }) => text)).toEqual(["hello"]);
    expect(device.connectionCount).toBe(1);
  });

  test("no more is sent than the guest has room for, and the rest when it says so", () => {
    offer(16);
    const { stream } = accepted(10);
    stream.write(bytesOf("0123456789abcdef"));
    expect(received().map(({ text }) => text)).toEqual(["0123456789"]);
    send(packet(CREDIT_UPDATE, { room: 10, taken: 4 }));
    expect(received().map(({ text }) => text)).toEqual(["abcd"]);
    send(packet(CREDIT_UPDATE, { room: 10, taken: 14 }));
    expect(received().map(({ text }) => text)).toEqual(["ef"]);
  });

  test("the guest is told of room when half of it is free again, and when it asks", () => {
    offer(32);
    const { stream } = accepted();
    for (let sent = 0; sent < ROOM; sent += 16_384) send(packet(RW, { text: "x".repeat(16_384) }));
    expect(received()).toEqual([]);
    stream.read(30_000);
    expect(received()).toEqual([]);
    stream.read(10_000);
    expect(received()).toMatchObject([{ op: CREDIT_UPDATE, room: ROOM, taken: 40_000 }]);
    send(packet(CREDIT_REQUEST));
    expect(received()).toMatchObject([{ op: CREDIT_UPDATE, taken: 40_000 }]);
  });

  test("a guest that sends more than there is room for loses the connection, and nothing grows", () => {
    offer(32);
    const { stream, heard } = accepted();
    for (let sent = 0; sent < ROOM; sent += 16_384) send(packet(RW, { text: "x".repeat(16_384) }));
    send(packet(RW, { text: "x" }));
    expect(ops(received())).toEqual([RST]);
    expect(heard.at(-1)).toBe("closed");
    expect(stream.read(1 << 20).length).toBe(ROOM);
  });

  test("what the host writes ahead is bounded, and it hears of room", () => {
    offer(1);
    const { stream, heard } = accepted();
    expect(stream.write(new Uint8Array(100_000))).toBe(ROOM);
    expect(stream.write(bytesOf("x"))).toBe(0);
    offer(4);
    expect(heard).toEqual(["writable"]);
  });

  test("connections take turns", () => {
    offer(2);
    const streams: VsockStream[] = [];
    device.listen(1024, (stream) => {
      streams.push(stream);
      return watcher();
    });
    send(packet(REQUEST, { guestPort: 1 }), packet(REQUEST, { guestPort: 2 }));
    received();
    streams[0]!.write(new Uint8Array(300));
    streams[1]!.write(new Uint8Array(300));
    offer(6, 144);
    expect(received().map(({ guestPort }) => guestPort)).toEqual([1, 2, 1, 2, 1, 2]);
  });

  test("packets of another address, type or operation reach nobody", () => {
    offer(8);
    const { heard } = accepted();
    send(packet(RW, { cid: 77, text: "x" }));
    expect([received(), heard]).toEqual([[], []]);
    send(packet(REQUEST, { type: 2, guestPort: 9 }));
    expect(ops(received())).toEqual([RST]);
    send(packet(RW, { length: 100, text: "short" }));
    expect(ops(received())).toEqual([RST]);
    expect(heard).toEqual(["closed"]);
    send(packet(99));
    expect(ops(received())).toEqual([RST]);
  });

  test("a listener that waits keeps the guest waiting, and may refuse", async () => {
    offer(8);
    let settle: (events: VsockEvents | null) => void = () => {};
    device.otherListener = () =>
      new Promise((resolve) => {
        settle = resolve;
      });
    send(packet(REQUEST, { hostPort: 7 }));
    expect(received()).toEqual([]);
    settle(null);
    await Promise.resolve();
    expect(ops(received())).toEqual([RST]);
    const watch = watcher();
    send(packet(REQUEST, { hostPort: 8 }), packet(RST, { hostPort: 8 }));
    settle(watch);
    await Promise.resolve();
    expect(watch.heard).toEqual(["closed"]);
    expect(device.connectionCount).toBe(0);
  });

  test("ten thousand connections opened and dropped leave nothing behind, and a flood of them is bounded", () => {
    device.listen(1024, () => watcher());
    offer(60, 48);
    for (let guestPort = 1; guestPort <= 10_000; guestPort++) {
      send(packet(REQUEST, { guestPort }), packet(RST, { guestPort }));
      toGuest.takeUsed();
      offer(Math.min(4, toGuest.freeCount), 48);
    }
    expect(device.connectionCount).toBe(0);
    // Nobody takes the answers: at some point nothing more is taken from the guest either.
    for (let guestPort = 1; guestPort <= 3000 && fromGuest.freeCount > 0; guestPort++) {
      fromGuest.send([packet(REQUEST, { guestPort })], []);
      fromGuest.takeUsed();
      toGuest.takeUsed();
    }
    expect(device.connectionCount).toBe(VSOCK_CONNECTIONS_MAX);
    expect(fromGuest.freeCount).toBe(0);
    const refusedAndAccepted = new Map<number, number>();
    for (let round = 0; round < 100; round++) {
      offer(Math.min(32, toGuest.freeCount), 48);
      for (const { op } of received()) refusedAndAccepted.set(op, (refusedAndAccepted.get(op) ?? 0) + 1);
      fromGuest.takeUsed();
    }
    expect(refusedAndAccepted.get(RST)).toBeGreaterThan(0);
    expect(fromGuest.freeCount).toBe(64);
  });

  test("a guest that has many connections reset and takes none of the resets is heard no more", () => {
    device.listen(1024, () => null);
    let asked = 0;
    for (let guestPort = 1; guestPort <= 3000 && fromGuest.freeCount > 0; guestPort++) {
      fromGuest.send([packet(REQUEST, { guestPort })], []);
      asked += fromGuest.takeUsed().length;
    }
    expect([asked, fromGuest.freeCount]).toEqual([128, 0]);
    const reset: number[] = [];
    for (let round = 0; round < 20; round++) {
      offer(Math.min(32, toGuest.freeCount), 48);
      reset.push(...received().map(({ op, guestPort }) => (op === RST ? guestPort : 0)));
      fromGuest.takeUsed();
    }
    expect(reset).toEqual(Array.from({ length: 192 }, (_, index) => index + 1));
  });

  test("after a restore the guest is told that its connections are gone", () => {
    offer(4);
    accepted();
    const state = bench.transport.save();
    events.add([], [8]);
    const restored = new VirtioVsock(CID);
    const other = new VirtioBench(restored, bench.ram);
    other.transport.load(state);
    // Event 0, VIRTIO_VSOCK_EVENT_TRANSPORT_RESET.
    expect(events.takeUsed()).toMatchObject([{ byteLength: 4, bytes: new Uint8Array(8) }]);
    expect(restored.save().owesReset).toBe(false);
  });

  test("a driver's reset ends every connection for the host", () => {
    offer(4);
    const { heard, stream } = accepted();
    bench.driver.start();
    expect(heard).toEqual(["closed"]);
    stream.end();
    stream.reset();
  });

  test("a buffer too small for a header breaks the device", () => {
    toGuest.send([], [43]);
    device.connect(1, watcher());
    expect(bench.driver.status & STATUS_NEEDS_RESET).toBe(STATUS_NEEDS_RESET);
  });

  test("two listeners of one port are one too many", () => {
    const stop = device.listen(1, () => null);
    expect(() => device.listen(1, () => null)).toThrow("port 1");
    stop();
    device.listen(1, () => null);
  });

  test("whatever the guest and the host do, bytes that arrive are those sent, in their order", () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("guest" as const), length: fc.integer({ min: 1, max: 5000 }) }),
      fc.record({ do: fc.constant("host" as const), length: fc.integer({ min: 1, max: 50_000 }) }),
      fc.record({ do: fc.constant("read" as const), length: fc.integer({ min: 1, max: 50_000 }) }),
      fc.record({ do: fc.constant("take" as const), length: fc.integer({ min: 1, max: 20_000 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        device = new VirtioVsock(CID);
        bench = new VirtioBench(device, new FakeRam(1 << 24));
        [toGuest, fromGuest, events] = bench.driver.start(undefined, 64) as [MockQueue, MockQueue, MockQueue];
        offer(8);
        const room = 30_000;
        const { stream } = accepted(room);
        let [guestSent, hostGot, hostSent, guestGot, guestTaken, hostTaken] = [0, 0, 0, 0, 0, 0];
        const pattern = (start: number, length: number) =>
          Uint8Array.from({ length }, (_, index) => ((start + index) * 31) & 0xff);
        const collect = () => {
          for (const { op, text, taken } of received()) {
            hostTaken = taken;
            if (op !== RW) continue;
            expect(Buffer.from(text, "latin1").equals(pattern(guestGot, text.length))).toBe(true);
            guestGot += text.length;
          }
          expect(guestGot - guestTaken).toBeLessThanOrEqual(room);
          offer(Math.min(8, toGuest.freeCount));
        };
        for (const { do: what, length } of steps) {
          if (what === "guest") {
            const fits = Math.min(length, ROOM - (guestSent - hostTaken));
            if (fits > 0) send(packet(RW, { room, taken: guestTaken, text: text(pattern(guestSent, fits)) }));
            guestSent += Math.max(fits, 0);
          } else if (what === "host") {
            hostSent += stream.write(pattern(hostSent, length));
          } else if (what === "read") {
            const bytes = stream.read(length);
            expect(Buffer.from(bytes).equals(pattern(hostGot, bytes.length))).toBe(true);
            hostGot += bytes.length;
          } else {
            guestTaken = Math.min(guestGot, guestTaken + length);
            send(packet(CREDIT_UPDATE, { room, taken: guestTaken }));
          }
          collect();
        }
        while (guestGot < hostSent) {
          const before = guestGot;
          guestTaken = guestGot;
          send(packet(CREDIT_UPDATE, { room, taken: guestTaken }));
          collect();
          collect();
          if (guestGot === before) throw new Error(`stuck at ${guestGot} of ${hostSent}`);
        }
        expect(hostGot + stream.readableByteLength).toBe(guestSent);
      }),
      { numRuns: 60 },
    );
  });
});

virtioDeviceContract("virtio-vsock", 19, () => {
  const device = new VirtioVsock(CID);
  const streams: VsockStream[] = [];
  device.listen(1024, (stream) => {
    streams.push(stream);
    return watcher();
  });
  return {
    device,
    eagerQueue: 1,
    examples: [
      { queue: 0, readable: [], writable: [44, 200] },
      { queue: 2, readable: [], writable: [4] },
      ...[REQUEST, RW, CREDIT_REQUEST, SHUTDOWN, RST, RESPONSE].map((op) => ({
        queue: 1,
        readable: [packet(op, { text: op === RW ? "hello" : "", flags: op === SHUTDOWN ? 3 : 0 })],
        writable: [],
      })),
    ],
    disturb() {
      for (const stream of streams.splice(0)) {
        stream.read(3);
        stream.write(bytesOf("from the host"));
        stream.end();
      }
    },
  };
});
