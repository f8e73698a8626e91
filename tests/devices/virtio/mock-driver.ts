import type { Device } from "../../../host/devices/device.js";
import {
  CONFIG,
  DEVICE_FEATURES,
  DEVICE_FEATURES_SEL,
  DRIVER_FEATURES,
  DRIVER_FEATURES_SEL,
  INTERRUPT_ACK,
  INTERRUPT_STATUS,
  QUEUE_DESC_HIGH,
  QUEUE_DESC_LOW,
  QUEUE_DEVICE_HIGH,
  QUEUE_DEVICE_LOW,
  QUEUE_DRIVER_HIGH,
  QUEUE_DRIVER_LOW,
  QUEUE_NOTIFY,
  QUEUE_NUM,
  QUEUE_NUM_MAX,
  QUEUE_READY,
  QUEUE_SEL,
  STATUS,
  STATUS_ACKNOWLEDGE,
  STATUS_DRIVER,
  STATUS_DRIVER_OK,
  STATUS_FEATURES_OK,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_VERSION_1,
} from "../../../host/devices/virtio/mmio-registers.js";
import { featureSet, hasFeature } from "../../../host/devices/virtio/virtio-device.js";
import type { FakeRam } from "../fake-ram.js";

/** The features every driver of a modern device accepts. */
export const RING_FEATURES = featureSet(VIRTIO_F_VERSION_1, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX);

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;

/** Plays the guest's side of virtio-mmio, as virtio 1.2 sections 3.1 and 4.2.3 describe it. */
export class MockDriver {
  readonly ram: FakeRam;
  readonly #device: Device;
  #free: number;

  constructor(device: Device, ram: FakeRam) {
    this.#device = device;
    this.ram = ram;
    this.#free = ram.base;
  }

  read(register: number): number {
    return this.#device.read(register, 4);
  }

  write(register: number, value: number): void {
    this.#device.write(register, value, 4);
  }

  config(offset: number, byteLength: 1 | 2 | 4): number {
    return this.#device.read(CONFIG + offset, byteLength);
  }

  get status(): number {
    return this.read(STATUS);
  }

  offeredFeatures(): bigint {
    this.write(DEVICE_FEATURES_SEL, 1);
    const high = BigInt(this.read(DEVICE_FEATURES));
    this.write(DEVICE_FEATURES_SEL, 0);
    return (high << 32n) | BigInt(this.read(DEVICE_FEATURES));
  }

  /** Resets the device and goes as far as FEATURES_OK. @returns whether the device accepted the features */
  negotiate(features: bigint): boolean {
    this.write(STATUS, 0);
    this.write(STATUS, STATUS_ACKNOWLEDGE);
    this.write(STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    this.write(DRIVER_FEATURES_SEL, 0);
    this.write(DRIVER_FEATURES, Number(features & 0xffff_ffffn));
    this.write(DRIVER_FEATURES_SEL, 1);
    this.write(DRIVER_FEATURES, Number(features >> 32n));
    this.write(STATUS, this.status | STATUS_FEATURES_OK);
    return (this.status & STATUS_FEATURES_OK) !== 0;
  }

  /** Everything up to DRIVER_OK. @returns the queues, of at most `sizeMax` entries */
  start(features = RING_FEATURES, sizeMax = 8): MockQueue[] {
    if (!this.negotiate(features)) throw new Error(`the device refused features ${features.toString(16)}`);
    const queues = this.createQueues(features, sizeMax);
    this.driverOk();
    return queues;
  }

  createQueues(features: bigint, sizeMax: number): MockQueue[] {
    const queues: MockQueue[] = [];
    for (;;) {
      this.write(QUEUE_SEL, queues.length);
      const max = this.read(QUEUE_NUM_MAX);
      if (max === 0) return queues;
      const queue = new MockQueue(this, queues.length, Math.min(max, sizeMax), features);
      this.setUpQueue(queue.index, queue.size, queue.descriptorTable, queue.availableRing, queue.usedRing);
      queues.push(queue);
    }
  }

  setUpQueue(
    index: number,
    size: number,
    descriptorTable: number | bigint,
    availableRing: number | bigint,
    usedRing: number | bigint,
  ): void {
    this.write(QUEUE_SEL, index);
    this.write(QUEUE_NUM, size);
    this.#writeAddress(QUEUE_DESC_LOW, QUEUE_DESC_HIGH, BigInt(descriptorTable));
    this.#writeAddress(QUEUE_DRIVER_LOW, QUEUE_DRIVER_HIGH, BigInt(availableRing));
    this.#writeAddress(QUEUE_DEVICE_LOW, QUEUE_DEVICE_HIGH, BigInt(usedRing));
    this.write(QUEUE_READY, 1);
  }

  driverOk(): void {
    this.write(STATUS, this.status | STATUS_DRIVER_OK);
  }

  notify(queueIndex: number): void {
    this.write(QUEUE_NOTIFY, queueIndex);
  }

  /** Takes and acknowledges what the device interrupted for. */
  takeInterrupts(): number {
    const status = this.read(INTERRUPT_STATUS);
    this.write(INTERRUPT_ACK, status);
    return status;
  }

  /** Guest memory that nothing else uses. */
  allocate(byteLength: number, alignment = 16): number {
    const paddr = Math.ceil(this.#free / alignment) * alignment;
    this.#free = paddr + byteLength;
    return paddr;
  }

  allocateBytes(bytes: Uint8Array): number {
    const paddr = this.allocate(bytes.length);
    this.ram.write(paddr, bytes);
    return paddr;
  }

  #writeAddress(low: number, high: number, address: bigint): void {
    this.write(low, Number(address & 0xffff_ffffn));
    this.write(high, Number(address >> 32n));
  }
}

interface Descriptor {
  readonly paddr: number;
  readonly byteLength: number;
  readonly flags: number;
}

/** A buffer that the device has given back. */
export interface UsedBuffer {
  readonly head: number;
  /** What the device says it has written. */
  readonly byteLength: number;
  /** All of the writable part. */
  readonly bytes: Uint8Array;
}

/** The driver's side of a split virtqueue. */
export class MockQueue {
  readonly index: number;
  readonly size: number;
  readonly descriptorTable: number;
  readonly availableRing: number;
  readonly usedRing: number;
  readonly #driver: MockDriver;
  readonly #ram: FakeRam;
  readonly #eventIndex: boolean;
  readonly #outstanding = new Map<number, readonly Descriptor[]>();
  #freeDescriptors: number[];
  #availableIdx = 0;
  #usedIdx = 0;

  constructor(driver: MockDriver, index: number, size: number, features: bigint) {
    this.index = index;
    this.size = size;
    this.#driver = driver;
    this.#ram = driver.ram;
    this.#eventIndex = hasFeature(features, VIRTIO_F_EVENT_IDX);
    this.descriptorTable = driver.allocate(16 * size);
    this.availableRing = driver.allocate(6 + 2 * size);
    this.usedRing = driver.allocate(6 + 8 * size);
    for (const [paddr, byteLength] of [
      [this.availableRing, 6 + 2 * size],
      [this.usedRing, 6 + 8 * size],
    ] as const) {
      this.#ram.write(paddr, new Uint8Array(byteLength));
    }
    this.#freeDescriptors = Array.from({ length: size }, (_, index) => index);
  }

  /** Makes a buffer available without telling the device. @returns its head */
  add(readable: readonly Uint8Array[], writable: readonly number[]): number {
    return this.#addChain(this.#describe(readable, writable));
  }

  /** The same in an indirect table, behind `direct` descriptors that stay in the queue's own table. */
  addIndirect(readable: readonly Uint8Array[], writable: readonly number[], direct = 0): number {
    const chain = this.#describe(readable, writable);
    const indirect = chain.slice(direct);
    const table = this.#driver.allocate(16 * indirect.length);
    indirect.forEach((descriptor, position) => {
      const next = position + 1 < indirect.length ? position + 1 : null;
      this.writeDescriptor(table, position, descriptor, next);
    });
    const last = { paddr: table, byteLength: 16 * indirect.length, flags: INDIRECT };
    const head = this.#addChain([...chain.slice(0, direct), last]);
    this.#outstanding.set(head, chain);
    return head;
  }

  /** How many descriptors can still be used. */
  get freeCount(): number {
    return this.#freeDescriptors.length;
  }

  /** Tells the device of new buffers. */
  kick(): void {
    this.#driver.notify(this.index);
  }

  /** Adds a buffer and tells the device of it. */
  send(readable: readonly Uint8Array[], writable: readonly number[]): number {
    const head = this.add(readable, writable);
    this.kick();
    return head;
  }

  /** Takes back every buffer that the device is done with, in its order. */
  takeUsed(): UsedBuffer[] {
    const used: UsedBuffer[] = [];
    for (; this.#usedIdx !== this.#ram.readU16(this.usedRing + 2); this.#usedIdx = (this.#usedIdx + 1) & 0xffff) {
      const entry = this.usedRing + 4 + 8 * (this.#usedIdx % this.size);
      used.push(this.#reclaim(this.#ram.readU32(entry), this.#ram.readU32(entry + 4)));
    }
    return used;
  }

  /** Whether the device wants to be told of the buffer that was added last. */
  get wantsKick(): boolean {
    if (!this.#eventIndex) return (this.#ram.readU16(this.usedRing) & 1) === 0;
    return this.#ram.readU16(this.usedRing + 4 + 8 * this.size) === ((this.#availableIdx - 1) & 0xffff);
  }

  /** EVENT_IDX: asks for an interrupt when the device has used this many buffers in all. */
  set usedEvent(position: number) {
    this.#ram.writeU16(this.availableRing + 4 + 2 * this.size, position & 0xffff);
  }

  /** Without EVENT_IDX: asks for no interrupts. */
  set noInterrupt(value: boolean) {
    this.#ram.writeU16(this.availableRing, Number(value));
  }

  writeDescriptor(table: number, index: number, descriptor: Descriptor, next: number | null): void {
    const paddr = table + 16 * index;
    this.#ram.writeU64(paddr, BigInt(descriptor.paddr));
    this.#ram.writeU32(paddr + 8, descriptor.byteLength);
    this.#ram.writeU16(paddr + 12, descriptor.flags | (next === null ? 0 : NEXT));
    this.#ram.writeU16(paddr + 14, next ?? 0);
  }

  /** Makes any descriptor available, even one that was never written. */
  publish(head: number): void {
    this.#ram.writeU16(this.availableRing + 4 + 2 * (this.#availableIdx % this.size), head);
    this.#availableIdx = (this.#availableIdx + 1) & 0xffff;
    this.#ram.writeU16(this.availableRing + 2, this.#availableIdx);
  }

  #describe(readable: readonly Uint8Array[], writable: readonly number[]): Descriptor[] {
    const toDevice = readable.map((bytes) => ({
      paddr: this.#driver.allocateBytes(bytes),
      byteLength: bytes.length,
      flags: 0,
    }));
    const fromDevice = writable.map((byteLength) => ({
      paddr: this.#driver.allocate(byteLength),
      byteLength,
      flags: WRITE,
    }));
    return [...toDevice, ...fromDevice];
  }

  #addChain(chain: readonly Descriptor[]): number {
    const indexes = this.#freeDescriptors.splice(0, chain.length);
    if (indexes.length < chain.length) throw new Error(`no ${chain.length} free descriptors`);
    chain.forEach((descriptor, position) => {
      this.writeDescriptor(this.descriptorTable, indexes[position]!, descriptor, indexes[position + 1] ?? null);
    });
    this.#outstanding.set(indexes[0]!, chain);
    this.publish(indexes[0]!);
    return indexes[0]!;
  }

  #reclaim(head: number, byteLength: number): UsedBuffer {
    const chain = this.#outstanding.get(head);
    if (chain === undefined) throw new Error(`the device gave back ${head}, which it did not have`);
    this.#outstanding.delete(head);
    this.#freeChain(head);
    const writable = chain.filter(({ flags }) => (flags & WRITE) !== 0);
    return {
      head,
      byteLength,
      bytes: concatenate(writable.map((part) => this.#ram.view(part.paddr, part.byteLength))),
    };
  }

  #freeChain(head: number): void {
    let index = head;
    for (;;) {
      this.#freeDescriptors.push(index);
      const descriptor = this.descriptorTable + 16 * index;
      if ((this.#ram.readU16(descriptor + 12) & NEXT) === 0) return;
      index = this.#ram.readU16(descriptor + 14);
    }
  }
}

export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
}
