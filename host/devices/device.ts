import type { Fields, Schema, StateOf } from "../util/schema.js";

/** Access width in bytes. The processor splits an 8-byte access into two 4-byte ones, low half first. */
export type Width = 1 | 2 | 4;

/**
 * A device with a window of memory-mapped registers.
 *
 * It knows its registers and its named state, nothing else: address, interrupt number, clock and backend are
 * handed to its constructor.
 */
export interface Device<F extends Fields = Fields> {
  readonly schema: Schema<F>;
  /** Length of the register window in bytes. */
  readonly windowByteLength: number;
  /**
   * @param offset bytes from the start of the window; `offset + width <= windowByteLength`, any alignment
   * @returns an unsigned integer of `width` bytes; registers that do not exist read as 0
   */
  read(offset: number, width: Width): number;
  /** @param value an unsigned integer of `width` bytes; writes to registers that do not exist are ignored */
  write(offset: number, value: number, width: Width): void;
  /** Back to the power-on state, which is also the state after construction. */
  reset(): void;
  /** A copy of the named state: later changes of the device do not show in it. */
  save(): StateOf<F>;
  /** Takes over a state that `decode` has validated, and drives interrupt lines to match it. */
  load(state: StateOf<F>): void;
  /**
   * The machine goes on beside another that has the same state: takes anew what must not be the same in both, such as
   * random numbers to come, keys and addresses, and tells the driver. Devices that have nothing of the kind leave it
   * out.
   *
   * @param randomBytes fills its argument with unpredictable bytes
   */
  renewIdentity?(randomBytes: (into: Uint8Array) => void): void;
}

/**
 * One level-triggered interrupt line, as the device sees it. Setting the level it already has changes nothing, but a
 * device sets a high line high again only when there is a new reason to interrupt: see `Plic`.
 */
export interface InterruptLine {
  set(level: boolean): void;
}

/** Where a character device sends what the guest writes. */
export interface ByteSink {
  write(bytes: Uint8Array): void;
}

/**
 * Guest RAM as devices that do DMA see it: guest physical addresses, little-endian.
 *
 * A physical address is a number: RAM ends below 2^33. Every method but `contains` asserts that the range is RAM,
 * so a device asks `contains` first about every address the guest gave it.
 */
export interface GuestRam {
  /** First guest physical address. */
  readonly base: number;
  readonly byteLength: number;
  /** Whether all of [paddr, paddr + byteLength) is RAM. False for addresses that are not safe integers. */
  contains(paddr: number, byteLength: number): boolean;
  readU16(paddr: number): number;
  readU32(paddr: number): number;
  readU64(paddr: number): bigint;
  writeU16(paddr: number, value: number): void;
  writeU32(paddr: number, value: number): void;
  /** Copies guest memory out. */
  read(paddr: number, into: Uint8Array): void;
  /** Copies into guest memory; translated or decoded code in the range is dropped. */
  write(paddr: number, from: Uint8Array): void;
  /** Makes guest memory zero; what takes up no memory of the host takes up none afterwards. */
  zero(paddr: number, byteLength: number): void;
  /**
   * Guest memory in place, for reading. Valid until the next `await`: never hold it longer.
   */
  view(paddr: number, byteLength: number): Uint8Array;
}
