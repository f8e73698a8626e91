/** A virtio device behind memory-mapped registers: `mmio-registers.ts`. */
import {
  component,
  flag,
  type LiveStateOf,
  type Schema,
  type StateOf,
  schema,
  table,
  type Upgrades,
  u8,
  u32,
  u64,
  uint,
} from "../../util/schema.js";
import type { Device, GuestRam, InterruptLine, Width } from "../device.js";
import {
  CONFIG,
  CONFIG_GENERATION,
  DEVICE_FEATURES,
  DEVICE_FEATURES_SEL,
  DEVICE_ID,
  DRIVER_FEATURES,
  DRIVER_FEATURES_SEL,
  GUEST_PAGE_SIZE,
  INTERRUPT_ACK,
  INTERRUPT_CONFIG_CHANGE,
  INTERRUPT_STATUS,
  INTERRUPT_USED_BUFFER,
  MAGIC,
  MAGIC_VALUE,
  MMIO_VERSIONS,
  MMIO_WINDOW_BYTE_LENGTH,
  NO_SHARED_MEMORY,
  QUEUE_ALIGN,
  QUEUE_DESC_HIGH,
  QUEUE_DESC_LOW,
  QUEUE_DEVICE_HIGH,
  QUEUE_DEVICE_LOW,
  QUEUE_DRIVER_HIGH,
  QUEUE_DRIVER_LOW,
  QUEUE_NOTIFY,
  QUEUE_NUM,
  QUEUE_NUM_MAX,
  QUEUE_PFN,
  QUEUE_READY,
  QUEUE_SEL,
  SHM_BASE_HIGH,
  SHM_BASE_LOW,
  SHM_LEN_HIGH,
  SHM_LEN_LOW,
  STATUS,
  STATUS_DRIVER_OK,
  STATUS_FEATURES_OK,
  STATUS_NEEDS_RESET,
  VENDOR,
  VENDOR_ID,
  VERSION,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_VERSION_1,
  type VirtioInterface,
} from "./mmio-registers.js";
import { featureSet, hasFeature, type VirtioDevice, type VirtioDriver } from "./virtio-device.js";
import { isPowerOfTwo, type QueuePart, type RingFeatures, Virtqueue, virtqueueState } from "./virtqueue.js";

const RING_FEATURES: Readonly<Record<VirtioInterface, bigint>> = {
  // Our devices take requests in whatever pieces; of the modern interface that is part.
  legacy: featureSet(VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX, VIRTIO_F_ANY_LAYOUT),
  modern: featureSet(VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1),
};
/** The legacy interface has no others. */
const LEGACY_FEATURES = 0xffff_ffffn;

/** What a legacy driver's queues are in until it says something else: as in QEMU. */
const LEGACY_PAGE_BYTE_LENGTH = 1;
const LEGACY_ALIGNMENT = 4096;

const QUEUE_ADDRESSES: Readonly<Record<number, { readonly part: QueuePart; readonly half: "low" | "high" }>> = {
  [QUEUE_DESC_LOW]: { part: "descriptorTable", half: "low" },
  [QUEUE_DESC_HIGH]: { part: "descriptorTable", half: "high" },
  [QUEUE_DRIVER_LOW]: { part: "availableRing", half: "low" },
  [QUEUE_DRIVER_HIGH]: { part: "availableRing", half: "high" },
  [QUEUE_DEVICE_LOW]: { part: "usedRing", half: "low" },
  [QUEUE_DEVICE_HIGH]: { part: "usedRing", half: "high" },
};

function transportFields(device: VirtioDevice) {
  return {
    status: u8("Status"),
    deviceFeaturesSel: u32("DeviceFeaturesSel"),
    driverFeatures: u64("DriverFeatures, both halves"),
    driverFeaturesSel: u32("DriverFeaturesSel"),
    queueSel: u32("QueueSel"),
    interruptStatus: uint("InterruptStatus", INTERRUPT_USED_BUFFER | INTERRUPT_CONFIG_CHANGE),
    startedByKick: flag("whether a kick came before DRIVER_OK that started the device"),
    guestPageSize: u32("GuestPageSize, of the legacy interface"),
    queueAligns: table("QueueAlign by index, of the legacy interface", u32("alignment"), device.queueMaxSizes.length),
    queues: table("by index", virtqueueState, device.queueMaxSizes.length),
    device: component("the device behind the transport", device.schema),
  };
}
type TransportFields = ReturnType<typeof transportFields>;
type TransportState = StateOf<TransportFields>;

/** Version 1 had no kicks before DRIVER_OK, version 2 no legacy interface. */
function upgrades({ queueMaxSizes }: VirtioDevice): Upgrades {
  return {
    1: (old) => ({ ...old, startedByKick: false }),
    2: (old) => ({
      ...old,
      guestPageSize: LEGACY_PAGE_BYTE_LENGTH,
      queueAligns: queueMaxSizes.map(() => LEGACY_ALIGNMENT),
    }),
  };
}
type Registers = Omit<LiveStateOf<TransportFields>, "queues" | "queueAligns" | "device">;

const POWER_ON: Readonly<Registers> = {
  status: 0,
  deviceFeaturesSel: 0,
  driverFeatures: 0n,
  driverFeaturesSel: 0,
  queueSel: 0,
  interruptStatus: 0,
  startedByKick: false,
  guestPageSize: LEGACY_PAGE_BYTE_LENGTH,
};

export interface MmioTransportWires {
  readonly interrupt: InterruptLine;
  readonly ram: GuestRam;
  /** Which of the two the driver finds. */
  readonly interface: VirtioInterface;
}

export class VirtioMmioTransport implements Device<TransportFields> {
  readonly schema: Schema<TransportFields>;
  readonly windowByteLength = MMIO_WINDOW_BYTE_LENGTH;
  readonly #device: VirtioDevice;
  readonly #wires: MmioTransportWires;
  readonly #queues: readonly Virtqueue[];
  #registers: Registers = { ...POWER_ON };
  #queueAligns: number[] = [];
  #ringFeatures: RingFeatures = ringFeatures(0n);
  #fault: string | null = null;

  constructor(device: VirtioDevice, wires: MmioTransportWires) {
    this.schema = schema("virtio-mmio", 3, transportFields(device), upgrades(device));
    this.#device = device;
    this.#wires = wires;
    this.#queues = device.queueMaxSizes.map((maxSize, index) => this.#createQueue(maxSize, index));
    this.reset();
  }

  /** What the driver did wrong, if the device needs a reset for it; for people. Not part of the state. */
  get fault(): string | null {
    return this.#fault;
  }

  read(offset: number, width: Width): number {
    if (offset >= CONFIG) return this.#readConfig(offset - CONFIG, width);
    return width === 4 ? this.#readRegister(offset) : 0;
  }

  write(offset: number, value: number, width: Width): void {
    if (offset >= CONFIG) this.#device.writeConfig(offset - CONFIG, value, width);
    else if (width === 4) this.#writeRegister(offset, value);
  }

  reset(): void {
    this.#device.reset();
    this.#queueAligns = this.#queues.map(() => LEGACY_ALIGNMENT);
    this.#registers.guestPageSize = LEGACY_PAGE_BYTE_LENGTH;
    this.#resetDriverSide();
  }

  save(): TransportState {
    return {
      ...this.#registers,
      queueAligns: [...this.#queueAligns],
      queues: this.#queues.map((queue) => queue.save()),
      device: this.#device.save(),
    };
  }

  load({ queues, queueAligns, device, ...registers }: TransportState): void {
    this.#device.reset();
    // A file can say 0, which no driver can write.
    this.#registers = { ...registers, guestPageSize: registers.guestPageSize || LEGACY_PAGE_BYTE_LENGTH };
    this.#queueAligns = queueAligns.map((align) => align || LEGACY_ALIGNMENT);
    this.#ringFeatures = ringFeatures(registers.driverFeatures);
    this.#fault = null;
    this.#queues.forEach((queue, index) => {
      queue.load(queues[index]!);
    });
    this.#device.load(device);
    if (this.#isLive) this.#device.start(this.#driver());
    this.#updateInterrupt();
  }

  renewIdentity(randomBytes: (into: Uint8Array) => void): void {
    this.#device.renewIdentity?.(randomBytes);
  }

  get #isLive(): boolean {
    const { status, startedByKick } = this.#registers;
    return (hasStatus(status, STATUS_DRIVER_OK) || startedByKick) && !hasStatus(status, STATUS_NEEDS_RESET);
  }

  get #isLegacy(): boolean {
    return this.#wires.interface === "legacy";
  }

  get #offeredFeatures(): bigint {
    const features = this.#device.features | RING_FEATURES[this.#wires.interface];
    return this.#isLegacy ? features & LEGACY_FEATURES : features;
  }

  #createQueue(maxSize: number, index: number): Virtqueue {
    return new Virtqueue(maxSize, {
      ram: this.#wires.ram,
      ringFeatures: () => this.#ringFeatures,
      notify: () => this.#raise(INTERRUPT_USED_BUFFER),
      broken: (reason) => this.#needsReset(`queue ${index}: ${reason}`),
    });
  }

  #driver(): VirtioDriver {
    return {
      features: this.#registers.driverFeatures,
      queue: (index) => this.#queues[index]!,
      configChanged: () => this.#raise(INTERRUPT_CONFIG_CHANGE),
      needsReset: (reason) => this.#needsReset(reason),
    };
  }

  #readConfig(offset: number, width: Width): number {
    const { config } = this.#device;
    let value = 0;
    for (let byte = width - 1; byte >= 0; byte--) value = value * 0x100 + (config[offset + byte] ?? 0);
    return value;
  }

  #readRegister(offset: number): number {
    const registers = this.#registers;
    switch (offset) {
      case MAGIC_VALUE:
        return MAGIC;
      case VERSION:
        return MMIO_VERSIONS[this.#wires.interface];
      case DEVICE_ID:
        return this.#device.deviceId;
      case VENDOR_ID:
        return VENDOR;
      case DEVICE_FEATURES:
        return half(this.#offeredFeatures, registers.deviceFeaturesSel);
      case QUEUE_NUM_MAX:
        return this.#selectedQueue?.maxSize ?? 0;
      case INTERRUPT_STATUS:
        return registers.interruptStatus;
      case STATUS:
        return registers.status;
      default:
        return this.#isLegacy ? this.#readLegacyRegister(offset) : this.#readModernRegister(offset);
    }
  }

  #readLegacyRegister(offset: number): number {
    const queue = this.#selectedQueue;
    if (offset !== QUEUE_PFN || queue === undefined || !queue.ready) return 0;
    return Number((queue.address / BigInt(this.#registers.guestPageSize)) & 0xffff_ffffn);
  }

  #readModernRegister(offset: number): number {
    switch (offset) {
      case QUEUE_READY:
        return Number(this.#selectedQueue?.ready ?? false);
      case SHM_LEN_LOW:
      case SHM_LEN_HIGH:
      case SHM_BASE_LOW:
      case SHM_BASE_HIGH:
        return NO_SHARED_MEMORY;
      case CONFIG_GENERATION:
        return this.#device.configGeneration;
      default:
        return 0;
    }
  }

  #writeRegister(offset: number, value: number): void {
    const registers = this.#registers;
    switch (offset) {
      case DEVICE_FEATURES_SEL:
        registers.deviceFeaturesSel = value;
        break;
      case DRIVER_FEATURES:
        this.#setDriverFeatures(value);
        break;
      case DRIVER_FEATURES_SEL:
        registers.driverFeaturesSel = value;
        break;
      case QUEUE_SEL:
        registers.queueSel = value;
        break;
      case QUEUE_NUM:
        this.#selectedQueue?.setSize(value);
        break;
      case QUEUE_NOTIFY:
        this.#kick(value);
        break;
      case INTERRUPT_ACK:
        registers.interruptStatus &= ~value;
        this.#updateInterrupt();
        break;
      case STATUS:
        this.#setStatus(value);
        break;
      default:
        if (this.#isLegacy) this.#writeLegacyRegister(offset, value);
        else this.#writeModernRegister(offset, value);
    }
  }

  #writeLegacyRegister(offset: number, value: number): void {
    const registers = this.#registers;
    switch (offset) {
      case GUEST_PAGE_SIZE:
        if (isPowerOfTwo(value)) registers.guestPageSize = value;
        break;
      case QUEUE_ALIGN:
        if (isPowerOfTwo(value) && this.#selectedQueue !== undefined) this.#queueAligns[registers.queueSel] = value;
        break;
      case QUEUE_PFN:
        this.#selectedQueue?.setReady(false);
        if (value === 0) return;
        this.#selectedQueue?.place(
          BigInt(value) * BigInt(registers.guestPageSize),
          this.#queueAligns[registers.queueSel]!,
        );
        this.#selectedQueue?.setReady(true);
    }
  }

  #writeModernRegister(offset: number, value: number): void {
    if (offset === QUEUE_READY) this.#selectedQueue?.setReady((value & 1) !== 0);
    const address = QUEUE_ADDRESSES[offset];
    if (address !== undefined) this.#selectedQueue?.setAddress(address.part, address.half, value);
  }

  get #selectedQueue(): Virtqueue | undefined {
    return this.#queues[this.#registers.queueSel];
  }

  /**
   * A driver may not kick before DRIVER_OK (section 3.1.1), but that of barebox reads a disk's partition table by then
   * and waits for it. As in QEMU, its first kick starts the device, for the features are settled. The legacy interface
   * leaves the order to the driver.
   */
  #kick(queueIndex: number): void {
    const { status } = this.#registers;
    if (this.#queues[queueIndex]?.ready !== true || hasStatus(status, STATUS_NEEDS_RESET)) return;
    if (!this.#isLive) {
      if (!this.#isLegacy && !hasStatus(status, STATUS_FEATURES_OK)) return;
      this.#registers.startedByKick = true;
      this.#device.start(this.#driver());
    }
    this.#device.kick(queueIndex);
  }

  /**
   * Once FEATURES_OK is set the features are settled (section 3.1.1, step 5); DRIVER_OK without it settles them, too. A
   * legacy driver is not told which are refused: it has those that were offered.
   */
  #setDriverFeatures(value: number): void {
    const registers = this.#registers;
    if (hasStatus(registers.status, STATUS_FEATURES_OK | STATUS_DRIVER_OK)) return;
    const features = withHalf(registers.driverFeatures, registers.driverFeaturesSel, value);
    registers.driverFeatures = this.#isLegacy ? features & this.#offeredFeatures : features;
    this.#ringFeatures = ringFeatures(registers.driverFeatures);
  }

  /**
   * The driver adds bits one step at a time and cannot take them back but by a reset (section 2.1.1). A step the
   * device does not go along with is left out of the register, where the driver sees it.
   */
  #setStatus(value: number): void {
    if (value === 0) {
      this.#device.stop();
      this.#resetDriverSide();
      return;
    }
    const wasLive = this.#isLive;
    const refused = this.#acceptsFeatures() ? 0 : STATUS_FEATURES_OK | STATUS_DRIVER_OK;
    this.#registers.status |= value & 0xff & ~(STATUS_NEEDS_RESET | refused);
    if (!wasLive && this.#isLive) this.#start();
  }

  /**
   * VERSION_1 is not asked for, which section 6.2 leaves to the device: there are drivers (that of xv6) which never
   * read the upper 32 features but mean the modern interface, and nothing we do depends on it.
   */
  #acceptsFeatures(): boolean {
    return (this.#registers.driverFeatures & ~this.#offeredFeatures) === 0n;
  }

  /** Drivers may make buffers available before DRIVER_OK, for which they may not kick: each queue gets one. */
  #start(): void {
    this.#device.start(this.#driver());
    for (let index = 0; index < this.#queues.length; index++) this.#kick(index);
  }

  /** Linux sets GuestPageSize before it resets the device, and means it to stay. */
  #resetDriverSide(): void {
    const { guestPageSize } = this.#registers;
    this.#registers = { ...POWER_ON, guestPageSize };
    this.#ringFeatures = ringFeatures(0n);
    this.#fault = null;
    for (const queue of this.#queues) queue.reset();
    this.#updateInterrupt();
  }

  /** Section 2.1.2: with DRIVER_OK set, the driver is told by a configuration change. */
  #needsReset(reason: string): void {
    if (hasStatus(this.#registers.status, STATUS_NEEDS_RESET)) return;
    const wasLive = this.#isLive;
    this.#registers.status |= STATUS_NEEDS_RESET;
    this.#fault = reason;
    if (!wasLive) return;
    this.#device.stop();
    this.#raise(INTERRUPT_CONFIG_CHANGE);
  }

  #raise(interrupt: number): void {
    this.#registers.interruptStatus |= interrupt;
    this.#updateInterrupt();
  }

  #updateInterrupt(): void {
    this.#wires.interrupt.set(this.#registers.interruptStatus !== 0);
  }
}

function hasStatus(status: number, bit: number): boolean {
  return (status & bit) !== 0;
}

function ringFeatures(features: bigint): RingFeatures {
  return {
    indirectDescriptors: hasFeature(features, VIRTIO_F_INDIRECT_DESC),
    eventIndex: hasFeature(features, VIRTIO_F_EVENT_IDX),
  };
}

/** Features 32 * sel to 32 * sel + 31; there are none beyond 63. */
function half(features: bigint, sel: number): number {
  return sel > 1 ? 0 : Number((features >> BigInt(32 * sel)) & 0xffff_ffffn);
}

function withHalf(features: bigint, sel: number, value: number): bigint {
  if (sel > 1) return features;
  const shift = BigInt(32 * sel);
  return (features & ~(0xffff_ffffn << shift)) | (BigInt(value) << shift);
}
