import { beforeEach, describe, expect, test } from "vitest";
import {
  INTERRUPT_CONFIG_CHANGE,
  INTERRUPT_USED_BUFFER,
  STATUS_NEEDS_RESET,
  VIRTIO_F_VERSION_1,
} from "../../../host/devices/virtio/mmio-registers.js";
import {
  NET_QUEUE_CONTROL,
  NET_QUEUE_FROM_GUEST,
  NET_QUEUE_TO_GUEST,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_STATUS,
  VirtioNet,
} from "../../../host/devices/virtio/net.js";
import { featureSet } from "../../../host/devices/virtio/virtio-device.js";
import type { Frame } from "../../../host/network/link.js";
import { decode, encode } from "../../../host/util/schema.js";
import { VirtioBench, virtioDeviceContract } from "../../contracts/virtio-device-contract.js";
import { FakeLink } from "./fake-link.js";
import { concatenate, type MockQueue, RING_FEATURES } from "./mock-driver.js";

const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
const OTHER = Uint8Array.of(2, 0, 0, 0, 0, 9);
const GROUP = Uint8Array.of(1, 0, 0x5e, 0, 0, 1);
const BROADCAST = new Uint8Array(6).fill(0xff);

let link: FakeLink;
let device: VirtioNet;
let bench: VirtioBench;
let wakeCount: number;

beforeEach(() => {
  link = new FakeLink();
  wakeCount = 0;
  device = new VirtioNet({
    link,
    mac: MAC,
    wake: () => {
      wakeCount++;
    },
  });
  bench = new VirtioBench(device);
});

function frameTo(destination: Uint8Array, byteLength = 60): Uint8Array {
  const frame = Uint8Array.from({ length: byteLength }, (_, index) => index & 0xff);
  frame.set(destination);
  return frame;
}

/** The header of virtio 1.2 section 5.1.6. */
function header(fields: {
  flags?: number;
  gso?: number;
  hdrLen?: number;
  size?: number;
  start?: number;
  off?: number;
}) {
  const bytes = Buffer.alloc(12);
  bytes[0] = fields.flags ?? 0;
  bytes[1] = fields.gso ?? 0;
  bytes.writeUInt16LE(fields.hdrLen ?? 0, 2);
  bytes.writeUInt16LE(fields.size ?? 0, 4);
  bytes.writeUInt16LE(fields.start ?? 0, 6);
  bytes.writeUInt16LE(fields.off ?? 0, 8);
  return new Uint8Array(bytes);
}

type Queues = [MockQueue, MockQueue, MockQueue];
const start = (features = device.features | RING_FEATURES, sizeMax = 16) =>
  bench.driver.start(features, sizeMax) as Queues;

/** An IPv4 TCP frame of this payload whose TCP checksum is left to others. */
function largeFrame(payloadByteLength: number): Frame {
  const bytes = new Uint8Array(54 + payloadByteLength);
  bytes.set(MAC);
  bytes.set([8, 0, 0x45, 0, (40 + payloadByteLength) >> 8, (40 + payloadByteLength) & 0xff], 12);
  bytes.set([64, 6], 22);
  bytes[46] = 0x50;
  return {
    bytes,
    checksum: { start: 34, offset: 16 },
    segmentation: { kind: "tcp4", payloadByteLength: 1460 },
  };
}

describe("virtio-net: frames from the guest", () => {
  test("a frame goes to the link at once, without its header", () => {
    const [, tx] = start();
    tx.send([concatenate([header({}), frameTo(OTHER)])], []);
    expect(link.sent).toEqual([{ bytes: frameTo(OTHER), checksum: null, segmentation: null }]);
    expect(tx.takeUsed()[0]).toMatchObject({ byteLength: 0 });
    expect(bench.driver.takeInterrupts()).toBe(INTERRUPT_USED_BUFFER);
  });

  test("what the driver leaves undone goes with the frame", () => {
    const [, tx] = start();
    tx.send([header({ flags: 1, gso: 1, hdrLen: 54, size: 1460, start: 34, off: 16 }), frameTo(OTHER, 4000)], []);
    expect(link.sent).toEqual([
      {
        bytes: frameTo(OTHER, 4000),
        checksum: { start: 34, offset: 16 },
        segmentation: { kind: "tcp4", payloadByteLength: 1460 },
      },
    ]);
    tx.send([header({ flags: 1, gso: 4, hdrLen: 74, size: 1440, start: 54, off: 16 }), frameTo(OTHER, 4000)], []);
    expect(link.sent[1]?.segmentation).toEqual({ kind: "tcp6", payloadByteLength: 1440 });
  });

  test("a driver without VERSION_1 and merged buffers has a header of 10 bytes", () => {
    const [, tx] = start(0n);
    tx.send([concatenate([header({}).subarray(0, 10), frameTo(OTHER)])], []);
    expect(link.sent[0]?.bytes).toEqual(frameTo(OTHER));
  });

  test.each([
    ["nothing at all", []],
    ["less than a header", [new Uint8Array(7)]],
    ["less than an Ethernet header", [new Uint8Array(12 + 13)]],
    ["more than any frame has", [new Uint8Array(12 + 65_554)]],
    ["a segmentation that was not offered", [header({ flags: 1, gso: 3, size: 100 }), new Uint8Array(60)]],
  ])("a buffer with %s is given back, and nothing is sent", (_what, readable) => {
    const [, tx] = start();
    tx.send(readable, readable.length === 0 ? [4] : []);
    expect(tx.takeUsed().length).toBe(1);
    expect(link.sent).toEqual([]);
    expect(bench.driver.status & STATUS_NEEDS_RESET).toBe(0);
  });

  test("while the link is full, at most one frame is taken; the rest stays with the driver until it resumes", () => {
    const [, tx] = start();
    link.isFull = true;
    for (let n = 0; n < 5; n++) tx.add([header({}), frameTo(OTHER, 60 + n)], []);
    tx.kick();
    expect(tx.takeUsed().length).toBe(1);
    link.isFull = false;
    link.station.resume();
    expect(link.sent.map(({ bytes }) => bytes.length)).toEqual([60, 61, 62, 63, 64]);
    expect(tx.takeUsed().length).toBe(4);
  });

  test("with the cable out, frames are taken and lost", () => {
    const [, tx] = start();
    device.linkUp = false;
    tx.send([header({}), frameTo(OTHER)], []);
    expect(tx.takeUsed().length).toBe(1);
    expect(link.sent).toEqual([]);
  });
});

describe("virtio-net: frames to the guest", () => {
  test("a frame waits for the next poll, and wakes the machine for it", () => {
    const [rx] = start();
    rx.send([], [1526]);
    expect(link.deliver(frameTo(MAC))).toBe(true);
    expect(wakeCount).toBe(1);
    expect(rx.takeUsed()).toEqual([]);
    device.poll();
    const [used] = rx.takeUsed();
    expect(used?.byteLength).toBe(72);
    expect(used?.bytes.subarray(0, 12)).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0));
    expect(used?.bytes.subarray(12, 72)).toEqual(frameTo(MAC));
  });

  test("a frame longer than a buffer goes into as many as it needs, and the first says how many", () => {
    const [rx] = start();
    for (let n = 0; n < 4; n++) rx.add([], [1000]);
    link.deliver(frameTo(MAC, 2500));
    device.poll();
    const used = rx.takeUsed();
    expect(used.map(({ byteLength }) => byteLength)).toEqual([1000, 1000, 512]);
    expect(used[0]?.bytes[10]).toBe(3);
    const bytes = concatenate(used.map((each) => each.bytes.subarray(0, each.byteLength)));
    expect(bytes.subarray(12)).toEqual(frameTo(MAC, 2500));
  });

  test("a frame waits until there are buffers for all of it", () => {
    const [rx] = start();
    rx.add([], [1000]);
    link.deliver(frameTo(MAC, 2500));
    device.poll();
    device.poll();
    expect(rx.takeUsed()).toEqual([]);
    rx.add([], [1000]);
    rx.send([], [1000]);
    device.poll();
    expect(rx.takeUsed().map(({ byteLength }) => byteLength)).toEqual([1000, 1000, 512]);
  });

  test("a frame that no buffers of the driver's can hold is lost, and those after it are not", () => {
    const [rx] = start(RING_FEATURES, 4);
    rx.send([], [500]);
    link.deliver(frameTo(MAC, 2500));
    link.deliver(frameTo(MAC, 100));
    device.poll();
    expect(rx.takeUsed().map(({ byteLength }) => byteLength)).toEqual([112]);
    const [mergeable] = start(RING_FEATURES | featureSet(VIRTIO_NET_F_MRG_RXBUF), 4);
    for (let n = 0; n < 4; n++) mergeable.add([], [500]);
    link.deliver(frameTo(MAC, 2500));
    link.deliver(frameTo(MAC, 100));
    device.poll();
    expect(mergeable.takeUsed().map(({ byteLength }) => byteLength)).toEqual([112]);
  });

  test("a driver that knows how gets large segments whole, others get them cut and with checksums", () => {
    const [rx] = start();
    for (let n = 0; n < 8; n++) rx.add([], [4096]);
    link.station.receive(largeFrame(4000));
    device.poll();
    const [whole] = rx.takeUsed();
    expect(whole?.byteLength).toBe(12 + 54 + 4000);
    expect(whole?.bytes.subarray(0, 12)).toEqual(
      concatenate([
        header({ flags: 1, gso: 1, hdrLen: 54, size: 1460, start: 34, off: 16 }).subarray(0, 10),
        Uint8Array.of(1, 0),
      ]),
    );
    const [plain] = start(RING_FEATURES);
    for (let n = 0; n < 8; n++) plain.add([], [4096]);
    link.station.receive(largeFrame(4000));
    device.poll();
    const cut = plain.takeUsed();
    expect(cut.map(({ byteLength }) => byteLength)).toEqual([12 + 54 + 1460, 12 + 54 + 1460, 12 + 54 + 1080]);
    expect(cut[0]?.bytes.subarray(0, 2)).toEqual(Uint8Array.of(0, 0));
  });

  test("beyond what may wait, frames are refused until the guest has taken some", () => {
    const [rx] = start();
    let taken = 0;
    while (link.deliver(frameTo(MAC, 60_000))) taken++;
    expect(taken * 60_000).toBeGreaterThanOrEqual(1 << 20);
    expect(taken * 60_000).toBeLessThan((1 << 20) + 65_536);
    device.poll();
    expect(link.resumeCount).toBe(0);
    rx.send([], [65_536]);
    device.poll();
    expect(link.resumeCount).toBe(1);
  });

  test("without a driver, frames are taken and lost", () => {
    for (let n = 0; n < 100; n++) expect(link.deliver(frameTo(MAC, 60_000))).toBe(true);
    expect(wakeCount).toBe(0);
  });

  test.each([13, 65_554])("a frame of %i bytes is none and is lost", (byteLength) => {
    const [rx] = start();
    for (let n = 0; n < 4; n++) rx.add([], [40_000]);
    rx.kick();
    link.deliver(frameTo(MAC, byteLength));
    device.poll();
    expect(rx.takeUsed()).toEqual([]);
  });
});

describe("virtio-net: the driver's commands", () => {
  const OK = 0;
  const ERR = 1;
  let queues: Queues;

  beforeEach(() => {
    queues = start();
    for (let n = 0; n < 8; n++) queues[NET_QUEUE_TO_GUEST].add([], [1526]);
  });

  function command(...bytes: readonly (number | Uint8Array)[]): number | undefined {
    const data = concatenate(bytes.map((part) => (typeof part === "number" ? Uint8Array.of(part) : part)));
    queues[NET_QUEUE_CONTROL].send([data], [1]);
    return queues[NET_QUEUE_CONTROL].takeUsed()[0]?.bytes[0];
  }

  /** The destinations of these that the guest gets to see. */
  function seen(...destinations: readonly Uint8Array[]): Uint8Array[] {
    for (const destination of destinations) link.deliver(frameTo(destination));
    device.poll();
    return queues[NET_QUEUE_TO_GUEST].takeUsed().map(({ bytes }) => {
      queues[NET_QUEUE_TO_GUEST].add([], [1526]);
      return bytes.slice(12, 18);
    });
  }

  test("every frame is let through until promiscuous mode is left; then only the device's own and broadcasts", () => {
    expect(seen(OTHER, GROUP, MAC, BROADCAST)).toEqual([OTHER, GROUP, MAC, BROADCAST]);
    expect(command(0, 0, 0)).toBe(OK);
    expect(seen(OTHER, GROUP, MAC, BROADCAST)).toEqual([MAC, BROADCAST]);
  });

  test("modes let groups and stations through or keep them out", () => {
    command(0, 0, 0);
    command(0, 1, 1);
    expect(seen(OTHER, GROUP)).toEqual([GROUP]);
    command(0, 2, 1);
    expect(seen(OTHER, GROUP)).toEqual([OTHER, GROUP]);
    command(0, 3, 1);
    command(0, 4, 1);
    command(0, 5, 1);
    expect(seen(OTHER, GROUP, MAC, BROADCAST)).toEqual([]);
    expect(command(0, 6, 1)).toBe(ERR);
    expect(command(0, 0)).toBe(ERR);
  });

  test("tables name stations and groups to let through; one that is cut off changes nothing", () => {
    command(0, 0, 0);
    const count = (n: number) => Uint8Array.of(n, 0, 0, 0);
    expect(command(1, 0, count(1), OTHER, count(1), GROUP)).toBe(OK);
    expect(seen(OTHER, GROUP)).toEqual([OTHER, GROUP]);
    expect(command(1, 0, count(1), OTHER, count(2), GROUP)).toBe(ERR);
    expect(command(1, 0, count(0), Uint8Array.of(255, 255, 255, 255))).toBe(ERR);
    expect(seen(OTHER, GROUP)).toEqual([OTHER, GROUP]);
    expect(command(1, 0, count(0), count(0))).toBe(OK);
    expect(seen(OTHER, GROUP)).toEqual([]);
  });

  test("a table longer than the device keeps lets everything of its kind through", () => {
    command(0, 0, 0);
    command(1, 0, Uint8Array.of(65, 0, 0, 0), new Uint8Array(65 * 6), Uint8Array.of(0, 0, 0, 0));
    expect(seen(OTHER, GROUP)).toEqual([OTHER]);
  });

  test("the address can be changed, and is the old one after a reset", () => {
    command(0, 0, 0);
    expect(command(1, 1, OTHER)).toBe(OK);
    expect(seen(OTHER, MAC)).toEqual([OTHER]);
    expect(bench.driver.config(5, 1)).toBe(9);
    expect(command(1, 1, 1, 2, 3)).toBe(ERR);
    start();
    expect(bench.driver.config(5, 1)).toBe(0x56);
  });

  test("offloads can be taken back, and none can be had that was not negotiated", () => {
    const offloads = (bits: bigint) => new Uint8Array(new BigUint64Array([bits]).buffer);
    expect(command(5, 0, offloads(0n))).toBe(OK);
    link.station.receive(largeFrame(2000));
    device.poll();
    expect(queues[0].takeUsed().length).toBe(2);
    const tso = featureSet(VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4);
    expect(command(5, 0, offloads(tso))).toBe(OK);
    expect(command(5, 0, offloads(featureSet(VIRTIO_NET_F_STATUS)))).toBe(ERR);
    expect(command(5, 0, 1)).toBe(ERR);
  });

  test("the driver is asked to announce itself until it has", () => {
    device.requestAnnouncement();
    expect(bench.driver.takeInterrupts() & INTERRUPT_CONFIG_CHANGE).toBe(INTERRUPT_CONFIG_CHANGE);
    expect(bench.driver.config(6, 2)).toBe(3);
    expect(command(3, 0)).toBe(OK);
    expect(bench.driver.config(6, 2)).toBe(1);
  });

  test("a command of no known class, or of no length, is refused", () => {
    expect(command(9, 0)).toBe(ERR);
    expect(command(0)).toBe(ERR);
    expect(command(4, 0, 1, 0)).toBe(ERR);
  });
});

describe("virtio-net: the link and the state", () => {
  test("the driver sees the address, the MTU and whether the cable is in", () => {
    start();
    expect([0, 1, 2, 3, 4, 5].map((offset) => bench.driver.config(offset, 1))).toEqual([...MAC]);
    expect(bench.driver.config(6, 2)).toBe(1);
    expect(bench.driver.config(10, 2)).toBe(1500);
    link.station.setLinkUp(false);
    expect(bench.driver.config(6, 2)).toBe(0);
    expect(bench.driver.takeInterrupts()).toBe(INTERRUPT_CONFIG_CHANGE);
    link.station.setLinkUp(true);
    expect(bench.driver.config(6, 2)).toBe(1);
  });

  test("a driver that does not know of the link's state is not interrupted for it", () => {
    start(featureSet(VIRTIO_F_VERSION_1));
    link.station.setLinkUp(false);
    expect(bench.driver.takeInterrupts()).toBe(0);
  });

  test("whether the cable is in does not change with a reset, and a restored driver is told how it is now", () => {
    start();
    const saved = bench.transport.save();
    link.station.setLinkUp(false);
    bench.transport.reset();
    start();
    expect(bench.driver.config(6, 2)).toBe(0);
    bench.transport.load(saved);
    expect(bench.driver.config(6, 2)).toBe(0);
    expect(bench.driver.takeInterrupts() & INTERRUPT_CONFIG_CHANGE).toBe(INTERRUPT_CONFIG_CHANGE);
  });

  test("a restored device goes on with the driver's address and filter", () => {
    const queues = start();
    const send = (...bytes: number[]) => queues[NET_QUEUE_CONTROL].send([Uint8Array.from(bytes)], [1]);
    send(1, 1, ...OTHER);
    send(0, 0, 0);
    const saved = encode(bench.transport.schema, bench.transport.save());
    const restored = new VirtioBench(new VirtioNet({ link: new FakeLink(), mac: MAC, wake: () => {} }), bench.ram);
    restored.transport.load(decode(restored.transport.schema, saved));
    expect(restored.driver.config(5, 1)).toBe(9);
    expect(encode(restored.transport.schema, restored.transport.save())).toEqual(saved);
  });

  test("a copy has an address of its own, which its driver finds when it starts anew, and until then frames for the old one arrive", () => {
    const queues = start();
    queues[NET_QUEUE_TO_GUEST].send([], [1526]);
    bench.transport.renewIdentity((into) => into.fill(0x99));
    expect([...device.ownMac]).toEqual([0x52, 0x54, 0, 0x99, 0x99, 0x99]);
    expect([0, 1, 2, 3, 4, 5].map((offset) => bench.driver.config(offset, 1))).toEqual([...MAC]);
    link.deliver(frameTo(MAC));
    device.poll();
    expect(queues[NET_QUEUE_TO_GUEST].takeUsed()).toHaveLength(1);
    const saved = encode(bench.transport.schema, bench.transport.save());
    const restored = new VirtioBench(new VirtioNet({ link: new FakeLink(), mac: MAC, wake: () => {} }), bench.ram);
    restored.transport.load(decode(restored.transport.schema, saved));
    restored.driver.write(0x70, 0);
    expect([3, 4, 5].map((offset) => restored.driver.config(offset, 1))).toEqual([0x99, 0x99, 0x99]);
  });
});

virtioDeviceContract("virtio-net", 1, () => {
  const link = new FakeLink();
  const device = new VirtioNet({ link, mac: MAC, wake: () => {} });
  return {
    device,
    eagerQueue: NET_QUEUE_FROM_GUEST,
    examples: [
      { queue: NET_QUEUE_FROM_GUEST, readable: [header({}), frameTo(OTHER)], writable: [] },
      {
        queue: NET_QUEUE_FROM_GUEST,
        readable: [header({ flags: 1, gso: 1, size: 100 }), frameTo(OTHER)],
        writable: [],
      },
      { queue: NET_QUEUE_TO_GUEST, readable: [], writable: [700, 900] },
      { queue: NET_QUEUE_CONTROL, readable: [Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 0)], writable: [1] },
    ],
    disturb: () => {
      link.station.setLinkUp(false);
      link.station.setLinkUp(true);
      link.deliver(frameTo(BROADCAST, 1500));
      link.station.receive(largeFrame(3000));
      device.poll();
    },
  };
});
