/** The legacy interface of the MMIO transport. Virtio 1.2 sections 4.2.4 (registers), 2.7.2 (layout), 3.1.2 (start). */
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { VirtioMmioTransport } from "../../../host/devices/virtio/mmio-transport.js";
import { VirtioRng } from "../../../host/devices/virtio/rng.js";
import { decode, encode } from "../../../host/util/schema.js";
import { deviceContract } from "../../contracts/device-contract.js";
import { FakeLine } from "../fake-line.js";
import { FAKE_RAM_BASE, FakeRam } from "../fake-ram.js";

// Names of section 4.2.4.
const [VERSION, HOST_FEATURES, HOST_FEATURES_SEL] = [0x004, 0x010, 0x014];
const [GUEST_FEATURES, GUEST_FEATURES_SEL, GUEST_PAGE_SIZE] = [0x020, 0x024, 0x028];
const [QUEUE_SEL, QUEUE_NUM_MAX, QUEUE_NUM, QUEUE_ALIGN, QUEUE_PFN] = [0x030, 0x034, 0x038, 0x03c, 0x040];
const [QUEUE_READY, QUEUE_NOTIFY, INTERRUPT_STATUS, STATUS] = [0x044, 0x050, 0x060, 0x070];
const [ACKNOWLEDGE, DRIVER, DRIVER_OK] = [1, 2, 4];
const DESCRIPTOR_WRITE = 2;

const PAGE = 4096;
const PLACE = FAKE_RAM_BASE + 3 * PAGE;
const SIZE = 8;

function createDevice(ram: FakeRam, line = new FakeLine()): VirtioMmioTransport {
  const sevens = (into: Uint8Array) => void into.fill(7);
  return new VirtioMmioTransport(new VirtioRng(sevens), { interrupt: line, ram, interface: "legacy" });
}

let ram: FakeRam;
let line: FakeLine;
let device: VirtioMmioTransport;
const read = (register: number) => device.read(register, 4);
const write = (register: number, value: number) => device.write(register, value, 4);

beforeEach(() => {
  ram = new FakeRam();
  line = new FakeLine();
  device = createDevice(ram, line);
});

/** Hands over a queue whose parts are in pages one after the other. */
function setUpQueue(align = PAGE): { readonly available: number; readonly used: number } {
  write(STATUS, ACKNOWLEDGE | DRIVER);
  write(GUEST_PAGE_SIZE, PAGE);
  write(QUEUE_SEL, 0);
  write(QUEUE_NUM, SIZE);
  write(QUEUE_ALIGN, align);
  write(QUEUE_PFN, PLACE / PAGE);
  const end = 16 * SIZE + 2 * (3 + SIZE);
  return { available: PLACE + 16 * SIZE, used: PLACE + Math.ceil(end / align) * align };
}

/** Makes one buffer of four bytes available. */
function offerBuffer(available: number): number {
  const buffer = FAKE_RAM_BASE + 0x8000;
  ram.writeU32(PLACE, buffer);
  ram.writeU32(PLACE + 8, 4);
  ram.writeU16(PLACE + 12, DESCRIPTOR_WRITE);
  ram.writeU16(available + 4, 0);
  ram.writeU16(available + 2, 1);
  return buffer;
}

describe("the legacy interface", () => {
  test("is version 1, with features below 32 only", () => {
    expect(read(VERSION)).toBe(1);
    write(HOST_FEATURES_SEL, 1);
    expect(read(HOST_FEATURES)).toBe(0);
    write(HOST_FEATURES_SEL, 0);
    // ANY_LAYOUT, INDIRECT_DESC and EVENT_IDX.
    expect(read(HOST_FEATURES)).toBe((1 << 27) | (1 << 28) | (1 << 29));
    expect(read(QUEUE_NUM_MAX)).toBeGreaterThanOrEqual(SIZE);
  });

  test.each([PAGE, 4])("a queue lies in one piece, its used ring at a multiple of %i", (align) => {
    const { available, used } = setUpQueue(align);
    expect(read(QUEUE_PFN)).toBe(PLACE / PAGE);
    write(STATUS, ACKNOWLEDGE | DRIVER | DRIVER_OK);
    const buffer = offerBuffer(available);
    write(QUEUE_NOTIFY, 0);
    expect([ram.readU16(used + 2), ram.readU32(used + 4), ram.readU32(used + 8)]).toEqual([1, 0, 4]);
    expect(ram.readU32(buffer)).toBe(0x0707_0707);
    expect([read(INTERRUPT_STATUS), line.level]).toEqual([1, true]);
  });

  test("there is neither FEATURES_OK nor a refusal: a driver has those features that were offered", () => {
    write(GUEST_FEATURES_SEL, 0);
    write(GUEST_FEATURES, 0xffff_ffff);
    setUpQueue();
    write(STATUS, ACKNOWLEDGE | DRIVER | DRIVER_OK);
    expect(read(STATUS)).toBe(ACKNOWLEDGE | DRIVER | DRIVER_OK);
    expect(device.save().driverFeatures).toBe(0x3800_0000n);
  });

  test("a driver may use a queue before it says that it is ready", () => {
    const { available, used } = setUpQueue();
    offerBuffer(available);
    write(QUEUE_NOTIFY, 0);
    expect(ram.readU16(used + 2)).toBe(1);
  });

  test("page 0 takes a queue back; the registers of version 2 do nothing", () => {
    const { available, used } = setUpQueue();
    write(STATUS, ACKNOWLEDGE | DRIVER | DRIVER_OK);
    write(QUEUE_PFN, 0);
    offerBuffer(available);
    write(QUEUE_READY, 1);
    write(QUEUE_NOTIFY, 0);
    expect([read(QUEUE_PFN), read(QUEUE_READY), ram.readU16(used + 2)]).toEqual([0, 0, 0]);
  });

  test("a driver's reset leaves the page size, which Linux says before it", () => {
    write(GUEST_PAGE_SIZE, PAGE);
    write(STATUS, 0);
    write(QUEUE_NUM, SIZE);
    write(QUEUE_PFN, PLACE / PAGE);
    expect(read(QUEUE_PFN)).toBe(PLACE / PAGE);
    expect(device.save().queues[0]).toMatchObject({ descriptorTable: BigInt(PLACE) });
  });

  test("goes on from a state, also between its registers", () => {
    write(GUEST_PAGE_SIZE, PAGE);
    write(QUEUE_ALIGN, 4);
    const state = decode(device.schema, encode(device.schema, device.save()));
    device = createDevice(ram, line);
    device.load(state);
    write(QUEUE_NUM, SIZE);
    write(QUEUE_PFN, PLACE / PAGE);
    expect(device.save().queues[0]).toMatchObject({
      descriptorTable: BigInt(PLACE),
      // 16 * 8 + 2 * (3 + 8) is 150, and 152 the next multiple of 4.
      usedRing: BigInt(PLACE + 152),
    });
  });

  test("whatever is written to it, and whatever state it is given, it neither throws nor leaves RAM", () => {
    const value = fc.oneof(fc.constantFrom(0, 1, 2, 4, SIZE, PAGE, PLACE / PAGE, 0xffff_ffff), fc.nat(0xffff_ffff));
    const register = fc.constantFrom(
      ...[GUEST_FEATURES, GUEST_PAGE_SIZE, QUEUE_SEL, QUEUE_NUM, QUEUE_ALIGN, QUEUE_PFN, QUEUE_NOTIFY, STATUS],
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(register, value), { maxLength: 20 }), value, value, (writes, pageSize, align) => {
        device.reset();
        device.load({ ...device.save(), guestPageSize: pageSize, queueAligns: [align] });
        for (const [register, value] of writes) {
          write(register, value);
          read(QUEUE_PFN);
        }
      }),
    );
  });
});

deviceContract("virtio-mmio, legacy", () => {
  const line = new FakeLine();
  const offsets = [VERSION, HOST_FEATURES, GUEST_PAGE_SIZE, QUEUE_SEL, QUEUE_NUM, QUEUE_ALIGN, QUEUE_PFN, STATUS];
  return { device: createDevice(new FakeRam(0x4000), line), lines: () => [line.level], offsets };
});
