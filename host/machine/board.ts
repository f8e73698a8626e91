import type { Core } from "../core/core.js";
import type { Hart } from "../core/hart.js";
import { Aclint, type HartTimers } from "../devices/aclint.js";
import type { ByteSink, Device, InterruptLine } from "../devices/device.js";
import { GENERATION_ID_BYTE_LENGTH, GenerationId } from "../devices/generation-id.js";
import { GoldfishRtc } from "../devices/goldfish-rtc.js";
import { Plic } from "../devices/plic.js";
import { type Finish, Syscon } from "../devices/syscon.js";
import { Uart16550 } from "../devices/uart16550.js";
import { Virtio9p } from "../devices/virtio/9p.js";
import { VirtioBalloon } from "../devices/virtio/balloon.js";
import { VirtioBlk } from "../devices/virtio/blk.js";
import { VirtioConsole } from "../devices/virtio/console.js";
import type { ConsolePort } from "../devices/virtio/console-port.js";
import { EmptyVirtioSlot } from "../devices/virtio/empty-slot.js";
import { VirtioInput, type VirtioInputOptions } from "../devices/virtio/input.js";
import type { VirtioInterface } from "../devices/virtio/mmio-registers.js";
import { VirtioMmioTransport } from "../devices/virtio/mmio-transport.js";
import { VirtioNet } from "../devices/virtio/net.js";
import { VirtioRng } from "../devices/virtio/rng.js";
import { hasLegacyInterface, type VirtioDevice } from "../devices/virtio/virtio-device.js";
import { VirtioVsock } from "../devices/virtio/vsock.js";
import type { Link } from "../network/link.js";
import type { SharedFolder } from "../share/shared-folder.js";
import type { BlockBackend } from "../storage/block-backend.js";
import { isCapturable } from "../storage/captured-disk.js";
import type { Bus } from "./bus.js";
import type { GuestClock } from "./clock.js";
import type { Border } from "./history/border.js";
import { BorderBalloon, BorderInput } from "./history/border-devices.js";
import { BorderDisk } from "./history/border-disk.js";
import { BorderFolder } from "./history/border-folder.js";
import { BorderLink } from "./history/border-link.js";
import { BorderVsock } from "./history/border-vsock.js";
import type { Input } from "./history/input.js";
import { type MemoryMapEntry, memoryMapWith, virtioName } from "./memory-map.js";
import type { VirtioSlots, VirtioUse } from "./virtio-slots.js";

/** A disk of a machine. */
export interface Drive {
  readonly backend: BlockBackend;
  /** What the guest reads as the disk's serial number, at most 20 bytes. */
  readonly serial?: string;
  /** Told of each request that failed, which the guest sees as an I/O error. */
  readonly onFailure?: (error: unknown) => void;
}

/** A network device of a machine. */
export interface Network {
  readonly link: Link;
  /** The device's address, 6 bytes. Without one it is 52:54:00:12:34:56 for the first device, and counts from there. */
  readonly mac?: Uint8Array;
  /** Largest payload of an Ethernet frame: 1500 unless given. */
  readonly mtu?: number;
}

/** A folder that a machine's guest can mount. */
export interface Share {
  readonly folder: SharedFolder;
  /** By what the guest mounts it: `mount -t 9p TAG ...`; 1 to 32 bytes. */
  readonly tag: string;
}

/** Inputs that are for a device of the board. */
export type DeviceInput = Extract<
  Input,
  {
    kind:
      | "frame"
      | "link-resume"
      | "cable"
      | "keys"
      | "balloon"
      | "balloon-statistics"
      | "balloon-free-pages"
      | "connect"
      | "stream";
  }
>;

/** What the board's devices are connected to. */
export interface BoardWires {
  readonly core: Core;
  readonly clock: GuestClock;
  readonly serial: ByteSink;
  /** What the drivers of the virtio devices find. */
  readonly virtio: VirtioInterface;
  /** Where the virtio devices go: as many of each kind as there are of it here. */
  readonly slots: VirtioSlots;
  readonly drives: readonly Drive[];
  /** Whether disks complete requests in the order they were made, so that every run is the same. */
  readonly inOrder: boolean;
  readonly networks: readonly Network[];
  readonly shares: readonly Share[];
  /** The guest's addresses for sockets, one for each device. */
  readonly socketCids: readonly number[];
  readonly inputs: readonly VirtioInputOptions[];
  readonly ports: readonly ConsolePort[];
  readonly randomBytes: (into: Uint8Array) => void;
  /** What everything from outside passes, for a machine whose history is recorded or run again. */
  readonly border: Border | null;
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
  readonly generationId: GenerationId;
  /** Absent on a board without ports. */
  readonly console: VirtioConsole | null;
  /** By the memory map's names. */
  readonly devices: ReadonlyMap<string, Device>;
  /** In the order of the wires. */
  readonly networks: readonly VirtioNet[];
  readonly sockets: readonly VirtioVsock[];
  readonly balloons: readonly VirtioBalloon[];
  readonly inputs: readonly VirtioInput[];
  /** As many as networks; none without a border. */
  readonly links: readonly BorderLink[];
  readonly disks: readonly VirtioBlk[];
  /** Those of the disks whose contents are the machine's. */
  readonly #ownDisks: readonly VirtioBlk[];
  readonly #shares: readonly Virtio9p[];

  constructor(bus: Bus, given: BoardWires) {
    const wires = given.border === null ? given : bordered(given, given.border);
    const { core, clock, drives, networks, slots, border } = wires;
    const plic = new Plic(core.harts.flatMap((hart) => externalLines(hart, wires.wake)));
    const line = ({ name, interrupt }: MemoryMapEntry): InterruptLine => {
      if (interrupt === null) throw new RangeError(`${name} has no interrupt`);
      return plic.line(interrupt);
    };
    this.disks = drives.map(
      ({ backend, serial, onFailure }) =>
        new VirtioBlk(backend, { serial, onFailure, inOrder: wires.inOrder, queueCount: core.harts.length }),
    );
    this.#ownDisks = this.disks.filter((_, index) => isCapturable(drives[index]!.backend));
    this.links = networks.map(({ link }) => link).filter((link) => link instanceof BorderLink);
    this.console = wires.ports.length === 0 ? null : new VirtioConsole({ ports: wires.ports });
    this.networks = networks.map(({ mac, ...rest }, index) => {
      return new VirtioNet({ ...rest, mac: mac ?? defaultMac(index), wake: wires.wake });
    });
    this.#shares = wires.shares.map((share) => new Virtio9p(share));
    this.sockets = wires.socketCids.map((cid, index) =>
      border === null ? new VirtioVsock(cid) : new BorderVsock(border, index, cid),
    );
    this.balloons = slots.balloon.map((_, index) =>
      border === null ? new VirtioBalloon(core.ram) : new BorderBalloon(border, index, core.ram),
    );
    this.inputs = wires.inputs.map((input, index) =>
      border === null ? new VirtioInput(input) : new BorderInput(border, index, input),
    );
    const virtio = virtioDevices(slots, {
      drive: this.disks,
      rng: slots.rng.map(() => new VirtioRng(wires.randomBytes)),
      console: this.console === null ? [] : [this.console],
      net: this.networks,
      share: this.#shares,
      socket: this.sockets,
      balloon: this.balloons,
      input: this.inputs,
    });

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
          if (device === undefined) return new EmptyVirtioSlot(wires.virtio);
          const virtioInterface = hasLegacyInterface(device.deviceId) ? wires.virtio : "modern";
          return new VirtioMmioTransport(device, { interrupt: line(entry), ram: core.ram, interface: virtioInterface });
        }
      }
    };
    for (const entry of memoryMapWith(Object.values(slots).flat())) {
      const device = create(entry);
      devices.set(entry.name, device);
      bus.attach(entry.name, entry.base, device);
    }
    this.devices = devices;
    this.uart = devices.get("uart") as Uart16550;
    this.generationId = devices.get("generation") as GenerationId;
  }

  /** Takes received characters from the UART by its registers, as a polling firmware does. @returns how many */
  readSerial(into: Uint8Array): number {
    let count = 0;
    while (count < into.length && (this.uart.read(UART_LSR, 1) & UART_LSR_DATA_READY) !== 0) {
      into[count++] = this.uart.read(UART_RBR, 1);
    }
    return count;
  }

  /** Hands the guest what has come from its networks. */
  pollNetworks(): void {
    for (const network of this.networks) network.poll();
  }

  /** Does what an input from outside says to the device that it is for. @throws any error for one that is not there */
  apply(input: DeviceInput): void {
    switch (input.kind) {
      case "frame":
      case "link-resume":
      case "cable":
        there(this.links, input.device).apply(input);
        return;
      case "keys":
        (there(this.inputs, input.device) as BorderInput).apply(input);
        return;
      case "balloon":
      case "balloon-statistics":
      case "balloon-free-pages":
        (there(this.balloons, input.device) as BorderBalloon).apply(input);
        return;
      case "connect":
      case "stream":
        (there(this.sockets, input.device) as BorderVsock).apply(input);
        return;
    }
  }

  /**
   * Lets go of what devices that are loaded with the saved state of these would not have.
   *
   * @returns false when that cannot be: something is under way
   */
  settle(): boolean {
    const isIdle = this.networks.every(({ isSettled }) => isSettled);
    return isIdle && [...this.sockets, ...this.#shares].every((device) => device.settle());
  }

  /** Resolves when the disks whose contents are the machine's have no request in flight. */
  async drainOwn(): Promise<void> {
    for (const disk of this.#ownDisks) await disk.drain();
  }

  /** Resolves when no disk and no shared folder has a request in flight. */
  async drain(): Promise<void> {
    for (const device of [...this.disks, ...this.#shares]) await device.drain();
  }
}

/** Devices with what they are connected to behind the border. Disks then complete in order, to be the same again. */
function bordered(wires: BoardWires, border: Border): BoardWires {
  return {
    ...wires,
    inOrder: true,
    drives: wires.drives.map((drive) =>
      isCapturable(drive.backend) ? drive : { ...drive, backend: new BorderDisk(border, drive.backend) },
    ),
    networks: wires.networks.map((network, index) => ({
      ...network,
      link: new BorderLink(border, index, network.link),
    })),
    shares: wires.shares.map((share, index) => ({ ...share, folder: new BorderFolder(border, index, share.folder) })),
  };
}

function there<T>(devices: readonly T[], index: number): T {
  const device = devices[index];
  if (device === undefined) throw new RangeError(`there is no device ${index} of this kind`);
  return device;
}

/** The virtio devices by slot name. */
function virtioDevices(
  slots: VirtioSlots,
  devices: Readonly<Record<VirtioUse, readonly VirtioDevice[]>>,
): ReadonlyMap<string, VirtioDevice> {
  const named = new Map<string, VirtioDevice>();
  for (const use of Object.keys(devices) as VirtioUse[]) {
    for (const [index, device] of devices[use].entries()) named.set(virtioName(slots[use][index]!), device);
  }
  return named;
}

/** QEMU's first address, and those after it. */
export function defaultMac(index: number): Uint8Array {
  return Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56 + index);
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
