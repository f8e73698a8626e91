import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import {
  CONFIG,
  CONFIG_GENERATION,
  DEVICE_FEATURES,
  DEVICE_FEATURES_SEL,
  DEVICE_ID,
  DRIVER_FEATURES,
  DRIVER_FEATURES_SEL,
  INTERRUPT_ACK,
  INTERRUPT_CONFIG_CHANGE,
  INTERRUPT_STATUS,
  MAGIC_VALUE,
  QUEUE_DESC_LOW,
  QUEUE_DEVICE_LOW,
  QUEUE_DRIVER_LOW,
  QUEUE_NOTIFY,
  QUEUE_NUM,
  QUEUE_NUM_MAX,
  QUEUE_READY,
  QUEUE_SEL,
  SHM_BASE_HIGH,
  SHM_BASE_LOW,
  SHM_LEN_HIGH,
  SHM_LEN_LOW,
  STATUS,
  STATUS_ACKNOWLEDGE,
  STATUS_DRIVER,
  STATUS_DRIVER_OK,
  STATUS_FEATURES_OK,
  STATUS_NEEDS_RESET,
  VENDOR_ID,
  VERSION,
} from "../../host/devices/virtio/mmio-registers.js";
import { VirtioMmioTransport } from "../../host/devices/virtio/mmio-transport.js";
import { featureSet, type VirtioDevice } from "../../host/devices/virtio/virtio-device.js";
import { decode, encode } from "../../host/util/schema.js";
import { FakeLine } from "../devices/fake-line.js";
import { FakeRam } from "../devices/fake-ram.js";
import { MockDriver, type MockQueue, RING_FEATURES } from "../devices/virtio/mock-driver.js";
import { deviceContract } from "./device-contract.js";

/** A virtio device with the test's hands on its wires. */
export interface VirtioSubject {
  readonly device: VirtioDevice;
  /** A queue whose buffers the device takes as soon as it is told of them. */
  readonly eagerQueue: number;
  /** Buffers that the device understands, for drivers that are almost right. */
  readonly examples: readonly ExampleBuffer[];
  /** Waits until the device works on nothing; for devices that answer later. */
  readonly settle?: () => Promise<void>;
  /** Something the host does to the device, at any time. */
  readonly disturb?: () => void;
}

export interface ExampleBuffer {
  readonly queue: number;
  readonly readable: readonly Uint8Array[];
  /** Lengths. */
  readonly writable: readonly number[];
}

/** A device behind its transport, before a fake guest's memory. */
export class VirtioBench {
  readonly ram: FakeRam;
  readonly line = new FakeLine();
  readonly transport: VirtioMmioTransport;
  readonly driver: MockDriver;

  constructor(device: VirtioDevice, ram = new FakeRam()) {
    this.ram = ram;
    this.transport = new VirtioMmioTransport(device, { interrupt: this.line, ram, interface: "modern" });
    this.driver = new MockDriver(this.transport, ram);
  }
}

const REGISTERS = [
  ...[MAGIC_VALUE, VERSION, DEVICE_ID, DEVICE_FEATURES, DEVICE_FEATURES_SEL, DRIVER_FEATURES, DRIVER_FEATURES_SEL],
  ...[QUEUE_SEL, QUEUE_NUM_MAX, QUEUE_NUM, QUEUE_READY, QUEUE_NOTIFY, INTERRUPT_STATUS, INTERRUPT_ACK, STATUS],
  ...[QUEUE_DESC_LOW, QUEUE_DRIVER_LOW, QUEUE_DEVICE_LOW, CONFIG_GENERATION, CONFIG, CONFIG + 4, CONFIG + 32],
];

/** What every virtio device must do behind the MMIO transport, whatever it is. @param deviceId virtio 1.2 section 5 */
export function virtioDeviceContract(name: string, deviceId: number, create: () => VirtioSubject): void {
  deviceContract(name, () => {
    const { device, disturb } = create();
    const { transport, line } = new VirtioBench(device, new FakeRam(0x4000));
    const subject = { device: transport, lines: () => [line.level], offsets: REGISTERS };
    return disturb === undefined ? subject : { ...subject, disturb };
  });

  describe(`${name}: virtio device contract`, () => {
    let subject: VirtioSubject;
    let bench: VirtioBench;
    let driver: MockDriver;

    beforeEach(() => {
      subject = create();
      bench = new VirtioBench(subject.device);
      driver = bench.driver;
    });

    const isBroken = () => (driver.status & STATUS_NEEDS_RESET) !== 0;

    test("it identifies itself", () => {
      expect(driver.read(MAGIC_VALUE)).toBe(0x74726976);
      expect(driver.read(VERSION)).toBe(2);
      expect(driver.read(DEVICE_ID)).toBe(deviceId);
      expect(driver.read(VENDOR_ID)).toBe(0x554d4551);
      for (const register of [SHM_LEN_LOW, SHM_LEN_HIGH, SHM_BASE_LOW, SHM_BASE_HIGH]) {
        expect(driver.read(register)).toBe(0xffff_ffff);
      }
    });

    test("it accepts all of the features it offers", () => {
      expect(driver.negotiate(driver.offeredFeatures())).toBe(true);
    });

    test("it accepts no feature that it does not offer, and does without any", () => {
      const offered = driver.offeredFeatures();
      expect(driver.negotiate(0n)).toBe(true);
      for (let feature = 0; feature < 64; feature++) {
        const isOffered = (offered & featureSet(feature)) !== 0n;
        expect(driver.negotiate(featureSet(feature)), `feature ${feature}`).toBe(isOffered);
      }
    });

    test("with features that it refuses it does not start", () => {
      driver.negotiate(featureSet(63));
      driver.driverOk();
      expect(driver.status & (STATUS_FEATURES_OK | STATUS_DRIVER_OK)).toBe(0);
    });

    test("features are settled with FEATURES_OK", () => {
      driver.negotiate(RING_FEATURES);
      driver.write(DRIVER_FEATURES, 0);
      driver.driverOk();
      expect(bench.transport.save().driverFeatures).toBe(RING_FEATURES);
      expect(driver.status & (STATUS_FEATURES_OK | STATUS_DRIVER_OK)).toBe(STATUS_FEATURES_OK | STATUS_DRIVER_OK);
    });

    test("writing 0 to Status resets everything the driver set", () => {
      driver.start(driver.offeredFeatures());
      driver.write(STATUS, 0);
      expect(driver.status).toBe(0);
      driver.write(QUEUE_SEL, 0);
      expect(driver.read(QUEUE_READY)).toBe(0);
      expect(driver.start().length).toBe(subject.device.queueMaxSizes.length);
    });

    test("only the device itself sets DEVICE_NEEDS_RESET, and only a reset clears it", () => {
      driver.start();
      driver.write(STATUS, 0x4f);
      expect(driver.status).toBe(0x0f);
      driver.write(QUEUE_SEL, subject.eagerQueue);
      driver.write(QUEUE_READY, 0);
      driver.setUpQueue(subject.eagerQueue, 8, 0, 0, 0);
      driver.write(STATUS, 0x0f);
      expect(driver.status).toBe(0x4f);
      driver.write(STATUS, 0);
      expect(driver.status).toBe(0);
    });

    test("a queue that it does not have has size 0 and cannot be made ready", () => {
      driver.negotiate(RING_FEATURES);
      driver.setUpQueue(subject.device.queueMaxSizes.length, 8, bench.ram.base, bench.ram.base, bench.ram.base);
      expect([driver.read(QUEUE_NUM_MAX), driver.read(QUEUE_READY)]).toEqual([0, 0]);
      driver.driverOk();
      driver.notify(subject.device.queueMaxSizes.length);
      driver.notify(0xffff_ffff);
      expect(isBroken()).toBe(false);
    });

    test.each([
      ["outside RAM", 0x1000n],
      ["across the end of RAM", BigInt(0x8010_0000 - 16)],
      ["at the end of the address space", 0xffff_ffff_ffff_fff0n],
      ["that wraps around", 0xffff_ffff_ffff_ffffn],
      ["that is not aligned", 0x8000_0001n],
    ])("a ring %s breaks the device, which a reset mends", (_where, address) => {
      for (const part of [0, 1, 2]) {
        const addresses = [0x8000_0000n, 0x8000_1000n, 0x8000_2000n];
        addresses[part] = address;
        driver.negotiate(RING_FEATURES);
        driver.setUpQueue(0, 8, addresses[0]!, addresses[1]!, addresses[2]!);
        driver.driverOk();
        driver.notify(0);
        expect(isBroken()).toBe(true);
        expect(bench.transport.fault).toBe("queue 0: its rings are not aligned or not in RAM");
        driver.start();
        expect(isBroken()).toBe(false);
      }
    });

    test("an available index that runs ahead of the queue breaks the device and interrupts for it", () => {
      const queue = driver.start()[subject.eagerQueue]!;
      bench.ram.writeU16(queue.availableRing + 2, queue.size + 1);
      queue.kick();
      expect(isBroken()).toBe(true);
      expect(driver.takeInterrupts() & INTERRUPT_CONFIG_CHANGE).toBe(INTERRUPT_CONFIG_CHANGE);
      expect(bench.line.level).toBe(false);
      driver.start();
      expect(driver.status).toBe(0xf);
    });

    test("before FEATURES_OK kicks reach nothing", () => {
      driver.write(STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
      const queues = driver.createQueues(RING_FEATURES, 8);
      for (const queue of queues) queue.publish(queue.size);
      for (const queue of queues) queue.kick();
      expect(isBroken()).toBe(false);
    });

    test("a device restored in a driver's hands is still in them", async () => {
      const queues = driver.start();
      const state = decode(bench.transport.schema, encode(bench.transport.schema, bench.transport.save()));
      const restored = create();
      const line = new FakeLine();
      const transport = new VirtioMmioTransport(restored.device, {
        interrupt: line,
        ram: bench.ram,
        interface: "modern",
      });
      transport.load(state);
      expect(transport.save()).toEqual(state);
      const queue = queues[subject.eagerQueue]!;
      queue.publish(queue.size);
      transport.write(QUEUE_NOTIFY, queue.index, 4);
      await restored.settle?.();
      expect(transport.read(STATUS, 4) & STATUS_NEEDS_RESET).toBe(STATUS_NEEDS_RESET);
      expect(line.level).toBe(true);
    });

    test("whatever a driver puts into the rings, the device neither throws nor hangs nor leaves RAM", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(hostileQueue(), { minLength: 1, maxLength: 6 }), async (attacks) => {
          const subject = create();
          const { transport, driver, ram } = new VirtioBench(subject.device, new FakeRam(HOSTILE_RAM_BYTE_LENGTH));
          driver.negotiate(driver.offeredFeatures());
          attacks.forEach(({ layout }, index) => {
            driver.setUpQueue(index, QUEUE_SIZE, layout.descriptorTable, layout.availableRing, layout.usedRing);
          });
          driver.driverOk();
          for (const attack of attacks) writeAttack(ram, attack);
          for (let round = 0; round < 3; round++) {
            subject.disturb?.();
            attacks.forEach((attack, index) => {
              ram.writeU16(attack.layout.availableRing + 2, attack.idx + round);
              driver.notify(index);
            });
            await subject.settle?.();
          }
          expect(decode(transport.schema, encode(transport.schema, transport.save()))).toBeDefined();
          expect(driver.negotiate(RING_FEATURES)).toBe(true);
        }),
        { numRuns: 200 },
      );
    });

    test("however a good driver's memory is spoilt, the device neither throws nor hangs nor leaves RAM", async () => {
      const { examples } = create();
      const round = fc.record({
        buffers: fc.array(fc.record({ example: fc.constantFrom(...examples), isIndirect: fc.boolean() }), {
          maxLength: 8,
        }),
        damage: fc.array(damage(), { maxLength: 4 }),
        afterKick: fc.array(damage(), { maxLength: 2 }),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(round, { maxLength: 5 }), async (rounds) => {
          const subject = create();
          const { transport, driver, ram } = new VirtioBench(subject.device);
          const queues = driver.start(driver.offeredFeatures(), 64);
          for (const { buffers, damage, afterKick } of rounds) {
            for (const { example, isIndirect } of buffers) addBuffer(queues[example.queue]!, example, isIndirect);
            for (const spoil of damage) spoil(ram);
            subject.disturb?.();
            for (const queue of queues) queue.kick();
            for (const spoil of afterKick) spoil(ram);
            await subject.settle?.();
          }
          expect(decode(transport.schema, encode(transport.schema, transport.save()))).toBeDefined();
          expect(driver.negotiate(RING_FEATURES)).toBe(true);
        }),
        { numRuns: 200 },
      );
    });
  });
}

const QUEUE_SIZE = 8;
const HOSTILE_RAM_BYTE_LENGTH = 0x8000;
const SPOILT_BYTE_LENGTH = 0x3000;

interface HostileQueue {
  readonly layout: { readonly descriptorTable: number; readonly availableRing: number; readonly usedRing: number };
  readonly descriptors: readonly {
    readonly address: bigint;
    readonly byteLength: number;
    readonly flags: number;
    readonly next: number;
  }[];
  readonly heads: readonly number[];
  readonly idx: number;
  readonly usedEvent: number;
}

function addBuffer(queue: MockQueue, { readable, writable }: ExampleBuffer, isIndirect: boolean): void {
  if (queue.freeCount < readable.length + writable.length) return;
  if (isIndirect) queue.addIndirect(readable, writable);
  else queue.add(readable, writable);
}

/** Overwrites some bytes near the start of RAM, where the mock driver keeps rings and buffers. */
function damage(): fc.Arbitrary<(ram: FakeRam) => void> {
  const values = fc.constantFrom(0, 1, 2, 3, 4, 7, 8, 0x10, 0x80, 0xff);
  return fc.tuple(fc.nat(SPOILT_BYTE_LENGTH), fc.array(values, { minLength: 1, maxLength: 8 })).map(
    ([offset, bytes]) =>
      (ram) =>
        ram.bytes.set(bytes, offset),
  );
}

/** Descriptors and rings that are now and then almost right; rings and buffers may overlap. */
function hostileQueue(): fc.Arbitrary<HostileQueue> {
  const base = 0x8000_0000;
  const end = BigInt(base + HOSTILE_RAM_BYTE_LENGTH);
  const place = fc.nat(63).map((slot) => base + 0x80 * slot);
  const address = fc.oneof(
    { weight: 6, arbitrary: fc.nat(HOSTILE_RAM_BYTE_LENGTH - 1).map((offset) => BigInt(base + offset)) },
    { weight: 1, arbitrary: fc.constantFrom(0n, end - 1n, end, 0xffff_ffff_ffff_ffffn, 1n << 53n, 1n << 63n) },
  );
  const byteLength = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(1, 4, 8, 16, 20, 32, 512, 4096) },
    { weight: 1, arbitrary: fc.constantFrom(0, 0x7fff, 0x8000, 0x8000_0000, 0xffff_ffff) },
  );
  return fc.record({
    layout: fc.record({ descriptorTable: place, availableRing: place, usedRing: place }),
    descriptors: fc.array(
      fc.record({
        address,
        byteLength,
        flags: fc.oneof({ weight: 5, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.nat(0xffff) }),
        next: fc.nat(QUEUE_SIZE),
      }),
      { minLength: QUEUE_SIZE, maxLength: QUEUE_SIZE },
    ),
    heads: fc.array(fc.nat(QUEUE_SIZE), { minLength: QUEUE_SIZE, maxLength: QUEUE_SIZE }),
    idx: fc.oneof({ weight: 5, arbitrary: fc.nat(QUEUE_SIZE) }, { weight: 1, arbitrary: fc.nat(0xfff0) }),
    usedEvent: fc.nat(0xffff),
  });
}

function writeAttack(ram: FakeRam, { layout, descriptors, heads, usedEvent }: HostileQueue): void {
  descriptors.forEach(({ address, byteLength, flags, next }, index) => {
    const descriptor = layout.descriptorTable + 16 * index;
    ram.writeU64(descriptor, address);
    ram.writeU32(descriptor + 8, byteLength);
    ram.writeU16(descriptor + 12, flags);
    ram.writeU16(descriptor + 14, next);
  });
  heads.forEach((head, index) => {
    ram.writeU16(layout.availableRing + 4 + 2 * index, head);
  });
  ram.writeU16(layout.availableRing + 4 + 2 * QUEUE_SIZE, usedEvent);
}
