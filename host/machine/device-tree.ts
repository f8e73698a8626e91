import { cell64, cells, EMPTY, type FdtNode, region, strings } from "./fdt.js";
import { type MemoryMapEntry, memoryMapEntry, PLIC_SOURCE_COUNT, RAM_BASE, TIMEBASE_HZ } from "./memory-map.js";

/** What of a machine shows in its device tree. */
export interface DeviceTreeOptions {
  readonly hartCount: number;
  readonly memoryByteLength: number;
  readonly commandLine: string;
  readonly initrd?: Extent;
  /** The board's windows. */
  readonly memoryMap: readonly MemoryMapEntry[];
  /** RNG_SEED_BYTE_LENGTH + KASLR_SEED_BYTE_LENGTH bytes of entropy for the guest's first moments. */
  readonly seed: Uint8Array;
}

/** Physical addresses [start, end). */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

export const RNG_SEED_BYTE_LENGTH = 32;
export const KASLR_SEED_BYTE_LENGTH = 8;

/**
 * The harts' extensions: single letters in the ISA manual's canonical order, then the named ones ordered by
 * category (Unprivileged ISA, "ISA Extension Naming Conventions").
 */
export const ISA_EXTENSIONS: readonly string[] = [
  ...["i", "m", "a", "f", "d", "c"],
  ...["zicbom", "zicbop", "zicboz", "zicntr", "zicond", "zicsr", "zifencei", "zihintpause"],
  ...["zba", "zbb", "zbc", "zbkb", "zbkx", "zbs"],
  ...["sstc", "svadu", "svinval", "svnapot"],
];

const ISA_BASE = "rv64i";
const CACHE_BLOCK_BYTE_LENGTH = 64;
/** The UART's input clock in Hz; nothing depends on it but the baud rate a driver believes in. */
const UART_CLOCK_HZ = 3_686_400;
/** What the syscon takes in its register at offset 0. */
const SYSCON_POWEROFF = 0x5555;
const SYSCON_REBOOT = 0x7777;

/** Interrupt numbers at a hart's own controller. */
const M_SOFTWARE = 3;
const M_TIMER = 7;
const S_EXTERNAL = 9;
const M_EXTERNAL = 11;

const PLIC_PHANDLE = 1;
const SYSCON_PHANDLE = 2;
/** Harts have two phandles each, from here: the hart's and its interrupt controller's. */
const FIRST_HART_PHANDLE = 3;

function hartPhandle(hart: number): number {
  return FIRST_HART_PHANDLE + 2 * hart;
}

function interruptControllerPhandle(hart: number): number {
  return hartPhandle(hart) + 1;
}

/** The `virt` board as a device tree, made from the memory map. */
export function virtDeviceTree(options: DeviceTreeOptions): FdtNode {
  const uart = memoryMapEntry("uart");
  return {
    properties: {
      "#address-cells": cells(2),
      "#size-cells": cells(2),
      compatible: strings("riscv-virtio"),
      model: strings("riscv-virtio,vivarium"),
    },
    children: {
      chosen: chosen(options),
      aliases: { properties: { serial0: strings(`/soc/${nodeName(uart)}`) } },
      [`memory@${RAM_BASE.toString(16)}`]: {
        properties: { device_type: strings("memory"), reg: region(RAM_BASE, options.memoryByteLength) },
      },
      cpus: cpus(options.hartCount),
      soc: {
        properties: {
          "#address-cells": cells(2),
          "#size-cells": cells(2),
          compatible: strings("simple-bus"),
          ranges: EMPTY,
        },
        children: Object.fromEntries(
          options.memoryMap.map((entry) => [nodeName(entry), deviceNode(entry, options.hartCount)]),
        ),
      },
      poweroff: sysconAction("syscon-poweroff", SYSCON_POWEROFF),
      reboot: sysconAction("syscon-reboot", SYSCON_REBOOT),
    },
  };
}

function chosen(options: DeviceTreeOptions): FdtNode {
  const { initrd, seed } = options;
  return {
    properties: {
      bootargs: strings(options.commandLine),
      "stdout-path": strings(`/soc/${nodeName(memoryMapEntry("uart"))}`),
      "rng-seed": seed.subarray(0, RNG_SEED_BYTE_LENGTH),
      "kaslr-seed": seed.subarray(RNG_SEED_BYTE_LENGTH, RNG_SEED_BYTE_LENGTH + KASLR_SEED_BYTE_LENGTH),
      ...(initrd && { "linux,initrd-start": cell64(initrd.start), "linux,initrd-end": cell64(initrd.end) }),
    },
  };
}

function cpus(hartCount: number): FdtNode {
  const harts = Array.from({ length: hartCount }, (_, hart) => hart);
  return {
    properties: {
      "#address-cells": cells(1),
      "#size-cells": cells(0),
      "timebase-frequency": cells(TIMEBASE_HZ),
    },
    children: {
      ...Object.fromEntries(harts.map((hart) => [`cpu@${hart.toString(16)}`, cpu(hart)])),
      "cpu-map": {
        properties: {},
        children: {
          cluster0: {
            properties: {},
            children: Object.fromEntries(
              harts.map((hart) => [`core${hart}`, { properties: { cpu: cells(hartPhandle(hart)) } }]),
            ),
          },
        },
      },
    },
  };
}

function cpu(hart: number): FdtNode {
  return {
    properties: {
      phandle: cells(hartPhandle(hart)),
      device_type: strings("cpu"),
      reg: cells(hart),
      status: strings("okay"),
      compatible: strings("riscv"),
      "riscv,isa": strings(isaString()),
      "riscv,isa-base": strings(ISA_BASE),
      "riscv,isa-extensions": strings(...ISA_EXTENSIONS),
      "riscv,cbom-block-size": cells(CACHE_BLOCK_BYTE_LENGTH),
      "riscv,cbop-block-size": cells(CACHE_BLOCK_BYTE_LENGTH),
      "riscv,cboz-block-size": cells(CACHE_BLOCK_BYTE_LENGTH),
      "mmu-type": strings("riscv,sv57"),
    },
    children: {
      "interrupt-controller": {
        properties: {
          phandle: cells(interruptControllerPhandle(hart)),
          compatible: strings("riscv,cpu-intc"),
          "interrupt-controller": EMPTY,
          "#interrupt-cells": cells(1),
          "#address-cells": cells(0),
        },
      },
    },
  };
}

/** The extensions as the older `riscv,isa` string: `rv64imafdc_zicbom_...`. */
function isaString(): string {
  const letters = ISA_EXTENSIONS.filter((name) => name.length === 1);
  const named = ISA_EXTENSIONS.filter((name) => name.length > 1);
  return ["rv64".concat(...letters), ...named].join("_");
}

function nodeName(entry: MemoryMapEntry): string {
  return `${nodeBaseName(entry)}@${entry.base.toString(16)}`;
}

function nodeBaseName(entry: MemoryMapEntry): string {
  switch (entry.kind) {
    case "syscon":
      return "test";
    case "rtc":
      return "rtc";
    case "clint":
      return "clint";
    case "plic":
      return "plic";
    case "uart":
      return "serial";
    case "virtio-mmio":
      return "virtio_mmio";
  }
}

function deviceNode(entry: MemoryMapEntry, hartCount: number): FdtNode {
  return {
    properties: {
      compatible: strings(...entry.compatible),
      reg: region(entry.base, entry.byteLength),
      ...(entry.interrupt !== null && {
        interrupts: cells(entry.interrupt),
        "interrupt-parent": cells(PLIC_PHANDLE),
      }),
      ...kindProperties(entry, hartCount),
    },
  };
}

function kindProperties(entry: MemoryMapEntry, hartCount: number): Record<string, Uint8Array> {
  switch (entry.kind) {
    case "syscon":
      return { phandle: cells(SYSCON_PHANDLE) };
    case "clint":
      return { "interrupts-extended": hartInterrupts(hartCount, M_SOFTWARE, M_TIMER) };
    case "plic":
      return {
        phandle: cells(PLIC_PHANDLE),
        "riscv,ndev": cells(PLIC_SOURCE_COUNT),
        "interrupt-controller": EMPTY,
        "#interrupt-cells": cells(1),
        "#address-cells": cells(0),
        // The order numbers the PLIC's contexts: each hart's M-mode, then its S-mode.
        "interrupts-extended": hartInterrupts(hartCount, M_EXTERNAL, S_EXTERNAL),
      };
    case "uart":
      return { "clock-frequency": cells(UART_CLOCK_HZ) };
    case "rtc":
    case "virtio-mmio":
      return {};
  }
}

function hartInterrupts(hartCount: number, ...interrupts: readonly number[]): Uint8Array {
  const out: number[] = [];
  for (let hart = 0; hart < hartCount; hart++) {
    for (const interrupt of interrupts) out.push(interruptControllerPhandle(hart), interrupt);
  }
  return cells(...out);
}

function sysconAction(compatible: string, value: number): FdtNode {
  return {
    properties: {
      compatible: strings(compatible),
      regmap: cells(SYSCON_PHANDLE),
      offset: cells(0),
      value: cells(value),
    },
  };
}
