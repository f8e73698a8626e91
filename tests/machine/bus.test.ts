import { describe, expect, test } from "vitest";
import type { Device, Width } from "../../host/devices/device.js";
import { Bus, NOTHING_THERE } from "../../host/machine/bus.js";
import { VIRT_MEMORY_MAP } from "../../host/machine/memory-map.js";
import { schema } from "../../host/util/schema.js";

/** A device of which every register reads as its offset; it remembers the writes. */
function recorder(windowByteLength: number): Device & { writes: [number, number, Width][] } {
  const writes: [number, number, Width][] = [];
  return {
    schema: schema("recorder", 1, {}),
    windowByteLength,
    writes,
    read: (offset) => offset,
    write: (offset, value, width) => void writes.push([offset, value, width]),
    reset: () => {},
    save: () => ({}),
    load: () => {},
  };
}

describe("bus", () => {
  test("hands an access to the device whose window holds it, with the offset in the window", () => {
    const bus = new Bus();
    const low = recorder(0x1000);
    const high = recorder(0x100);
    bus.attach("high", 0x3000, high);
    bus.attach("low", 0x1000, low);
    expect(bus.read(0x1004, 4)).toBe(4);
    expect(bus.read(0x30fe, 2)).toBe(0xfe);
    expect(bus.write(0x30ff, 1, 7)).toBe(true);
    expect(high.writes).toEqual([[0xff, 7, 1]]);
    expect(low.writes).toEqual([]);
    expect(bus.find(0x1fff)?.name).toBe("low");
    expect(bus.windows.map((window) => window.name)).toEqual(["low", "high"]);
  });

  test("faults where no device is: below, between, right after and far above the windows", () => {
    const bus = new Bus();
    bus.attach("a", 0x1000, recorder(0x1000));
    bus.attach("b", 0x3000, recorder(0x1000));
    for (const paddr of [0, 0xfff, 0x2000, 0x2fff, 0x4000, 2 ** 32 + 0x1000, 2 ** 55]) {
      expect(bus.find(paddr)).toBeNull();
      expect(bus.read(paddr, 1)).toBe(NOTHING_THERE);
      expect(bus.write(paddr, 1, 0)).toBe(false);
    }
  });

  test("faults on an access that is not aligned to its width", () => {
    const bus = new Bus();
    const device = recorder(0x1000);
    bus.attach("a", 0x1000, device);
    expect(bus.read(0x1002, 4)).toBe(NOTHING_THERE);
    expect(bus.read(0x1001, 2)).toBe(NOTHING_THERE);
    expect(bus.write(0x1003, 4, 1)).toBe(false);
    expect(device.writes).toEqual([]);
  });

  test("faults on an access that starts in a window and ends outside it", () => {
    const bus = new Bus();
    bus.attach("odd", 0x1000, recorder(6));
    expect(bus.read(0x1004, 2)).toBe(4);
    expect(bus.read(0x1004, 4)).toBe(NOTHING_THERE);
  });

  test("refuses a window that overlaps another and names both", () => {
    const bus = new Bus();
    bus.attach("uart", 0x1000, recorder(0x1000));
    expect(() => bus.attach("rtc", 0x1fff, recorder(1))).toThrow(
      "rtc at 0x1fff..0x1fff overlaps uart at 0x1000..0x1fff",
    );
    bus.attach("after", 0x2000, recorder(1));
    bus.attach("before", 0xfff, recorder(1));
  });

  test("holds the whole memory map: no two windows of the board overlap, and names are unique", () => {
    const bus = new Bus();
    for (const { name, base, byteLength } of VIRT_MEMORY_MAP) bus.attach(name, base, recorder(byteLength));
    expect(new Set(bus.windows.map((window) => window.name)).size).toBe(VIRT_MEMORY_MAP.length);
    expect(bus.windows.map((window) => window.base)).toEqual(VIRT_MEMORY_MAP.map((entry) => entry.base));
  });
});
