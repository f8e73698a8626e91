import { PAGE_BYTE_LENGTH, RAM_BASE, RAM_PADDR } from "../../assembly/shared/layout.js";
import { isZero } from "../util/bytes.js";
import { assert } from "../util/errors.js";
import type { CoreExports } from "./exports.js";
import type { LinearMemory } from "./linear-memory.js";
import { PAGES_PER_QUAD, type RamPages } from "./ram-pages.js";

const QUAD_BYTE_LENGTH = PAGES_PER_QUAD * PAGE_BYTE_LENGTH;
const ZEROES = new Uint8Array(QUAD_BYTE_LENGTH);

/**
 * Guest RAM by guest physical address, little-endian. Devices see it as their `GuestRam`.
 *
 * Every method but `contains` asserts that its range is RAM.
 */
export class Ram {
  readonly base: number = RAM_PADDR;
  readonly byteLength: number;
  readonly pages: RamPages;
  readonly #memory: LinearMemory;
  readonly #core: CoreExports;

  constructor(memory: LinearMemory, core: CoreExports, pages: RamPages, byteLength: number) {
    this.pages = pages;
    this.byteLength = byteLength;
    this.#memory = memory;
    this.#core = core;
  }

  /** Whether all of [paddr, paddr + byteLength) is RAM. */
  contains(paddr: number, byteLength: number): boolean {
    return (
      Number.isSafeInteger(paddr) &&
      byteLength >= 0 &&
      paddr >= this.base &&
      paddr - this.base + byteLength <= this.byteLength
    );
  }

  readU16(paddr: number): number {
    return this.#memory.data.getUint16(this.#address(paddr, 2), true);
  }
  readU32(paddr: number): number {
    return this.#memory.data.getUint32(this.#address(paddr, 4), true);
  }
  readU64(paddr: number): bigint {
    return this.#memory.data.getBigUint64(this.#address(paddr, 8), true);
  }
  writeU16(paddr: number, value: number): void {
    this.#memory.data.setUint16(this.#address(paddr, 2), value, true);
    this.#core.ramWritten(paddr, 2);
  }
  writeU32(paddr: number, value: number): void {
    this.#memory.data.setUint32(this.#address(paddr, 4), value, true);
    this.#core.ramWritten(paddr, 4);
  }

  /** Copies guest memory out. */
  read(paddr: number, into: Uint8Array): void {
    into.set(this.view(paddr, into.length));
  }

  /** Copies into guest memory; decoded code in the range is dropped and its pages are marked dirty. */
  write(paddr: number, from: Uint8Array): void {
    this.#memory.bytes.set(from, this.#address(paddr, from.length));
    this.#core.ramWritten(paddr, from.length);
  }

  /**
   * Makes guest memory zero. Memory that has never been used stays so, for reading it costs the host nothing; absent pages
   * are never brought in.
   */
  zero(paddr: number, byteLength: number): void {
    const end = paddr + byteLength;
    for (let at = paddr; at < end; ) {
      const quad = Math.floor((at - this.base) / QUAD_BYTE_LENGTH);
      const next = Math.min(end, this.base + (quad + 1) * QUAD_BYTE_LENGTH);
      const isWhole = next - at === QUAD_BYTE_LENGTH && this.contains(at, QUAD_BYTE_LENGTH);
      if (!(isWhole && this.pages.dropAbsent(quad))) this.#zeroPresent(at, next - at);
      at = next;
    }
  }

  #zeroPresent(paddr: number, byteLength: number): void {
    if (!isZero(this.view(paddr, byteLength))) this.write(paddr, ZEROES.subarray(0, byteLength));
  }

  /** Guest memory in place, for reading until the next `await`. */
  view(paddr: number, byteLength: number): Uint8Array {
    const address = this.#address(paddr, byteLength);
    return this.#memory.bytes.subarray(address, address + byteLength);
  }

  #address(paddr: number, byteLength: number): number {
    // The message would cost more than the access.
    if (!this.contains(paddr, byteLength)) {
      assert(false, `ram: 0x${paddr.toString(16)} + ${byteLength} is outside RAM`);
    }
    const offset = paddr - this.base;
    this.pages.ensurePresent(offset, byteLength);
    return offset + RAM_BASE;
  }
}
