import { beforeEach, describe, expect, test } from "vitest";
import { ScatterList } from "../../../host/devices/virtio/descriptor-chain.js";
import {
  INTERRUPT_USED_BUFFER,
  STATUS_ACKNOWLEDGE,
  STATUS_DRIVER,
  STATUS_DRIVER_OK,
  STATUS_FEATURES_OK,
  STATUS_NEEDS_RESET,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_VERSION_1,
} from "../../../host/devices/virtio/mmio-registers.js";
import { featureSet, type VirtioDevice, type VirtioDriver } from "../../../host/devices/virtio/virtio-device.js";
import { Virtqueue } from "../../../host/devices/virtio/virtqueue.js";
import { decode, encode, schema } from "../../../host/util/schema.js";
import { VirtioBench } from "../../contracts/virtio-device-contract.js";
import { FakeRam } from "../fake-ram.js";
import type { MockQueue } from "./mock-driver.js";

/** Answers each buffer with what it has read, as much as fits; `limit` chains a kick. */
class Echo implements VirtioDevice<Record<never, never>> {
  readonly schema = schema("echo", 1, {});
  readonly deviceId = 0x7f;
  readonly features = 0n;
  readonly queueMaxSizes = [256];
  readonly config = new Uint8Array();
  readonly configGeneration = 0;
  readonly lengths: (readonly [number, number])[] = [];
  limit = Number.POSITIVE_INFINITY;
  kickCount = 0;
  /** Runs before each answer. */
  beforeAnswer: () => void = () => {};
  driver: VirtioDriver | null = null;

  start(driver: VirtioDriver): void {
    this.driver = driver;
  }

  kick(): void {
    this.kickCount++;
    const queue = this.driver?.queue(0);
    if (queue === undefined) return;
    let taken = 0;
    for (const chain of queue.chains()) {
      this.lengths.push([chain.readable.byteLength, chain.writable.byteLength]);
      this.beforeAnswer();
      const answer = chain.readable.bytes(0, Math.min(chain.readable.byteLength, chain.writable.byteLength));
      chain.writable.write(0, answer);
      queue.push(chain, answer.length);
      if (++taken >= this.limit) break;
    }
    queue.notify();
  }

  stop(): void {
    this.driver = null;
  }

  writeConfig(): void {}
  reset(): void {}
  save(): Record<never, never> {
    return {};
  }
  load(): void {}
}

const PLAIN = featureSet(VIRTIO_F_VERSION_1);
const INDIRECT = featureSet(VIRTIO_F_VERSION_1, VIRTIO_F_INDIRECT_DESC);
const EVENT_IDX = featureSet(VIRTIO_F_VERSION_1, VIRTIO_F_EVENT_IDX);

const bytes = (...values: number[]) => Uint8Array.from(values);

let echo: Echo;
let bench: VirtioBench;
let queue: MockQueue;

function start(features: bigint, size = 8): void {
  echo = new Echo();
  bench = new VirtioBench(echo);
  [queue] = bench.driver.start(features, size) as [MockQueue];
}

function expectBroken(reason: string): void {
  queue.kick();
  expect(bench.driver.status & STATUS_NEEDS_RESET).toBe(STATUS_NEEDS_RESET);
  expect(bench.transport.fault).toBe(`queue 0: ${reason}`);
  expect(echo.driver).toBeNull();
}

describe("virtqueue: chains", () => {
  beforeEach(() => start(INDIRECT));

  test("the readable parts of a chain are one run of bytes, and so are the writable ones", () => {
    queue.send([bytes(1, 2, 3), bytes(4), bytes(5, 6)], [1, 4, 9]);
    expect(echo.lengths).toEqual([[6, 14]]);
    const [used] = queue.takeUsed();
    expect(used).toMatchObject({ byteLength: 6 });
    expect(used?.bytes.subarray(0, 6)).toEqual(bytes(1, 2, 3, 4, 5, 6));
  });

  test("buffers come back in order, and the rings wrap around", () => {
    for (let round = 0; round < 100; round++) {
      const heads = [round, round + 1, round + 2].map((value) => queue.add([bytes(value & 0xff)], [1]));
      queue.kick();
      const used = queue.takeUsed();
      expect(used.map(({ head }) => head)).toEqual(heads);
      expect(used.map(({ bytes }) => bytes[0])).toEqual([round, round + 1, round + 2]);
    }
  });

  test("the ring's positions wrap around at 2^16", () => {
    const paddr = bench.driver.allocateBytes(bytes(1));
    queue.writeDescriptor(queue.descriptorTable, 5, { paddr, byteLength: 1, flags: 0 }, null);
    for (let round = 0; round < 0x10010; round++) {
      queue.publish(5);
      queue.kick();
    }
    expect(echo.lengths.length).toBe(0x10010);
    expect(bench.ram.readU16(queue.usedRing + 2)).toBe(0x10);
  });

  test("an indirect table holds a chain, alone or behind direct descriptors", () => {
    queue.addIndirect([bytes(1), bytes(2, 3)], [2, 2]);
    queue.addIndirect([bytes(4), bytes(5, 6)], [2, 2], 2);
    queue.kick();
    const used = queue.takeUsed();
    expect(used.map(({ bytes }) => [...bytes.subarray(0, 3)])).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
  });

  test("an indirect chain may be longer than the queue", () => {
    queue.addIndirect(
      Array.from({ length: 40 }, (_, index) => bytes(index)),
      [40],
    );
    queue.kick();
    expect(queue.takeUsed()[0]?.bytes).toEqual(Uint8Array.from({ length: 40 }, (_, index) => index));
  });

  test("WRITE in a descriptor of an indirect table means nothing", () => {
    const head = queue.addIndirect([bytes(7)], [1]);
    const flags = queue.descriptorTable + 16 * head + 12;
    bench.ram.writeU16(flags, bench.ram.readU16(flags) | 2);
    queue.kick();
    expect(queue.takeUsed()[0]?.bytes).toEqual(bytes(7));
  });

  test("empty descriptors are no part of the buffer, wherever they point", () => {
    const [data, into] = [bench.driver.allocateBytes(bytes(9)), bench.driver.allocate(1)];
    queue.writeDescriptor(queue.descriptorTable, 0, { paddr: 0, byteLength: 0, flags: 0 }, 1);
    queue.writeDescriptor(queue.descriptorTable, 1, { paddr: data, byteLength: 1, flags: 0 }, 2);
    queue.writeDescriptor(queue.descriptorTable, 2, { paddr: into, byteLength: 1, flags: 2 }, null);
    queue.publish(0);
    queue.kick();
    expect(echo.lengths).toEqual([[1, 1]]);
    expect(bench.ram.view(into, 1)).toEqual(bytes(9));
  });
});

describe("virtqueue: drivers that break the rules", () => {
  beforeEach(() => start(INDIRECT));

  const RAM_END = 0x8010_0000;
  const descriptor = (index: number, paddr: number, byteLength: number, flags: number, next: number | null) =>
    queue.writeDescriptor(queue.descriptorTable, index, { paddr, byteLength, flags }, next);

  test("a head that is no descriptor", () => {
    queue.publish(8);
    expectBroken("chain 8: there is no descriptor 8 in a table of 8");
  });

  test("a next that is no descriptor", () => {
    descriptor(0, bench.ram.base, 1, 0, 0xffff);
    queue.publish(0);
    expectBroken("chain 0: there is no descriptor 65535 in a table of 8");
  });

  test("a chain that comes back to itself", () => {
    descriptor(0, bench.ram.base, 1, 0, 1);
    descriptor(1, bench.ram.base, 1, 0, 0);
    queue.publish(0);
    expectBroken("chain 0: it does not end");
  });

  test.each([
    [0, 1],
    [RAM_END, 1],
    [RAM_END - 1, 2],
    [0x8000_0000, 0xffff_ffff],
    [2 ** 53, 1],
  ])("a buffer at %i of %i bytes", (paddr, byteLength) => {
    descriptor(0, paddr, byteLength, 0, null);
    queue.publish(0);
    expectBroken("chain 0: a buffer that is not in RAM");
  });

  test("a buffer at 2^64 - 1", () => {
    descriptor(0, 0, 1, 0, null);
    bench.ram.writeU64(queue.descriptorTable, 0xffff_ffff_ffff_ffffn);
    queue.publish(0);
    expectBroken("chain 0: a buffer that is not in RAM");
  });

  test("buffers of all of RAM, twice", () => {
    descriptor(0, 0x8000_0000, 0x10_0000, 0, 1);
    descriptor(1, 0x8000_0000, 0x10_0000, 0, null);
    queue.publish(0);
    expectBroken("chain 0: more bytes than there is RAM");
  });

  test("a readable descriptor after a writable one", () => {
    descriptor(0, bench.ram.base, 1, 2, 1);
    descriptor(1, bench.ram.base, 1, 0, null);
    queue.publish(0);
    expectBroken("chain 0: a readable descriptor after a writable one");
  });

  test.each([0, 8, 24, 16 * 1025, 0xffff_fff0])("an indirect table of %i bytes", (byteLength) => {
    descriptor(0, bench.ram.base, byteLength, 4, null);
    queue.publish(0);
    expectBroken(`chain 0: an indirect table of ${byteLength} bytes`);
  });

  test("an indirect table that is not in RAM", () => {
    descriptor(0, RAM_END - 16, 32, 4, null);
    queue.publish(0);
    expectBroken("chain 0: an indirect table that is not in RAM");
  });

  test("a descriptor after an indirect table", () => {
    descriptor(0, bench.driver.allocate(16), 16, 4, 1);
    queue.publish(0);
    expectBroken("chain 0: a descriptor after an indirect table");
  });

  test("an indirect table within an indirect table", () => {
    const table = bench.driver.allocate(16);
    queue.writeDescriptor(table, 0, { paddr: table, byteLength: 16, flags: 4 }, null);
    descriptor(0, table, 16, 4, null);
    queue.publish(0);
    expectBroken("chain 0: an indirect table within an indirect table");
  });

  test("an indirect table that loops", () => {
    const table = bench.driver.allocate(32);
    queue.writeDescriptor(table, 0, { paddr: table, byteLength: 1, flags: 0 }, 1);
    queue.writeDescriptor(table, 1, { paddr: table, byteLength: 1, flags: 0 }, 0);
    descriptor(0, table, 32, 4, null);
    queue.publish(0);
    expectBroken("chain 0: it does not end");
  });

  test("an indirect table that was not negotiated", () => {
    start(PLAIN);
    descriptor(0, bench.driver.allocate(16), 16, 4, null);
    queue.publish(0);
    expectBroken("chain 0: an indirect table, which was not negotiated");
  });

  test("more chains than the queue has entries", () => {
    bench.ram.writeU16(queue.availableRing + 2, 9);
    expectBroken("9 chains are outstanding in a queue of 8");
  });

  test("a queue whose size is not a power of two keeps its largest size", () => {
    bench.driver.negotiate(PLAIN);
    bench.driver.setUpQueue(0, 7, queue.descriptorTable, queue.availableRing, queue.usedRing);
    expect(bench.transport.save().queues[0]).toMatchObject({ size: 256, ready: true });
  });

  test("an available ring that the device's own writes reach keeps it busy for one round at most", () => {
    echo.beforeAnswer = () => {
      const idx = queue.availableRing + 2;
      bench.ram.writeU16(idx, bench.ram.readU16(idx) + 1);
    };
    descriptor(0, bench.driver.allocate(1), 1, 0, null);
    queue.publish(0);
    queue.kick();
    expect(echo.lengths.length).toBe(8);
  });
});

describe("Virtqueue", () => {
  let reasons: string[];
  let alone: Virtqueue;

  beforeEach(() => {
    start(PLAIN);
    reasons = [];
    alone = new Virtqueue(8, {
      ram: bench.ram,
      ringFeatures: () => ({ indirectDescriptors: false, eventIndex: false }),
      notify: () => {},
      broken: (reason) => reasons.push(reason),
    });
    alone.setAddress("descriptorTable", "low", queue.descriptorTable);
    alone.setAddress("availableRing", "low", queue.availableRing);
    alone.setAddress("usedRing", "low", queue.usedRing);
    alone.setReady(true);
  });

  test("once broken it reports nothing more and has nothing available", () => {
    queue.publish(8);
    expect([...alone.chains(), ...alone.chains()]).toEqual([]);
    expect(reasons).toEqual(["chain 8: there is no descriptor 8 in a table of 8"]);
  });

  test("a chain taken before the queue was made ready anew cannot be given back", () => {
    queue.add([bytes(1)], []);
    const [chain] = [...alone.chains()];
    alone.setReady(false);
    alone.setReady(true);
    alone.push(chain!, 0);
    expect(bench.ram.readU16(queue.usedRing + 2)).toBe(0);
  });

  test("while it is ready its size and addresses stay", () => {
    const before = alone.save();
    alone.setSize(4);
    alone.setAddress("usedRing", "high", 1);
    expect(alone.save()).toEqual(before);
  });
});

describe("virtqueue: notifications", () => {
  test("without EVENT_IDX the driver is told unless it says otherwise", () => {
    start(PLAIN);
    queue.send([bytes(1)], [1]);
    expect(bench.line.level).toBe(true);
    expect(bench.driver.takeInterrupts()).toBe(INTERRUPT_USED_BUFFER);
    expect(bench.line.level).toBe(false);
    queue.noInterrupt = true;
    queue.send([bytes(1)], [1]);
    expect(bench.driver.takeInterrupts()).toBe(0);
  });

  test("a kick without buffers interrupts nobody", () => {
    start(PLAIN);
    queue.kick();
    expect(bench.driver.takeInterrupts()).toBe(0);
  });

  test("with EVENT_IDX the driver is told when used_event is passed", () => {
    start(EVENT_IDX);
    queue.usedEvent = 2;
    const interruptsOf = () => {
      queue.send([bytes(1)], [1]);
      return bench.driver.takeInterrupts();
    };
    expect([interruptsOf(), interruptsOf(), interruptsOf(), interruptsOf()]).toEqual([0, 0, INTERRUPT_USED_BUFFER, 0]);
  });

  test("with EVENT_IDX a batch that passes used_event interrupts once", () => {
    start(EVENT_IDX);
    queue.usedEvent = 1;
    for (let count = 0; count < 4; count++) queue.add([bytes(1)], []);
    queue.kick();
    expect(bench.driver.takeInterrupts()).toBe(INTERRUPT_USED_BUFFER);
    expect(bench.line.riseCount).toBe(1);
  });

  test("with EVENT_IDX the device asks to be told of the next buffer once it has taken them all", () => {
    start(EVENT_IDX);
    queue.add([bytes(1)], []);
    expect(queue.wantsKick).toBe(true);
    queue.add([bytes(2)], []);
    expect(queue.wantsKick).toBe(false);
    queue.kick();
    queue.takeUsed();
    queue.add([bytes(3)], []);
    expect(queue.wantsKick).toBe(true);
  });

  test("with EVENT_IDX it asks also after taking as many as the queue holds", () => {
    start(EVENT_IDX);
    for (let count = 0; count < 8; count++) queue.add([bytes(count)], []);
    queue.kick();
    expect(queue.takeUsed().length).toBe(8);
    queue.add([bytes(9)], []);
    expect(queue.wantsKick).toBe(true);
  });

  test("a buffer the device has not asked for stays available", () => {
    start(EVENT_IDX);
    echo.limit = 1;
    for (let count = 0; count < 3; count++) queue.add([bytes(count)], [1]);
    queue.kick();
    expect(queue.takeUsed().map(({ bytes }) => bytes[0])).toEqual([0]);
    queue.kick();
    queue.kick();
    expect(queue.takeUsed().map(({ bytes }) => bytes[0])).toEqual([1, 2]);
  });

  test("buffers made available before DRIVER_OK are taken at DRIVER_OK", () => {
    start(PLAIN);
    bench.driver.negotiate(PLAIN);
    [queue] = bench.driver.createQueues(PLAIN, 8) as [MockQueue];
    echo.kickCount = 0;
    queue.add([bytes(1)], [1]);
    expect([queue.takeUsed(), echo.kickCount]).toEqual([[], 0]);
    bench.driver.driverOk();
    expect(queue.takeUsed().length).toBe(1);
  });

  test("a driver that kicks before DRIVER_OK, as barebox's does, is served, also by a restored device", () => {
    start(PLAIN);
    bench.driver.negotiate(PLAIN);
    [queue] = bench.driver.createQueues(PLAIN, 8) as [MockQueue];
    queue.send([bytes(1)], [1]);
    expect(queue.takeUsed().length).toBe(1);
    bench.transport.load(bench.transport.save());
    queue.send([bytes(2)], [1]);
    expect(queue.takeUsed().length).toBe(1);
    echo.driver = null;
    bench.driver.driverOk();
    expect(echo.driver, "started a second time").toBeNull();
    expect(bench.driver.status).toBe(STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
  });

  test("a transport saved as version 1 was started by DRIVER_OK alone", () => {
    const { schema } = bench.transport;
    const { startedByKick: _, ...fields } = encode(schema, bench.transport.save()).fields;
    expect(decode(schema, { name: schema.name, version: 1, fields }).startedByKick).toBe(false);
  });
});

describe("ScatterList", () => {
  test("reads and writes across segments, from any offset, and never beyond", () => {
    const ram = new FakeRam(64);
    const list = new ScatterList(ram, [
      { paddr: ram.base + 10, byteLength: 3 },
      { paddr: ram.base, byteLength: 1 },
      { paddr: ram.base + 40, byteLength: 4 },
    ]);
    list.write(2, bytes(1, 2, 3));
    expect([...ram.bytes].map((value, index) => (value === 0 ? -1 : index)).filter((index) => index >= 0)).toEqual([
      0, 12, 40,
    ]);
    expect(list.bytes(0, 8)).toEqual(bytes(0, 0, 1, 2, 3, 0, 0, 0));
    expect(list.bytes(4, 1)).toEqual(bytes(3));
    expect(() => list.bytes(7, 2)).toThrow("bytes 7 to 9 of a scatter list of 8");
  });
});
