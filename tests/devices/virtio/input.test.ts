import { beforeEach, describe, expect, test } from "vitest";
import { type InputKind, TABLET_POSITION_MAX, VirtioInput } from "../../../host/devices/virtio/input.js";
import { VirtioBench, virtioDeviceContract } from "../../contracts/virtio-device-contract.js";
import type { MockQueue } from "./mock-driver.js";

// include/uapi/linux/input-event-codes.h and virtio 1.2 section 5.8.2.
const [EV_SYN, EV_KEY, EV_REL, EV_ABS, EV_LED] = [0, 1, 2, 3, 0x11] as const;
const [KEY_A, KEY_ENTER, BTN_LEFT, LED_CAPSL] = [30, 28, 0x110, 1] as const;
const [ID_NAME, ID_DEVIDS, EV_BITS, ABS_INFO] = [1, 3, 0x11, 0x12] as const;

let device: VirtioInput;
let bench: VirtioBench;
let events: MockQueue;
let status: MockQueue;
let heard: unknown[];

function begin(kind: InputKind): void {
  heard = [];
  device = new VirtioInput({ kind, onEvent: (event) => heard.push(event) });
  bench = new VirtioBench(device);
  [events, status] = bench.driver.start(undefined, 64) as [MockQueue, MockQueue];
}

function config(select: number, subsel = 0): Buffer {
  bench.transport.write(0x100, select, 1);
  bench.transport.write(0x101, subsel, 1);
  const size = bench.driver.config(2, 1);
  return Buffer.from(Array.from({ length: size }, (_, index) => bench.driver.config(8 + index, 1)));
}

const bits = (bytes: Buffer) =>
  [...bytes].flatMap((byte, index) =>
    [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (byte >> bit) & 1).map((b) => 8 * index + b),
  );

function offer(count: number): void {
  for (let index = 0; index < count; index++) events.add([], [8]);
  events.kick();
}

const received = () =>
  events.takeUsed().map(({ bytes, byteLength }) => {
    const view = Buffer.from(bytes);
    expect(byteLength).toBe(8);
    return [view.readUInt16LE(0), view.readUInt16LE(2), view.readInt32LE(4)];
  });

describe("virtio-input: keyboard", () => {
  beforeEach(() => begin("keyboard"));

  test("it says what it is and which keys and lights it has", () => {
    expect(config(ID_NAME).toString()).toBe("Vivarium keyboard");
    expect(config(ID_DEVIDS).length).toBe(8);
    const keys = bits(config(EV_BITS, EV_KEY));
    for (const key of [KEY_A, KEY_ENTER, 1, 248]) expect(keys).toContain(key);
    for (const key of [0, 249, BTN_LEFT]) expect(keys).not.toContain(key);
    expect(bits(config(EV_BITS, EV_LED))).toEqual([0, 1, 2]);
    expect(config(EV_BITS, EV_ABS).length).toBe(0);
    expect(config(99).length).toBe(0);
  });

  test("a key is told with a report of its own", () => {
    offer(8);
    expect(device.key(KEY_A, true)).toBe(true);
    expect(device.key(KEY_A, false)).toBe(true);
    expect(received()).toEqual([
      [EV_KEY, KEY_A, 1],
      [EV_SYN, 0, 0],
      [EV_KEY, KEY_A, 0],
      [EV_SYN, 0, 0],
    ]);
  });

  test("what the guest has no buffers for waits, in order, and not without end", () => {
    let taken = 0;
    while (device.key(KEY_A, taken % 2 === 0)) taken++;
    expect(taken).toBe(512);
    offer(3);
    expect(received()).toEqual([
      [EV_KEY, KEY_A, 1],
      [EV_SYN, 0, 0],
      [EV_KEY, KEY_A, 0],
    ]);
    const restored = new VirtioInput({ kind: "keyboard" });
    restored.load(device.save());
    expect(restored.save()).toEqual(device.save());
  });

  test("the guest's lights are heard", () => {
    const event = Buffer.alloc(8);
    event.writeUInt16LE(EV_LED);
    event.writeUInt16LE(LED_CAPSL, 2);
    event.writeUInt32LE(1, 4);
    status.send([event], []);
    status.send([event.subarray(0, 7)], []);
    expect(heard).toEqual([{ type: EV_LED, code: LED_CAPSL, value: 1 }]);
    expect(status.takeUsed().length).toBe(2);
  });

  test("nobody hears what is typed without a driver", () => {
    bench.driver.negotiate(0n);
    expect(device.key(KEY_A, true)).toBe(false);
  });
});

describe("virtio-input: tablet", () => {
  beforeEach(() => begin("tablet"));

  test("it says how far its positions go", () => {
    const range = config(ABS_INFO, 1);
    expect([0, 4, 8, 12, 16].map((offset) => range.readUInt32LE(offset))).toEqual([0, TABLET_POSITION_MAX, 0, 0, 0]);
    expect(config(ABS_INFO, 2).length).toBe(0);
    expect(bits(config(EV_BITS, EV_REL))).toContain(8);
    expect(bits(config(EV_BITS, EV_KEY))).toContain(BTN_LEFT);
  });

  test("positions, buttons and the wheel are told; positions stay in their range", () => {
    offer(16);
    device.moveTo(100.4, 1e9);
    device.key(BTN_LEFT, true);
    device.turnWheel(-2);
    expect(received()).toEqual([
      [EV_ABS, 0, 100],
      [EV_ABS, 1, TABLET_POSITION_MAX],
      [EV_SYN, 0, 0],
      [EV_KEY, BTN_LEFT, 1],
      [EV_SYN, 0, 0],
      [EV_REL, 8, -2],
      [EV_SYN, 0, 0],
    ]);
  });

  test("what a tablet does not have is our error", () => {
    expect(() => device.key(KEY_A, true)).toThrow("a tablet has no event");
  });
});

for (const kind of ["keyboard", "tablet"] as const) {
  virtioDeviceContract(`virtio-input, ${kind}`, 18, () => {
    const device = new VirtioInput({ kind });
    return {
      device,
      eagerQueue: 1,
      examples: [
        { queue: 0, readable: [], writable: [8] },
        { queue: 1, readable: [new Uint8Array(8)], writable: [] },
      ],
      disturb() {
        if (kind === "keyboard") device.key(KEY_A, true);
        else device.moveTo(1, 2);
      },
    };
  });
}
