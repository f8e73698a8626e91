import { describe, expect, test } from "vitest";
import { FLOW_COST_MAX } from "../../host/network/frame-flow.js";
import { type Frame, plainFrame, type Station } from "../../host/network/link.js";
import { type LinkMessage, RemoteLink, RemoteStation } from "../../host/network/remote-link.js";
import { FakeLink } from "../devices/virtio/fake-link.js";

/** A device that takes as many frames as there is room for. */
class FakeStation implements Station {
  readonly received: Frame[] = [];
  room = Number.POSITIVE_INFINITY;
  resumeCount = 0;
  isCableIn = true;

  receive(frame: Frame): boolean {
    if (this.room === 0) return false;
    this.room--;
    this.received.push(frame);
    return true;
  }

  resume(): void {
    this.resumeCount++;
  }

  setLinkUp(isUp: boolean): void {
    this.isCableIn = isUp;
  }
}

/** Two ends, and the messages between them, which arrive in a later turn. */
function connected() {
  const messages: LinkMessage[] = [];
  const post = (deliver: (message: LinkMessage) => void) => (message: LinkMessage) => {
    messages.push(message);
    setImmediate(() => deliver(structuredClone(message)));
  };
  const link: RemoteLink = new RemoteLink(post((message) => station.receive(message)));
  const station: RemoteStation = new RemoteStation(post((message) => link.receive(message)));
  const device = new FakeStation();
  link.connect(device);
  return { link, station, device, messages };
}

async function turns(count = 8): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const frameOf = (byteLength: number, fill = 7) => plainFrame(new Uint8Array(byteLength).fill(fill));

describe("remote link", () => {
  test("the cable is out until the far end is plugged in, and follows both the link and the operator", async () => {
    const { station, device } = connected();
    expect(device.isCableIn).toBe(false);
    const far = new FakeLink();
    station.plug(far);
    await turns();
    expect(device.isCableIn).toBe(true);
    far.station.setLinkUp(false);
    station.isWanted = false;
    far.station.setLinkUp(true);
    await turns();
    expect(device.isCableIn).toBe(false);
    station.isWanted = true;
    await turns();
    expect(device.isCableIn).toBe(true);
    station.plug(null);
    await turns();
    expect(device.isCableIn).toBe(false);
  });

  test("the frames of a turn go in one message each way, with the work left in them", async () => {
    const { link, station, device, messages } = connected();
    const far = new FakeLink();
    station.plug(far);
    await turns();
    messages.length = 0;
    const unfinished: Frame = {
      bytes: new Uint8Array(100).fill(1),
      checksum: { start: 34, offset: 16 },
      segmentation: { kind: "tcp4", payloadByteLength: 1460 },
    };
    for (const frame of [unfinished, frameOf(60), frameOf(0)]) expect(link.send(frame)).toBe(true);
    for (const frame of [frameOf(70, 3), unfinished]) expect(far.station.receive(frame)).toBe(true);
    await turns();
    expect(messages.filter(({ kind }) => kind === "frames")).toHaveLength(2);
    expect(far.sent).toEqual([unfinished, frameOf(60), frameOf(0)]);
    expect(device.received).toEqual([frameOf(70, 3), unfinished]);
  });

  test("no more is under way than the bound, and whoever was refused is told to go on", async () => {
    const { link, station, device } = connected();
    const far = new FakeLink();
    far.isFull = true;
    station.plug(far);
    let sent = 0;
    while (link.send(frameOf(1500, sent))) sent++;
    expect(sent * 1500).toBeLessThan(FLOW_COST_MAX + 1500);
    await turns();
    expect(far.sent).toHaveLength(0);
    expect(device.resumeCount).toBe(0);
    far.isFull = false;
    far.station.resume();
    await turns();
    expect(far.sent).toHaveLength(sent);
    expect(far.sent.map(({ bytes }) => bytes[0])).toEqual(Array.from({ length: sent }, (_, index) => index & 0xff));
    expect(device.resumeCount).toBe(1);
    expect(link.send(frameOf(60))).toBe(true);
  });

  test("a device without room gets the rest in its order, and holds the far end back", async () => {
    const { link, station, device } = connected();
    const far = new FakeLink();
    station.plug(far);
    device.room = 2;
    let sent = 0;
    while (far.station.receive(frameOf(9000, sent))) sent++;
    await turns();
    expect(device.received).toHaveLength(2);
    device.room = 3;
    link.resume();
    expect(device.received).toHaveLength(5);
    device.room = Number.POSITIVE_INFINITY;
    link.resume();
    await turns();
    expect(device.received.map(({ bytes }) => bytes[0])).toEqual(Array.from({ length: sent }, (_, index) => index));
    expect(far.resumeCount).toBe(1);
  });

  test("a guest that is another one is plugged in anew, and gets nothing that was for the one before", async () => {
    const { link, station, device } = connected();
    const far = new FakeLink();
    station.plug(far);
    device.room = 0;
    far.station.receive(frameOf(60));
    await turns();
    const before = far.station;
    link.renew();
    await turns();
    expect(far.station).not.toBe(before);
    device.room = 10;
    link.resume();
    expect(device.received).toHaveLength(0);
    expect(far.station.receive(frameOf(61))).toBe(true);
    await turns();
    expect(device.received).toEqual([frameOf(61)]);
  });

  test("a link that was replaced is not heard any more", async () => {
    const { station, device } = connected();
    const [first, second] = [new FakeLink(), new FakeLink()];
    station.plug(first);
    station.plug(second);
    expect(first.station.receive(frameOf(60))).toBe(true);
    first.station.setLinkUp(false);
    await turns();
    expect(device.received).toHaveLength(0);
    expect(device.isCableIn).toBe(true);
  });
});
