import { beforeEach, describe, expect, test } from "vitest";
import {
  VIRTIO_CONSOLE_F_MULTIPORT,
  VIRTIO_CONSOLE_F_SIZE,
  VirtioConsole,
  type VirtioConsoleOptions,
} from "../../../host/devices/virtio/console.js";
import type { ConsolePort } from "../../../host/devices/virtio/console-port.js";
import { CONFIG_GENERATION, INTERRUPT_CONFIG_CHANGE, STATUS } from "../../../host/devices/virtio/mmio-registers.js";
import { VirtioMmioTransport } from "../../../host/devices/virtio/mmio-transport.js";
import { featureSet } from "../../../host/devices/virtio/virtio-device.js";
import { VirtioBench, virtioDeviceContract } from "../../contracts/virtio-device-contract.js";
import { FakeRam } from "../fake-ram.js";
import { concatenate, type MockQueue, RING_FEATURES } from "./mock-driver.js";

// Events of control messages: virtio 1.2 section 5.3.6.2.
const DEVICE_READY = 0;
const DEVICE_ADD = 1;
const PORT_READY = 3;
const CONSOLE_PORT = 4;
const RESIZE = 5;
const PORT_OPEN = 6;
const PORT_NAME = 7;

const WAITING_MAX = 1 << 16;

const text = (value: string) => new Uint8Array(Buffer.from(value));

/** The host's end of a port, which writes down what happens. */
class FakePort implements ConsolePort {
  readonly name: string;
  received = "";
  readonly events: string[] = [];

  constructor(name: string) {
    this.name = name;
  }

  receive(bytes: Uint8Array): void {
    this.received += Buffer.from(bytes).toString("latin1");
  }

  openChanged(open: boolean): void {
    this.events.push(open ? "open" : "closed");
  }

  writable(): void {
    this.events.push("writable");
  }
}

let bench: VirtioBench;
let device: VirtioConsole;
let queues: MockQueue[];
let hvc: FakePort;
let agent: FakePort;
let log: FakePort;

const BOTH = RING_FEATURES | featureSet(VIRTIO_CONSOLE_F_SIZE, VIRTIO_CONSOLE_F_MULTIPORT);

function create(options: VirtioConsoleOptions, features = BOTH): void {
  device = new VirtioConsole(options);
  bench = new VirtioBench(device);
  queues = bench.driver.start(features, 16);
}

beforeEach(() => {
  hvc = new FakePort("console");
  agent = new FakePort("org.example.agent");
  log = new FakePort("log");
  create({ console: hvc, ports: [agent, log] });
});

const toGuest = (id: number) => queues[id === 0 ? 0 : 2 * id + 2]!;
const fromGuest = (id: number) => queues[id === 0 ? 1 : 2 * id + 3]!;
const port = (name: string) => device.port(name)!;

function sendControl(id: number, event: number, value: number): void {
  const message = new Uint8Array(8);
  const view = new DataView(message.buffer);
  view.setUint32(0, id, true);
  view.setUint16(4, event, true);
  view.setUint16(6, value, true);
  queues[3]!.send([message], []);
  queues[3]!.takeUsed();
}

/** Gives the device buffers for control messages and reads what comes back: [port, event, value, rest]. */
function takeControl(bufferCount = 12): (number | string)[][] {
  for (let count = 0; count < bufferCount; count++) queues[2]!.add([], [64]);
  queues[2]!.kick();
  return readControl();
}

function readControl(): (number | string)[][] {
  return queues[2]!.takeUsed().map(({ bytes, byteLength }) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, byteLength);
    const message = [view.getUint32(0, true), view.getUint16(4, true), view.getUint16(6, true)];
    const rest = Buffer.from(bytes.subarray(8, byteLength)).toString("latin1");
    return rest === "" ? message : [...message, rest];
  });
}

/** Gives the device buffers of these lengths and reads what they are filled with. */
function takeBytes(id: number, ...byteLengths: number[]): string {
  for (const byteLength of byteLengths) toGuest(id).add([], [byteLength]);
  toGuest(id).kick();
  return readBytes(id);
}

function readBytes(id: number): string {
  const used = toGuest(id).takeUsed();
  return Buffer.from(concatenate(used.map(({ bytes, byteLength }) => bytes.subarray(0, byteLength)))).toString(
    "latin1",
  );
}

/** What a driver does to use a port; leaves no buffer for control messages behind. */
function openPort(id: number): void {
  sendControl(id, PORT_READY, 1);
  expect(takeControl(id === 0 ? 3 : 2)).toHaveLength(id === 0 ? 3 : 2);
  sendControl(id, PORT_OPEN, 1);
}

describe("virtio-console: configuration", () => {
  test("it shows the number of ports, counting port 0, and two queues each besides the control queues", () => {
    expect(bench.driver.config(4, 4)).toBe(3);
    expect(queues.length).toBe(8);
    create({ ports: [agent] });
    expect(bench.driver.config(4, 4)).toBe(2);
    expect(queues.length).toBe(6);
  });

  test("a new size shows in the configuration space, with a new generation and an interrupt", () => {
    const generation = bench.driver.read(CONFIG_GENERATION);
    device.resize(132, 43);
    expect([bench.driver.config(0, 2), bench.driver.config(2, 2)]).toEqual([132, 43]);
    expect(bench.driver.read(CONFIG_GENERATION)).not.toBe(generation);
    expect(bench.driver.takeInterrupts()).toBe(INTERRUPT_CONFIG_CHANGE);
  });

  test("a driver that does not know of sizes is not interrupted for them", () => {
    create({ console: hvc, ports: [] }, RING_FEATURES);
    device.resize(132, 43);
    expect(bench.driver.takeInterrupts()).toBe(0);
  });
});

describe("virtio-console: control messages", () => {
  test("DEVICE_READY is answered with every port, as soon as there are buffers", () => {
    sendControl(0xffff_ffff, DEVICE_READY, 1);
    expect(readControl()).toEqual([]);
    expect(takeControl()).toEqual([
      [0, DEVICE_ADD, 0],
      [1, DEVICE_ADD, 0],
      [2, DEVICE_ADD, 0],
    ]);
  });

  test("without a console there is no port 0", () => {
    create({ ports: [agent] });
    sendControl(0, DEVICE_READY, 1);
    expect(takeControl()).toEqual([[1, DEVICE_ADD, 0]]);
  });

  test("PORT_READY is answered with the port's name and that the host has it open", () => {
    sendControl(1, PORT_READY, 1);
    expect(takeControl()).toEqual([
      [1, PORT_NAME, 0, "org.example.agent"],
      [1, PORT_OPEN, 1],
    ]);
  });

  test("port 0 is announced as a console, with its size", () => {
    device.resize(80, 24);
    sendControl(0, PORT_READY, 1);
    expect(takeControl()).toEqual([
      [0, CONSOLE_PORT, 1],
      [0, PORT_NAME, 0, "console"],
      [0, RESIZE, 0, "\x50\0\x18\0"],
      [0, PORT_OPEN, 1],
    ]);
  });

  test("resizing sends the latest size once the driver gives a buffer", () => {
    openPort(0);
    for (let columns = 100; columns <= 110; columns++) device.resize(columns, 30);
    expect(readControl()).toEqual([]);
    expect(takeControl(2)).toEqual([[0, RESIZE, 0, "n\0\x1e\0"]]);
  });

  test("they wait for buffers and come in order", () => {
    sendControl(0, DEVICE_READY, 1);
    sendControl(1, PORT_READY, 1);
    const messages = Array.from({ length: 6 }, () => takeControl(1)).flat();
    expect(messages.map(([id, event]) => [id, event])).toEqual([
      [0, DEVICE_ADD],
      [1, DEVICE_ADD],
      [1, PORT_NAME],
      [1, PORT_OPEN],
      [2, DEVICE_ADD],
    ]);
  });

  test("a buffer too small for a message gets as much of it as fits", () => {
    sendControl(1, PORT_READY, 1);
    queues[2]!.send([], [11]);
    expect(readControl()).toEqual([[1, PORT_NAME, 0, "org"]]);
  });

  test("messages about ports that do not exist, of unknown events or too short are ignored", () => {
    sendControl(3, PORT_READY, 1);
    sendControl(0xffff_ffff, PORT_OPEN, 1);
    sendControl(1, 99, 1);
    sendControl(1, PORT_READY, 0);
    sendControl(1, DEVICE_READY, 0);
    queues[3]!.send([Uint8Array.of(1, 0, 0, 0, PORT_READY, 0, 1)], []);
    expect(takeControl()).toEqual([]);
    expect(bench.transport.fault).toBeNull();
  });
});

describe("virtio-console: from the guest", () => {
  test("what the guest writes to a port reaches its host", () => {
    fromGuest(1).send([text("hello "), text("agent")], []);
    fromGuest(2).send([text("a line\n")], []);
    fromGuest(0).send([text("login: ")], []);
    expect([agent.received, log.received, hvc.received]).toEqual(["hello agent", "a line\n", "login: "]);
    expect(fromGuest(1).takeUsed()).toMatchObject([{ byteLength: 0 }]);
  });

  test("opening and closing by the guest is noticed", () => {
    expect(port("log").open).toBe(false);
    sendControl(2, PORT_OPEN, 1);
    expect(port("log").open).toBe(true);
    sendControl(2, PORT_OPEN, 0);
    expect(port("log").open).toBe(false);
    expect(log.events).toEqual(["open", "closed"]);
  });

  test("a reset by the driver closes the ports it had open", () => {
    sendControl(2, PORT_OPEN, 1);
    bench.driver.write(STATUS, 0);
    expect(log.events).toEqual(["open", "closed"]);
  });

  test("a port that does not exist swallows what is written to it", () => {
    create({ ports: [agent] });
    fromGuest(0).send([text("lost")], []);
    expect(fromGuest(0).takeUsed()).toHaveLength(1);
  });

  test("a buffer of more than a MiB leaves the device in need of a reset", () => {
    bench = new VirtioBench(device, new FakeRam(4 << 20));
    queues = bench.driver.start(BOTH, 16);
    fromGuest(1).send([new Uint8Array(1 << 19), new Uint8Array(1 << 19)], []);
    expect([bench.transport.fault, agent.received.length]).toEqual([null, 1 << 20]);
    fromGuest(1).send([new Uint8Array(1 << 20), new Uint8Array(1)], []);
    expect(bench.transport.fault).toBe("queue 5: a buffer of 1048577 bytes");
  });
});

describe("virtio-console: to the guest", () => {
  test("bytes wait until the guest has opened the port and given buffers", () => {
    expect(port("log").write(text("first "))).toBe(6);
    expect(takeBytes(2, 4)).toBe("");
    openPort(2);
    expect(readBytes(2)).toBe("firs");
    port("log").write(text("second"));
    expect(takeBytes(2, 100)).toBe("t second");
    expect(bench.driver.takeInterrupts() & 1).toBe(1);
  });

  test("buffers of the guest are filled at once when the host writes", () => {
    openPort(2);
    expect(takeBytes(2, 4, 4, 4)).toBe("");
    port("log").write(text("abcdef"));
    expect(readBytes(2)).toBe("abcdef");
    port("log").write(text("gh"));
    expect(readBytes(2)).toBe("gh");
  });

  test("a write takes what there is room for, and the host hears when there is room again", () => {
    openPort(2);
    log.events.length = 0;
    expect(port("log").write(new Uint8Array(WAITING_MAX + 10))).toBe(WAITING_MAX);
    expect(port("log").write(text("x"))).toBe(0);
    expect(log.events).toEqual([]);
    takeBytes(2, 100);
    expect(log.events).toEqual(["writable"]);
    expect(port("log").write(new Uint8Array(200))).toBe(100);
  });

  test("a long write goes straight into the buffers the guest has given", () => {
    openPort(2);
    for (let count = 0; count < 3; count++) toGuest(2).add([], [WAITING_MAX]);
    toGuest(2).kick();
    const long = Uint8Array.from({ length: 4 * WAITING_MAX }, (_, index) => index >> 8);
    expect(port("log").write(long)).toBe(4 * WAITING_MAX);
    const received = toGuest(2)
      .takeUsed()
      .map(({ bytes }) => bytes);
    expect(Buffer.compare(concatenate(received), long.subarray(0, 3 * WAITING_MAX))).toBe(0);
  });

  test("after close the guest reads what is left, then sees the host's end closed", () => {
    openPort(2);
    port("log").write(text("the end"));
    port("log").close();
    expect(takeControl(4)).toEqual([]);
    expect(takeBytes(2, 4)).toBe("the ");
    expect(readControl()).toEqual([]);
    expect(takeBytes(2, 4)).toBe("end");
    expect(readControl()).toEqual([[2, PORT_OPEN, 0]]);
    expect(() => port("log").write(text("more"))).toThrow("port log: write after close");
  });

  test("closed before the guest was there: with bytes left it opens and closes, without it never opens", () => {
    port("log").write(text("x"));
    port("log").close();
    port("org.example.agent").close();
    sendControl(1, PORT_READY, 1);
    expect(takeControl().map(([, event]) => event)).toEqual([PORT_NAME]);
    sendControl(2, PORT_READY, 1);
    expect(readControl().map(([, event, value]) => [event, value])).toEqual([
      [PORT_NAME, 0],
      [PORT_OPEN, 1],
    ]);
    sendControl(2, PORT_OPEN, 1);
    expect(takeBytes(2, 4)).toBe("x");
    expect(readControl()).toEqual([[2, PORT_OPEN, 0]]);
  });

  test("a reset by the driver keeps what waits for the guest", () => {
    openPort(2);
    port("log").write(text("kept"));
    queues = bench.driver.start(BOTH, 16);
    openPort(2);
    expect(takeBytes(2, 10)).toBe("kept");
  });
});

describe("virtio-console: without ports", () => {
  test("queues 0 and 1 are the console, which is always open", () => {
    create({ console: hvc, ports: [agent] }, RING_FEATURES);
    expect(hvc.events).toEqual(["open"]);
    fromGuest(0).send([text("# ")], []);
    expect(hvc.received).toBe("# ");
    port("console").write(text("ls\n"));
    expect(takeBytes(0, 10)).toBe("ls\n");
    fromGuest(1).send([text("nobody")], []);
    sendControl(1, PORT_READY, 1);
    expect(agent.received).toBe("");
  });
});

describe("virtio-console: state", () => {
  test("a restored console goes on: waiting bytes, open ports, announcements", () => {
    openPort(2);
    port("log").write(text("carried over"));
    port("log").close();
    sendControl(1, PORT_READY, 1);
    const state = bench.transport.save();
    const restoredLog = new FakePort("log");
    const restored = new VirtioConsole({ console: hvc, ports: [agent, restoredLog] });
    const transport = new VirtioMmioTransport(restored, { interrupt: bench.line, ram: bench.ram, interface: "modern" });
    transport.load(state);
    expect(restoredLog.events).toEqual(["open"]);
    toGuest(2).add([], [100]);
    transport.write(0x50, 6, 4);
    expect(readBytes(2)).toBe("carried over");
    for (let count = 0; count < 3; count++) queues[2]!.add([], [64]);
    transport.write(0x50, 2, 4);
    expect(readControl()).toEqual([
      [1, PORT_NAME, 0, "org.example.agent"],
      [1, PORT_OPEN, 1],
      [2, PORT_OPEN, 0],
    ]);
  });

  test("two ports of one name are our own mistake", () => {
    expect(() => new VirtioConsole({ ports: [log, log] })).toThrow("two ports of one name");
  });
});

virtioDeviceContract("virtio-console", 3, () => {
  const device = new VirtioConsole({ console: new FakePort("console"), ports: [new FakePort("agent")] });
  const control = (id: number, event: number) => ({
    queue: 3,
    readable: [Uint8Array.of(id, 0, 0, 0, event, 0, 1, 0)],
    writable: [],
  });
  return {
    device,
    eagerQueue: 1,
    examples: [
      ...[0, 2, 4].map((queue) => ({ queue, readable: [], writable: [48] })),
      ...[1, 5].map((queue) => ({ queue, readable: [text("output")], writable: [] })),
      ...[control(0, DEVICE_READY), control(0, PORT_READY), control(1, PORT_READY)],
      ...[control(0, PORT_OPEN), control(1, PORT_OPEN)],
    ],
    disturb: () => {
      device.resize(80, 24);
      device.port("agent")?.write(text("input for the guest"));
      device.port("console")?.write(text("typed"));
    },
  };
});
