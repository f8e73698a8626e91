import { QEMU_VIRTIO_SLOT_COUNT } from "./virtio-slots.js";

/** What stands at a place of the board; the device tree has one node shape for each kind. */
export type DeviceKind = "syscon" | "rtc" | "clint" | "plic" | "uart" | "virtio-mmio";

/** One window of the board's physical address space. */
export interface MemoryMapEntry {
  /** Unique; also the name under which the device's state is saved. */
  readonly name: string;
  readonly kind: DeviceKind;
  /** First physical address. */
  readonly base: number;
  readonly byteLength: number;
  /** PLIC source, or null for a device that does not interrupt through the PLIC. */
  readonly interrupt: number | null;
  /** Device tree `compatible`, most specific first. */
  readonly compatible: readonly string[];
}

/** First physical address of RAM. */
export const RAM_BASE = 0x8000_0000;
/** Ticks of `mtime` in a second. */
export const TIMEBASE_HZ = 10_000_000;
/** Nanoseconds in a tick of `mtime`. */
export const TICK_NS = 1_000_000_000n / BigInt(TIMEBASE_HZ);
/** Highest interrupt source of the PLIC; sources count from 1. */
export const PLIC_SOURCE_COUNT = 95;
const VIRTIO_BASE = 0x1000_1000;
const VIRTIO_WINDOW_BYTE_LENGTH = 0x1000;
const FIRST_VIRTIO_INTERRUPT = 1;
/** 9 is free, UART and RTC have 10 and 11. */
const FIRST_EXTRA_VIRTIO_INTERRUPT = 12;

function virtioSlot(slot: number): MemoryMapEntry {
  return {
    name: virtioName(slot),
    kind: "virtio-mmio",
    base: VIRTIO_BASE + slot * VIRTIO_WINDOW_BYTE_LENGTH,
    byteLength: VIRTIO_WINDOW_BYTE_LENGTH,
    interrupt:
      slot < QEMU_VIRTIO_SLOT_COUNT
        ? FIRST_VIRTIO_INTERRUPT + slot
        : FIRST_EXTRA_VIRTIO_INTERRUPT + slot - QEMU_VIRTIO_SLOT_COUNT,
    compatible: ["virtio,mmio"],
  };
}

/** The memory map's name for a virtio-mmio slot. */
export function virtioName(slot: number): string {
  return `virtio${slot}`;
}

/**
 * QEMU's `virt` board, as far as it is modelled: the one source of addresses and interrupt numbers, for the bus
 * and for the device tree. In ascending order of address.
 */
export const VIRT_MEMORY_MAP: readonly MemoryMapEntry[] = [
  {
    name: "test",
    kind: "syscon",
    base: 0x10_0000,
    byteLength: 0x1000,
    interrupt: null,
    compatible: ["sifive,test1", "sifive,test0", "syscon"],
  },
  {
    name: "rtc",
    kind: "rtc",
    base: 0x10_1000,
    byteLength: 0x1000,
    interrupt: 11,
    compatible: ["google,goldfish-rtc"],
  },
  {
    name: "clint",
    kind: "clint",
    base: 0x200_0000,
    byteLength: 0x1_0000,
    interrupt: null,
    compatible: ["sifive,clint0", "riscv,clint0"],
  },
  {
    name: "plic",
    kind: "plic",
    base: 0xc00_0000,
    byteLength: 0x60_0000,
    interrupt: null,
    compatible: ["sifive,plic-1.0.0", "riscv,plic0"],
  },
  {
    name: "uart",
    kind: "uart",
    base: 0x1000_0000,
    byteLength: 0x100,
    interrupt: 10,
    compatible: ["ns16550a"],
  },
  ...Array.from({ length: QEMU_VIRTIO_SLOT_COUNT }, (_, slot) => virtioSlot(slot)),
];

/**
 * The map of a board whose virtio devices are in these slots: QEMU's windows, and behind them those in use of the
 * slots that QEMU's board does not have.
 */
export function memoryMapWith(virtioSlots: readonly number[]): readonly MemoryMapEntry[] {
  const extra = virtioSlots.filter((slot) => slot >= QEMU_VIRTIO_SLOT_COUNT).sort((a, b) => a - b);
  return [...VIRT_MEMORY_MAP, ...extra.map(virtioSlot)];
}

/** @throws RangeError when the board has nothing of that name */
export function memoryMapEntry(name: string): MemoryMapEntry {
  const entry = VIRT_MEMORY_MAP.find((candidate) => candidate.name === name);
  if (entry === undefined) throw new RangeError(`the board has no ${name}`);
  return entry;
}
