/**
 * Descriptor chains: what a driver makes available, as memory to read and to write. Virtio 1.2 section 2.7.5.
 *
 *     descriptor, 16 bytes: addr u64 | len u32 | flags u16 (NEXT 1, WRITE 2, INDIRECT 4) | next u16
 */
import { assert } from "../../util/errors.js";
import type { GuestRam } from "../device.js";

export const DESCRIPTOR_BYTE_LENGTH = 16;
const DESCRIPTOR_LEN = 8;
const DESCRIPTOR_FLAGS = 12;
const DESCRIPTOR_NEXT = 14;
const DESCRIPTOR_F_NEXT = 1;
const DESCRIPTOR_F_WRITE = 2;
const DESCRIPTOR_F_INDIRECT = 4;
/**
 * Descriptors in an indirect table. The specification allows no chain longer than the queue, but Linux makes longer
 * ones where the device's own limits (a block device's seg_max) allow it.
 */
const INDIRECT_TABLE_MAX = 1024;

/** A buffer the driver has made available: what the device may read, then what it may write. */
export interface DescriptorChain {
  /** Index of the first descriptor, by which the device gives the chain back. */
  readonly head: number;
  readonly readable: ScatterList;
  readonly writable: ScatterList;
}

/** What is wrong with a chain. */
export interface BrokenChain {
  readonly broken: string;
}

export interface ChainStart {
  /** Address of the descriptor table, all of which lies in RAM. */
  readonly table: number;
  /** Descriptors in the table. */
  readonly count: number;
  readonly head: number;
  /** Whether indirect tables were negotiated. */
  readonly indirectDescriptors: boolean;
}

/** Follows the chain that starts at descriptor `head`, which may be anything. */
export function followChain(ram: GuestRam, start: ChainStart): DescriptorChain | BrokenChain {
  const walk = new ChainWalk(ram, start.indirectDescriptors);
  const broken = walk.table(start.table, start.count, start.head);
  return broken === null ? walk.chain(start.head) : { broken };
}

/** A run of guest memory; it lies in RAM. */
export interface Segment {
  readonly paddr: number;
  readonly byteLength: number;
}

/** Several runs of guest memory, read and written as if they were one. */
export class ScatterList {
  readonly byteLength: number;
  readonly #ram: GuestRam;
  readonly segments: readonly Segment[];

  constructor(ram: GuestRam, segments: readonly Segment[]) {
    this.#ram = ram;
    this.segments = segments;
    this.byteLength = segments.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** Copies `into.length` bytes out, from `offset` on. All of them must be within the list. */
  read(offset: number, into: Uint8Array): void {
    this.#visit(offset, into, (paddr, part) => this.#ram.read(paddr, part));
  }

  /** Copies `from` in, from `offset` on. All of it must be within the list. */
  write(offset: number, from: Uint8Array): void {
    this.#visit(offset, from, (paddr, part) => this.#ram.write(paddr, part));
  }

  /** A copy of `byteLength` bytes from `offset` on. */
  bytes(offset: number, byteLength: number): Uint8Array {
    const copy = new Uint8Array(byteLength);
    this.read(offset, copy);
    return copy;
  }

  #visit(offset: number, bytes: Uint8Array, visit: (paddr: number, part: Uint8Array) => void): void {
    // The message would cost more than a small copy.
    if (offset < 0 || offset + bytes.length > this.byteLength) {
      assert(false, `bytes ${offset} to ${offset + bytes.length} of a scatter list of ${this.byteLength}`);
    }
    let skip = offset;
    let done = 0;
    for (const { paddr, byteLength } of this.segments) {
      if (done === bytes.length) return;
      const length = Math.min(byteLength - skip, bytes.length - done);
      if (length > 0) {
        visit(paddr + skip, bytes.subarray(done, done + length));
        done += length;
      }
      skip = Math.max(0, skip - byteLength);
    }
  }
}

/** Follows one chain through the descriptor table and at most one indirect table. */
class ChainWalk {
  readonly #ram: GuestRam;
  readonly #indirectDescriptors: boolean;
  readonly #readable: Segment[] = [];
  readonly #writable: Segment[] = [];
  #byteLength = 0;

  constructor(ram: GuestRam, indirectDescriptors: boolean) {
    this.#ram = ram;
    this.#indirectDescriptors = indirectDescriptors;
  }

  chain(head: number): DescriptorChain {
    return {
      head,
      readable: new ScatterList(this.#ram, this.#readable),
      writable: new ScatterList(this.#ram, this.#writable),
    };
  }

  /**
   * Follows the chain that starts at `first` in a table that lies in RAM.
   *
   * @returns what is wrong with it, or null
   */
  table(table: number, count: number, first: number, isIndirect = false): string | null {
    let index = first;
    // A chain that visits more descriptors than the table has visits one twice.
    for (let visited = 0; visited < count; visited++) {
      if (index >= count) return `there is no descriptor ${index} in a table of ${count}`;
      const descriptor = table + DESCRIPTOR_BYTE_LENGTH * index;
      const flags = this.#ram.readU16(descriptor + DESCRIPTOR_FLAGS);
      if ((flags & DESCRIPTOR_F_INDIRECT) !== 0) {
        return isIndirect ? "an indirect table within an indirect table" : this.#indirect(descriptor, flags);
      }
      const reason = this.#append(descriptor, (flags & DESCRIPTOR_F_WRITE) !== 0);
      if (reason !== null) return reason;
      if ((flags & DESCRIPTOR_F_NEXT) === 0) return null;
      index = this.#ram.readU16(descriptor + DESCRIPTOR_NEXT);
    }
    return "it does not end";
  }

  /** The rest of the chain is in a table of its own (section 2.7.5.3). WRITE in its descriptor means nothing. */
  #indirect(descriptor: number, flags: number): string | null {
    if (!this.#indirectDescriptors) return "an indirect table, which was not negotiated";
    if ((flags & DESCRIPTOR_F_NEXT) !== 0) return "a descriptor after an indirect table";
    const table = Number(this.#ram.readU64(descriptor));
    const byteLength = this.#ram.readU32(descriptor + DESCRIPTOR_LEN);
    const count = byteLength / DESCRIPTOR_BYTE_LENGTH;
    if (!Number.isInteger(count) || count === 0 || count > INDIRECT_TABLE_MAX) {
      return `an indirect table of ${byteLength} bytes`;
    }
    if (!this.#ram.contains(table, byteLength)) return "an indirect table that is not in RAM";
    return this.table(table, count, 0, true);
  }

  #append(descriptor: number, isWritable: boolean): string | null {
    const paddr = Number(this.#ram.readU64(descriptor));
    const byteLength = this.#ram.readU32(descriptor + DESCRIPTOR_LEN);
    if (!isWritable && this.#writable.length > 0) return "a readable descriptor after a writable one";
    if (byteLength === 0) return null;
    if (!this.#ram.contains(paddr, byteLength)) return "a buffer that is not in RAM";
    this.#byteLength += byteLength;
    // Only overlapping buffers get there; the bound keeps a chain's cost near that of an honest one.
    if (this.#byteLength > this.#ram.byteLength) return "more bytes than there is RAM";
    (isWritable ? this.#writable : this.#readable).push({ paddr, byteLength });
    return null;
  }
}
