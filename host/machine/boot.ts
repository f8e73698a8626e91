/**
 * What goes where before the first instruction, as QEMU's `virt` board does it:
 *
 *     0x80000000   firmware, or a bare program
 *     0x80200000   kernel (above the firmware's end, 2 MiB aligned)
 *     kernel + min(half of RAM, 128 MiB), or above the kernel's end: initrd
 *     2 MiB aligned below min(end of RAM, 3 GiB): device tree; the page before it: struct fw_dynamic_info
 */
import { unreachable, VivariumError } from "../util/errors.js";
import { type DeviceTreeOptions, type Extent, virtDeviceTree } from "./device-tree.js";
import { isElf, parseElf } from "./elf.js";
import { writeFdt } from "./fdt.js";
import { KERNEL_ALIGNMENT, placeKernel } from "./kernel.js";
import { type MemoryMapEntry, RAM_BASE } from "./memory-map.js";
import {
  alignDown,
  alignUp,
  doesNotFit,
  hex,
  type Load,
  mebibytes,
  type Placement,
  placeProgram,
  type RamExtent,
} from "./placement.js";

/** What a machine starts. */
export type Boot =
  /** A kernel in S-mode on hart 0, with SBI served by the machine. */
  | {
      readonly kind: "linux";
      readonly kernel: Uint8Array;
      readonly initrd?: Uint8Array;
      readonly commandLine: string;
    }
  /** A firmware in M-mode on all harts, with an optional kernel for it to start in S-mode. */
  | {
      readonly kind: "firmware";
      readonly firmware: Uint8Array;
      readonly kernel?: Uint8Array;
      readonly initrd?: Uint8Array;
      readonly commandLine: string;
    }
  /** An ELF or flat binary in M-mode on all harts. */
  | { readonly kind: "bare"; readonly program: Uint8Array };

/** Everything there is to do to RAM and harts. */
export interface BootPlan {
  readonly loads: readonly Load[];
  readonly harts: readonly HartStart[];
  /** Physical address of the device tree. */
  readonly deviceTree: number;
  readonly htif: HtifAddresses | null;
}

export interface HartStart {
  readonly hart: number;
  readonly pc: bigint;
  readonly privilege: number;
  /** hartid */
  readonly a0: bigint;
  /** device tree */
  readonly a1: bigint;
  /** struct fw_dynamic_info, or 0 */
  readonly a2: bigint;
}

/** Physical addresses of the two doublewords of the host-target interface; fromhost may be absent. */
export interface HtifAddresses {
  readonly tohost: number;
  readonly fromhost: number | null;
}

export interface BootOptions {
  readonly boot: Boot;
  readonly hartCount: number;
  readonly memoryByteLength: number;
  /** The board's windows, for the device tree. */
  readonly memoryMap: readonly MemoryMapEntry[];
  /** Entropy for the guest's device tree; see DeviceTreeOptions. */
  readonly seed: Uint8Array;
}

export const PRIVILEGE_S = 1;
export const PRIVILEGE_M = 3;

/** RAM above this is out of reach of 32-bit DMA, so the device tree stays below. */
const DEVICE_TREE_LIMIT = 0xc000_0000;
const DEVICE_TREE_ALIGNMENT = 0x20_0000;
/** Firmware and boot loaders add nodes to the tree in place. */
const DEVICE_TREE_GROWTH_BYTE_LENGTH = 0x1_0000;
const PAGE_BYTE_LENGTH = 0x1000;
const INITRD_OFFSET_LIMIT = 128 * 1024 * 1024;

/** OpenSBI, include/sbi/fw_dynamic.h: six unsigned longs. */
const FW_DYNAMIC_INFO_MAGIC = 0x4942534fn;
const FW_DYNAMIC_INFO_VERSION = 2n;
const BOOT_HART = 0;

/** @throws VivariumError naming what does not fit, with its size, or what a file is instead of what it should be */
export function planBoot(options: BootOptions): BootPlan {
  const { boot } = options;
  const ram = { start: RAM_BASE, end: RAM_BASE + options.memoryByteLength };
  switch (boot.kind) {
    case "linux":
      return planLinux(boot, options, ram);
    case "firmware":
      return planFirmware(boot, options, ram);
    case "bare":
      return planBare(boot, options, ram);
    default:
      return unreachable(boot);
  }
}

function planLinux(boot: Boot & { kind: "linux" }, options: BootOptions, ram: RamExtent): BootPlan {
  const kernel = placeKernel(boot.kernel, ram, RAM_BASE + KERNEL_ALIGNMENT, false);
  const data = placeData({ ...options, ram, commandLine: boot.commandLine, initrd: boot.initrd, programs: [kernel] });
  return {
    loads: [...kernel.loads, ...data.loads],
    harts: startHarts(1, kernel.entry, PRIVILEGE_S, data.deviceTree, 0),
    deviceTree: data.deviceTree,
    htif: null,
  };
}

function planFirmware(boot: Boot & { kind: "firmware" }, options: BootOptions, ram: RamExtent): BootPlan {
  const firmware = placeProgram(boot.firmware, "firmware", ram, RAM_BASE);
  const kernelBase = alignUp(firmware.end, KERNEL_ALIGNMENT);
  const kernel = boot.kernel && placeKernel(boot.kernel, ram, kernelBase, true);
  if (kernel !== undefined && kernel.start < firmware.end && firmware.start < kernel.end)
    throw overlap(kernel, firmware);
  const programs = kernel === undefined ? [firmware] : [firmware, kernel];
  const data = placeData({ ...options, ram, commandLine: boot.commandLine, initrd: boot.initrd, programs });
  const info = { paddr: data.deviceTree - PAGE_BYTE_LENGTH, contents: fwDynamicInfo(kernel?.entry ?? 0) };
  return {
    loads: [...programs.flatMap((program) => program.loads), ...data.loads, info],
    harts: startHarts(options.hartCount, firmware.entry, PRIVILEGE_M, data.deviceTree, info.paddr),
    deviceTree: data.deviceTree,
    htif: null,
  };
}

function planBare(boot: Boot & { kind: "bare" }, options: BootOptions, ram: RamExtent): BootPlan {
  const program = placeProgram(boot.program, "program", ram, RAM_BASE);
  const data = placeData({ ...options, ram, commandLine: "", programs: [program] });
  return {
    loads: [...program.loads, ...data.loads],
    harts: startHarts(options.hartCount, program.entry, PRIVILEGE_M, data.deviceTree, 0),
    deviceTree: data.deviceTree,
    htif: isElf(boot.program) ? findHtif(boot.program, ram, program.displacement) : null,
  };
}

function startHarts(count: number, entry: number, privilege: number, deviceTree: number, a2: number): HartStart[] {
  return Array.from({ length: count }, (_, hart) => ({
    hart,
    pc: BigInt(entry),
    privilege,
    a0: BigInt(hart),
    a1: BigInt(deviceTree),
    a2: BigInt(a2),
  }));
}

interface DataOptions
  extends Pick<DeviceTreeOptions, "hartCount" | "memoryByteLength" | "memoryMap" | "commandLine" | "seed"> {
  readonly ram: RamExtent;
  readonly initrd?: Uint8Array | undefined;
  /** Everything that is placed already, in ascending order. */
  readonly programs: readonly Placement[];
}

/** Places the device tree and the initrd. */
function placeData(options: DataOptions): { deviceTree: number; loads: Load[] } {
  const { ram, initrd, programs } = options;
  const programsEnd = Math.max(...programs.map((program) => program.end));
  const write = (initrdExtent?: Extent): Uint8Array =>
    writeFdt(
      virtDeviceTree({
        hartCount: options.hartCount,
        memoryByteLength: options.memoryByteLength,
        memoryMap: options.memoryMap,
        commandLine: options.commandLine,
        seed: options.seed,
        ...(initrdExtent && { initrd: initrdExtent }),
      }),
    );
  if (initrd === undefined || initrd.length === 0) {
    const tree = write();
    const deviceTree = placeDeviceTree(tree.length, programsEnd, ram);
    return { deviceTree, loads: [{ paddr: deviceTree, contents: tree }] };
  }
  // The tree's length does not depend on the addresses in it.
  const deviceTree = placeDeviceTree(write({ start: 0, end: 0 }).length, programsEnd, ram);
  const start = placeInitrd(initrd.length, programs.at(-1)!, deviceTree - PAGE_BYTE_LENGTH, ram);
  const tree = write({ start, end: start + initrd.length });
  return {
    deviceTree,
    loads: [
      { paddr: deviceTree, contents: tree },
      { paddr: start, contents: initrd },
    ],
  };
}

/** @returns the device tree's address, with a page free before it */
function placeDeviceTree(byteLength: number, lowest: number, ram: RamExtent): number {
  const roomByteLength = byteLength + DEVICE_TREE_GROWTH_BYTE_LENGTH;
  for (const limit of [Math.min(ram.end, DEVICE_TREE_LIMIT), ram.end]) {
    for (const alignment of [DEVICE_TREE_ALIGNMENT, PAGE_BYTE_LENGTH]) {
      const address = alignDown(limit - roomByteLength, alignment);
      if (address - PAGE_BYTE_LENGTH >= lowest) return address;
    }
  }
  throw doesNotFit("device tree", roomByteLength + PAGE_BYTE_LENGTH, lowest, ram);
}

function placeInitrd(byteLength: number, kernel: Placement, end: number, ram: RamExtent): number {
  const usual = kernel.start + Math.min((ram.end - ram.start) / 2, INITRD_OFFSET_LIMIT);
  const lowest = alignUp(kernel.end, PAGE_BYTE_LENGTH);
  const highest = alignDown(end - byteLength, PAGE_BYTE_LENGTH);
  if (highest < lowest) {
    throw new VivariumError(
      "boot/too-large",
      `initrd: ${mebibytes(byteLength)} do not fit between the ${kernel.what}'s end at ${hex(kernel.end)} and the ` +
        `device tree: memory has ${mebibytes(ram.end - ram.start)}`,
      { what: "initrd", byteLength },
    );
  }
  return Math.min(Math.max(alignDown(usual, PAGE_BYTE_LENGTH), lowest), highest);
}

function fwDynamicInfo(nextAddress: number): Uint8Array {
  const fields = [
    FW_DYNAMIC_INFO_MAGIC,
    FW_DYNAMIC_INFO_VERSION,
    BigInt(nextAddress),
    BigInt(PRIVILEGE_S),
    0n, // options
    BigInt(BOOT_HART),
  ];
  const out = new Uint8Array(fields.length * 8);
  const view = new DataView(out.buffer);
  for (const [index, field] of fields.entries()) view.setBigUint64(index * 8, field, true);
  return out;
}

/** The HTIF doublewords of an ELF that has a `tohost` symbol. */
function findHtif(program: Uint8Array, ram: RamExtent, displacement: bigint): HtifAddresses | null {
  const elf = parseElf(program, "program");
  const address = (name: string): number | null => {
    const symbol = elf.symbol(name);
    if (symbol === undefined) return null;
    const value = symbol + displacement;
    if (value < BigInt(ram.start) || value + 8n > BigInt(ram.end)) {
      throw new VivariumError("boot/outside-memory", `program: symbol ${name} at ${hex(value)} is outside memory`);
    }
    return Number(value);
  };
  const tohost = address("tohost");
  return tohost === null ? null : { tohost, fromhost: address("fromhost") };
}

function overlap(kernel: Placement, firmware: Placement): VivariumError {
  const extent = ({ start, end }: Placement): string => `${hex(start)}..${hex(end - 1)}`;
  return new VivariumError(
    "boot/overlap",
    `kernel: its place ${extent(kernel)} overlaps the firmware's, ${extent(firmware)}`,
  );
}
