import type { Core } from "../core/core.js";
import type { Hart } from "../core/hart.js";
import { Aclint, type HartTimers } from "../devices/aclint.js";
import type { ByteSink, Device, InterruptLine } from "../devices/device.js";
import { GENERATION_ID_BYTE_LENGTH, GenerationId } from "../devices/generation-id.js";
import { GoldfishRtc } from "../devices/goldfish-rtc.js";
import { Plic } from "../devices/plic.js";
import { type Finish, Syscon } from "../devices/syscon.js";
import { Uart16550 } from "../devices/uart16550.js";
import { VirtioBlk } from "../devices/virtio/blk.js";
import { VirtioConsole } from "../devices/virtio/console.js";
import type { ConsolePort } from "../devices/virtio/console-port.js";
import { EmptyVirtioSlot } from "../devices/virtio/empty-slot.js";
import { VirtioMmioTransport } from "../devices/virtio/mmio-transport.js";
import { VirtioRng } from "../devices/virtio/rng.js";
import type { VirtioDevice } from "../devices/virtio/virtio-device.js";
import type { BlockBackend } from "../storage/block-backend.js";
import { VivariumError } from "../util/errors.js";
import type { Bus } from "./bus.js";
import type { GuestClock } from "./clock.js";
import {
  CONSOLE_SLOT,
  type MemoryMapEntry,
  RNG_SLOT,
  VIRT_MEMORY_MAP,
  VIRTIO_SLOT_COUNT,
  virtioName,
} from "./memory-map.js";

/** A disk of a machine. */
export interface Drive {
  readonly backend: BlockBackend;
  /** What the guest reads as the disk's serial number, at most 20 bytes. */
  readonly serial?: string;
}

/** What the board's devices are connected to. */
export interface BoardWires {
  readonly core: Core;
  readonly clock: GuestClock;
  readonly serial: ByteSink;
  readonly drives: readonly Drive[];
  readonly ports: readonly ConsolePort[];
  readonly randomBytes: (into: Uint8Array) => void;
  /** The guest has used the power switch. */
  readonly finish: (finish: Finish) => void;
  /** An interrupt has become pending at a hart. */
  readonly wake: () => void;
}

/** Registers of the UART that a firmware polls. */
const UART_RBR = 0;
const UART_LSR = 5;
const UART_LSR_DATA_READY = 1;

const M_EXTERNAL = 11;
const S_EXTERNAL = 9;
const M_SOFTWARE = 3;

/** The devices of the memory map, on a bus and wired to each other. */
export class Board {
  readonly uart: Uart16550;
  /** Absent on a board without ports. */
  readonly console: VirtioConsole | null;
  /** By the memory map's names. */
  readonly devices: ReadonlyMap<string, Device>;
  readonly #disks: readonly VirtioBlk[];

  /** @throws VivariumError `machine/drives` when there are more drives than slots for them */
  constructor(bus: Bus, wires: BoardWires) {
    const { core, clock, drives } = wires;
    if (drives.length > RNG_SLOT) {
      throw new VivariumError("machine/drives", `${drives.length} drives; a machine has at most ${RNG_SLOT}`);
    }
    const plic = new Plic(core.harts.flatMap((hart) => externalLines(hart, wires.wake)));
    const line = ({ name, interrupt }: MemoryMapEntry): InterruptLine => {
      if (interrupt === null) throw new RangeError(`${name} has no interrupt`);
      return plic.line(interrupt);
    };
    this.#disks = drives.map(({ backend, serial }) => new VirtioBlk(backend, serial));
    this.console = wires.ports.length === 0 ? null : new VirtioConsole({ ports: wires.ports });
    const virtio = virtioDevices(this.#disks, new VirtioRng(wires.randomBytes), this.console);

    const generationId = new Uint8Array(GENERATION_ID_BYTE_LENGTH);
    wires.randomBytes(generationId);

    const devices = new Map<string, Device>();
    const create = (entry: MemoryMapEntry): Device => {
      switch (entry.kind) {
        case "syscon":
          return new Syscon(wires.finish);
        case "rtc":
          return new GoldfishRtc({ interrupt: line(entry), clock });
        case "generation":
          return new GenerationId({ interrupt: line(entry), id: generationId });
        case "clint":
          return new Aclint(hartTimers(core, clock));
        case "plic":
          return plic;
        case "uart":
          return new Uart16550({ interrupt: line(entry), output: wires.serial });
        case "virtio-mmio": {
          const device = virtio.get(entry.name);
          return device === undefined
            ? new EmptyVirtioSlot()
            : new VirtioMmioTransport(device, { interrupt: line(entry), ram: core.ram });
        }
      }
    };
    for (const entry of VIRT_MEMORY_MAP) {
      const device = create(entry);
      devices.set(entry.name, device);
      bus.attach(entry.name, entry.base, device);
    }
    this.devices = devices;
    this.uart = devices.get("uart") as Uart16550;
  }

  /** Takes received characters from the UART by its registers, as a polling firmware does. @returns how many */
  readSerial(into: Uint8Array): number {
    let count = 0;
    while (count < into.length && (this.uart.read(UART_LSR, 1) & UART_LSR_DATA_READY) !== 0) {
      into[count++] = this.uart.read(UART_RBR, 1);
    }
    return count;
  }

  /** Resolves when no disk has a request in flight. */
  async drain(): Promise<void> {
    for (const disk of this.#disks) await disk.drain();
  }
}

/** The virtio devices by slot name: drives from slot 0 up. */
function virtioDevices(
  disks: readonly VirtioBlk[],
  rng: VirtioRng,
  console: VirtioConsole | null,
): ReadonlyMap<string, VirtioDevice> {
  const slots = new Array<VirtioDevice | null>(VIRTIO_SLOT_COUNT).fill(null);
  for (const [slot, disk] of disks.entries()) slots[slot] = disk;
  slots[RNG_SLOT] = rng;
  slots[CONSOLE_SLOT] = console;
  const named = new Map<string, VirtioDevice>();
  for (const [slot, device] of slots.entries()) if (device !== null) named.set(virtioName(slot), device);
  return named;
}

/** A hart's two PLIC contexts. */
function externalLines(hart: Hart, wake: () => void): readonly InterruptLine[] {
  return [M_EXTERNAL, S_EXTERNAL].map((bit) => ({
    set(level) {
      if (hart.interruptPending(bit) === level) return;
      hart.setInterruptPending(bit, level);
      if (level) wake();
    },
  }));
}

/** The CLINT's registers, which live in the processor. */
function hartTimers(core: Core, clock: GuestClock): HartTimers {
  const { harts } = core;
  return {
    hartCount: harts.length,
    msip: (hart) => harts[hart]!.interruptPending(M_SOFTWARE),
    setMsip: (hart, level) => harts[hart]!.setInterruptPending(M_SOFTWARE, level),
    mtimecmp: (hart) => harts[hart]!.mtimecmp,
    setMtimecmp: (hart, mtimecmp) => {
      harts[hart]!.mtimecmp = mtimecmp;
    },
    mtime: () => core.mtime,
    setMtime: (mtime) => clock.setMtime(mtime),
  };
}
