import { beforeEach, describe, expect, test } from "vitest";
import { VirtioBalloon } from "../../../host/devices/virtio/balloon.js";
import { INTERRUPT_CONFIG_CHANGE, STATUS_NEEDS_RESET } from "../../../host/devices/virtio/mmio-registers.js";
import { featureSet } from "../../../host/devices/virtio/virtio-device.js";
import { VirtioBench, virtioDeviceContract } from "../../contracts/virtio-device-contract.js";
import { FAKE_RAM_BASE, FakeRam } from "../fake-ram.js";
import { type MockQueue, RING_FEATURES } from "./mock-driver.js";

const PAGE = 4096;
// Virtio 1.2 section 5.5.3.
const [STATS_VQ, FREE_PAGE_HINT, REPORTING] = [1, 3, 5] as const;
const ALL = RING_FEATURES | featureSet(STATS_VQ, FREE_PAGE_HINT, REPORTING);
const CONFIG_CMD_ID = 8;

let ram: FakeRam;
let device: VirtioBalloon;
let bench: VirtioBench;
let queues: MockQueue[];

function begin(features = ALL): void {
  ram = new FakeRam(1 << 20);
  device = new VirtioBalloon(ram);
  bench = new VirtioBench(device, ram);
  queues = bench.driver.start(features, 32);
}
beforeEach(() => begin());

/** A run of pages full of something. @returns its address */
function pages(count: number): number {
  const paddr = bench.driver.allocate(count * PAGE, PAGE);
  ram.write(paddr, new Uint8Array(count * PAGE).fill(0xaa));
  return paddr;
}

const numbers = (...values: readonly number[]) => new Uint8Array(Uint32Array.from(values).buffer);
const isZero = (paddr: number, byteLength: number) => ram.view(paddr, byteLength).every((byte) => byte === 0);

/** Gives the device a buffer that lies at this place. */
function addAt(queue: MockQueue, paddr: number, byteLength: number): void {
  queue.writeDescriptor(queue.descriptorTable, 0, { paddr, byteLength, flags: 2 }, null);
  queue.publish(0);
  queue.kick();
}

describe("virtio-balloon", () => {
  test("what the host wants is in the configuration space, and can be changed at any time", () => {
    expect(bench.driver.config(0, 4)).toBe(0);
    bench.driver.takeInterrupts();
    device.setTarget(16 * PAGE);
    expect(bench.driver.config(0, 4)).toBe(16);
    expect(bench.driver.takeInterrupts()).toBe(INTERRUPT_CONFIG_CHANGE);
    expect(device.targetByteLength).toBe(16 * PAGE);
    bench.transport.write(0x104, 7, 4);
    expect(device.byteLength).toBe(7 * PAGE);
    for (const wrong of [-PAGE, 100, 2 << 20]) expect(() => device.setTarget(wrong)).toThrow("multiple of 4096");
  });

  test("pages that the guest gives back are zero, others are not", () => {
    const paddr = pages(4);
    queues[0]!.send([numbers(paddr / PAGE, paddr / PAGE + 2)], []);
    expect([0, 1, 2, 3].map((index) => isZero(paddr + index * PAGE, PAGE))).toEqual([true, false, true, false]);
    expect(queues[0]!.takeUsed().length).toBe(1);
    queues[1]!.send([numbers(paddr / PAGE)], []);
    expect(queues[1]!.takeUsed().length).toBe(1);
  });

  test("pages that the guest does not have are left out", () => {
    const paddr = pages(1);
    queues[0]!.send([numbers(0, 0xffff_ffff, (FAKE_RAM_BASE + (1 << 20)) / PAGE, paddr / PAGE)], []);
    expect(isZero(paddr, PAGE)).toBe(true);
    expect(bench.driver.status & STATUS_NEEDS_RESET).toBe(0);
  });

  test("memory that is reported free is zero before the guest has it again", () => {
    const paddr = pages(3);
    addAt(queues[4]!, paddr, 2 * PAGE);
    expect([isZero(paddr, 2 * PAGE), isZero(paddr + 2 * PAGE, PAGE)]).toEqual([true, false]);
    expect(device.givenByteLength).toBe(2 * PAGE);
  });

  test("without hints negotiated, reports come in the queue before", () => {
    begin(RING_FEATURES | featureSet(STATS_VQ, REPORTING));
    const paddr = pages(1);
    addAt(queues[3]!, paddr, PAGE);
    expect(isZero(paddr, PAGE)).toBe(true);
  });

  test("hints: a round goes from the number that the host chose to the guest's stop, and then it is done", async () => {
    const [before, during] = [pages(1), pages(1)];
    addAt(queues[3]!, before, PAGE);
    expect(isZero(before, PAGE)).toBe(false);
    let isDone = false;
    const done = device.takeFreePages().then(() => {
      isDone = true;
    });
    const round = bench.driver.config(CONFIG_CMD_ID, 4);
    expect(round).toBeGreaterThan(1);
    begun(round);
    addAt(queues[3]!, during, PAGE);
    expect(isZero(during, PAGE)).toBe(true);
    await Promise.resolve();
    expect(isDone).toBe(false);
    begun(0);
    await done;
    expect(bench.driver.config(CONFIG_CMD_ID, 4)).toBe(1);
    const other = device.takeFreePages();
    expect(bench.driver.config(CONFIG_CMD_ID, 4)).toBe(round + 1);
    bench.driver.start();
    await other;
  });

  /** The driver names a round, or 0 for its end. */
  function begun(round: number): void {
    const paddr = bench.driver.allocateBytes(numbers(round));
    const queue = queues[3]!;
    queue.writeDescriptor(queue.descriptorTable, 1, { paddr, byteLength: 4, flags: 0 }, null);
    queue.publish(1);
    queue.kick();
  }

  test("statistics come when they are asked for", async () => {
    const statistic = (tag: number, value: bigint) => {
      const bytes = Buffer.alloc(10);
      bytes.writeUInt16LE(tag);
      bytes.writeBigUInt64LE(value, 2);
      return bytes;
    };
    queues[2]!.send([statistic(4, 1n)], []);
    expect(queues[2]!.takeUsed()).toEqual([]);
    const answer = device.statistics();
    expect(queues[2]!.takeUsed().length).toBe(1);
    queues[2]!.send([Buffer.concat([statistic(4, 1_000_000n), statistic(5, 1n << 40n), statistic(999, 1n)])], []);
    expect(await answer).toEqual({ freeByteLength: 1_000_000n, totalByteLength: 1n << 40n });
    const unanswered = device.statistics();
    bench.driver.start();
    expect(await unanswered).toBeNull();
    begin(RING_FEATURES);
    expect(await device.statistics()).toBeNull();
  });

  test("the buffer for statistics is still the device's after a restore", async () => {
    queues[2]!.send([new Uint8Array(10)], []);
    const restored = new VirtioBalloon(ram);
    new VirtioBench(restored, ram).transport.load(bench.transport.save());
    void restored.statistics();
    expect(queues[2]!.takeUsed().length).toBe(1);
  });

  test("what the host wants outlives the driver", () => {
    device.setTarget(PAGE);
    bench.driver.start();
    expect(bench.driver.config(0, 4)).toBe(1);
  });

  test("a guest that gives back more than it has is stopped, in bounded time", () => {
    const queue = queues[4]!;
    for (let index = 0; index < queue.size; index++) {
      queue.writeDescriptor(queue.descriptorTable, index, { paddr: ram.base, byteLength: 1 << 19, flags: 2 }, null);
      queue.publish(index);
    }
    queue.kick();
    expect(bench.driver.status & STATUS_NEEDS_RESET).toBe(STATUS_NEEDS_RESET);
  });
});

virtioDeviceContract("virtio-balloon", 5, () => {
  const device = new VirtioBalloon(new FakeRam(1 << 20));
  return {
    device,
    eagerQueue: 0,
    examples: [
      { queue: 0, readable: [numbers(FAKE_RAM_BASE / PAGE, FAKE_RAM_BASE / PAGE + 3)], writable: [] },
      { queue: 1, readable: [numbers(FAKE_RAM_BASE / PAGE)], writable: [] },
      { queue: 2, readable: [new Uint8Array(20)], writable: [] },
      { queue: 3, readable: [numbers(2)], writable: [] },
      { queue: 3, readable: [], writable: [64] },
      { queue: 4, readable: [], writable: [64, 64] },
    ],
    disturb() {
      device.setTarget(PAGE);
      void device.statistics();
      void device.takeFreePages();
    },
  };
});
