/**
 * Split virtqueues, the device's side. Virtio 1.2 section 2.7.
 *
 *     descriptor table  16 bytes each:   addr u64 | len u32 | flags u16 | next u16
 *     available ring    driver to device: flags u16 | idx u16 | head u16 x size | used_event u16
 *     used ring         device to driver: flags u16 | idx u16 | (id u32 | len u32) x size | avail_event u16
 *
 * Everything in guest memory is the driver's word and is checked: a queue that breaks the rules reports it once and
 * then has nothing available.
 */
import { flag, type LiveStateOf, type StateOf, struct, u16, u64 } from "../../util/schema.js";
import type { GuestRam } from "../device.js";
import { DESCRIPTOR_BYTE_LENGTH, type DescriptorChain, followChain } from "./descriptor-chain.js";

const RING_FLAGS = 0;
const RING_IDX = 2;
const RING_ENTRIES = 4;
const AVAILABLE_ENTRY_BYTE_LENGTH = 2;
const USED_ENTRY_BYTE_LENGTH = 8;
const EVENT_BYTE_LENGTH = 2;
const AVAILABLE_F_NO_INTERRUPT = 1;

const DESCRIPTOR_TABLE_ALIGNMENT = 16;
const AVAILABLE_RING_ALIGNMENT = 2;
const USED_RING_ALIGNMENT = 4;

const SIZE_MAX = 32768;
const fields = {
  size: u16("QueueNum: entries"),
  ready: flag("QueueReady"),
  descriptorTable: u64("guest physical address"),
  availableRing: u64("guest physical address"),
  usedRing: u64("guest physical address"),
  nextAvailable: u16("how many chains were taken from the available ring, modulo 2^16"),
  nextUsed: u16("how many chains were put into the used ring, modulo 2^16"),
};
export type VirtqueueState = StateOf<typeof fields>;
export const virtqueueState = struct("a virtqueue", fields);

/** The parts of a queue that have an address. */
export type QueuePart = "descriptorTable" | "availableRing" | "usedRing";

export interface VirtqueueWires {
  readonly ram: GuestRam;
  /** The ring features that were negotiated. */
  readonly ringFeatures: () => RingFeatures;
  /** Interrupts the driver because of used buffers. */
  readonly notify: () => void;
  /** The driver has broken the rules. */
  readonly broken: (reason: string) => void;
}

export interface RingFeatures {
  readonly indirectDescriptors: boolean;
  readonly eventIndex: boolean;
}

/** Where a ready queue's parts are. */
interface Rings {
  readonly descriptorTable: number;
  readonly availableRing: number;
  readonly usedRing: number;
}

export class Virtqueue {
  /** The largest size the driver may choose. */
  readonly maxSize: number;
  readonly #wires: VirtqueueWires;
  #state!: LiveStateOf<typeof fields>;
  /** `nextUsed` at the last decision whether to notify. */
  #notifiedUsed = 0;
  /** Null unless the queue is ready and sound. */
  #rings: Rings | null = null;

  constructor(maxSize: number, wires: VirtqueueWires) {
    this.maxSize = maxSize;
    this.#wires = wires;
    this.reset();
  }

  get ready(): boolean {
    return this.#state.ready;
  }

  /** How many entries the driver has given it. */
  get size(): number {
    return this.#state.size;
  }

  /** Sizes that a queue cannot have are ignored, as is everything but `setReady` while it is ready. */
  setSize(size: number): void {
    if (!this.ready && size <= this.maxSize && isPowerOfTwo(size)) this.#state.size = size;
  }

  /** Sets one half of an address. */
  setAddress(part: QueuePart, half: "low" | "high", value: number): void {
    if (this.ready) return;
    const address = this.#state[part];
    this.#state[part] = half === "low" ? withLowHalf(address, value) : withHighHalf(address, value);
  }

  /** Where the descriptor table is, in guest physical memory. */
  get address(): bigint {
    return this.#state.descriptorTable;
  }

  /**
   * Puts the parts one after the other, as the legacy interface has them (section 2.7.2).
   *
   * @param align what the used ring's distance from the beginning is a multiple of; a power of two
   */
  place(address: bigint, align: number): void {
    if (this.ready) return;
    const { size } = this.#state;
    const availableRing = DESCRIPTOR_BYTE_LENGTH * size;
    const end = availableRing + RING_ENTRIES + AVAILABLE_ENTRY_BYTE_LENGTH * size + EVENT_BYTE_LENGTH;
    this.#state.descriptorTable = address;
    this.#state.availableRing = address + BigInt(availableRing);
    this.#state.usedRing = address + BigInt(Math.ceil(end / align) * align);
  }

  /** A queue that becomes ready starts with empty rings. */
  setReady(ready: boolean): void {
    if (ready === this.ready) return;
    this.load({ ...this.#state, ready, nextAvailable: 0, nextUsed: 0 });
    if (ready && this.#rings === null) this.#wires.broken("its rings are not aligned or not in RAM");
  }

  /**
   * Takes the chains that are available now, oldest first, as the caller asks for them. Each must be given back with
   * `push`; one that was not asked for stays available.
   */
  *chains(): Generator<DescriptorChain, void, void> {
    // No driver can have more than `size` outstanding. The bound holds where a device's own writes reach the ring.
    for (let taken = 0; taken < this.#state.size; taken++) {
      if (!this.#isAvailable()) {
        this.#requestKick();
        // EVENT_IDX: ask for the kick before looking again, or one in between is lost (section 2.7.10).
        if (!this.#isAvailable()) return;
      }
      const chain = this.#take();
      if (chain === null) return;
      yield chain;
    }
    this.#requestKick();
  }

  /** Makes the chains taken last available again, of which none was given back. @param count how many */
  putBack(count: number): void {
    this.#state.nextAvailable = (this.#state.nextAvailable - count) & 0xffff;
  }

  /** Gives a chain back. @param writtenByteLength bytes written from the start of its writable part on */
  push(chain: DescriptorChain, writtenByteLength: number): void {
    this.pushHead(chain.head, writtenByteLength);
  }

  /** Gives a chain back of which only the head is known any more. */
  pushHead(head: number, writtenByteLength: number): void {
    const rings = this.#rings;
    // Nothing is outstanding when the queue was made ready anew since the chain was taken.
    if (rings === null || this.#state.nextUsed === this.#state.nextAvailable) return;
    const { ram } = this.#wires;
    const entry = rings.usedRing + RING_ENTRIES + USED_ENTRY_BYTE_LENGTH * (this.#state.nextUsed % this.#state.size);
    ram.writeU32(entry, head);
    ram.writeU32(entry + 4, writtenByteLength);
    this.#state.nextUsed = (this.#state.nextUsed + 1) & 0xffff;
    ram.writeU16(rings.usedRing + RING_IDX, this.#state.nextUsed);
  }

  /** Interrupts the driver if it wants to know of what was pushed since the last call. */
  notify(): void {
    if (this.#rings === null || this.#state.nextUsed === this.#notifiedUsed) return;
    const wanted = this.#isNotificationWanted(this.#rings);
    this.#notifiedUsed = this.#state.nextUsed;
    if (wanted) this.#wires.notify();
  }

  reset(): void {
    this.load({
      size: this.maxSize,
      ready: false,
      descriptorTable: 0n,
      availableRing: 0n,
      usedRing: 0n,
      nextAvailable: 0,
      nextUsed: 0,
    });
  }

  save(): VirtqueueState {
    return { ...this.#state };
  }

  /** A state in which the queue could not have become ready leaves it with nothing available. */
  load(state: VirtqueueState): void {
    this.#state = { ...state };
    this.#notifiedUsed = state.nextUsed;
    this.#rings = state.ready ? this.#locateRings() : null;
  }

  #locateRings(): Rings | null {
    const size = this.#state.size;
    if (size > SIZE_MAX || !isPowerOfTwo(size)) return null;
    const rings = {
      descriptorTable: Number(this.#state.descriptorTable),
      availableRing: Number(this.#state.availableRing),
      usedRing: Number(this.#state.usedRing),
    };
    const { descriptorTable, availableRing, usedRing } = rings;
    const { ram } = this.#wires;
    const isSound =
      descriptorTable % DESCRIPTOR_TABLE_ALIGNMENT === 0 &&
      availableRing % AVAILABLE_RING_ALIGNMENT === 0 &&
      usedRing % USED_RING_ALIGNMENT === 0 &&
      ram.contains(descriptorTable, DESCRIPTOR_BYTE_LENGTH * size) &&
      ram.contains(availableRing, RING_ENTRIES + AVAILABLE_ENTRY_BYTE_LENGTH * size + EVENT_BYTE_LENGTH) &&
      ram.contains(usedRing, RING_ENTRIES + USED_ENTRY_BYTE_LENGTH * size + EVENT_BYTE_LENGTH);
    return isSound ? rings : null;
  }

  #isAvailable(): boolean {
    const rings = this.#rings;
    return rings !== null && this.#wires.ram.readU16(rings.availableRing + RING_IDX) !== this.#state.nextAvailable;
  }

  /** EVENT_IDX: the driver kicks when it makes available the chain that the device would take next. */
  #requestKick(): void {
    const rings = this.#rings;
    if (rings === null || !this.#wires.ringFeatures().eventIndex) return;
    const availEvent = rings.usedRing + RING_ENTRIES + USED_ENTRY_BYTE_LENGTH * this.#state.size;
    this.#wires.ram.writeU16(availEvent, this.#state.nextAvailable);
  }

  #isNotificationWanted({ availableRing }: Rings): boolean {
    const { ram } = this.#wires;
    if (!this.#wires.ringFeatures().eventIndex) {
      return (ram.readU16(availableRing + RING_FLAGS) & AVAILABLE_F_NO_INTERRUPT) === 0;
    }
    // Wanted if used_event is among the positions pushed since the last decision (section 2.7.7.2).
    const usedEvent = ram.readU16(availableRing + RING_ENTRIES + AVAILABLE_ENTRY_BYTE_LENGTH * this.#state.size);
    const sinceEvent = (this.#state.nextUsed - usedEvent - 1) & 0xffff;
    const sinceDecision = (this.#state.nextUsed - this.#notifiedUsed) & 0xffff;
    return sinceEvent < sinceDecision;
  }

  #take(): DescriptorChain | null {
    const rings = this.#rings;
    if (rings === null) return null;
    const { ram } = this.#wires;
    const { size } = this.#state;
    const idx = ram.readU16(rings.availableRing + RING_IDX);
    const outstanding = (idx - this.#state.nextUsed) & 0xffff;
    if (outstanding > size) return this.#fail(`${outstanding} chains are outstanding in a queue of ${size}`);
    const position = this.#state.nextAvailable % size;
    const head = ram.readU16(rings.availableRing + RING_ENTRIES + AVAILABLE_ENTRY_BYTE_LENGTH * position);
    const { indirectDescriptors } = this.#wires.ringFeatures();
    const chain = followChain(ram, { table: rings.descriptorTable, count: size, head, indirectDescriptors });
    if ("broken" in chain) return this.#fail(`chain ${head}: ${chain.broken}`);
    this.#state.nextAvailable = (this.#state.nextAvailable + 1) & 0xffff;
    return chain;
  }

  #fail(reason: string): null {
    this.#rings = null;
    this.#wires.broken(reason);
    return null;
  }
}

function withLowHalf(address: bigint, low: number): bigint {
  return (address & ~0xffff_ffffn) | BigInt(low);
}

function withHighHalf(address: bigint, high: number): bigint {
  return (address & 0xffff_ffffn) | (BigInt(high) << 32n);
}

export function isPowerOfTwo(size: number): boolean {
  return size > 0 && (size & (size - 1)) === 0;
}
