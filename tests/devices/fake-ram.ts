import type { GuestRam } from "../../host/devices/device.js";
import { assert } from "../../host/util/errors.js";

export const FAKE_RAM_BASE = 0x8000_0000;

/** Guest RAM in an array. Like the real one it fails an assertion when a device reaches outside. */
export class FakeRam implements GuestRam {
  readonly base = FAKE_RAM_BASE;
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(byteLength = 0x10_0000) {
    this.bytes = new Uint8Array(byteLength);
    this.#view = new DataView(this.bytes.buffer);
  }

  get byteLength(): number {
    return this.bytes.length;
  }

  contains(paddr: number, byteLength: number): boolean {
    return (
      Number.isSafeInteger(paddr) &&
      Number.isSafeInteger(byteLength) &&
      byteLength >= 0 &&
      paddr >= this.base &&
      paddr + byteLength <= this.base + this.byteLength
    );
  }

  readU16(paddr: number): number {
    return this.#view.getUint16(this.#offset(paddr, 2), true);
  }

  readU32(paddr: number): number {
    return this.#view.getUint32(this.#offset(paddr, 4), true);
  }

  readU64(paddr: number): bigint {
    return this.#view.getBigUint64(this.#offset(paddr, 8), true);
  }

  writeU16(paddr: number, value: number): void {
    this.#view.setUint16(this.#offset(paddr, 2), value, true);
  }

  zero(paddr: number, byteLength: number): void {
    const offset = this.#offset(paddr, byteLength);
    this.bytes.fill(0, offset, offset + byteLength);
  }

  writeU32(paddr: number, value: number): void {
    this.#view.setUint32(this.#offset(paddr, 4), value, true);
  }

  writeU64(paddr: number, value: bigint): void {
    this.#view.setBigUint64(this.#offset(paddr, 8), value, true);
  }

  read(paddr: number, into: Uint8Array): void {
    into.set(this.view(paddr, into.length));
  }

  write(paddr: number, from: Uint8Array): void {
    this.bytes.set(from, this.#offset(paddr, from.length));
  }

  view(paddr: number, byteLength: number): Uint8Array {
    const offset = this.#offset(paddr, byteLength);
    return this.bytes.subarray(offset, offset + byteLength);
  }

  #offset(paddr: number, byteLength: number): number {
    assert(this.contains(paddr, byteLength), `${byteLength} bytes at ${paddr.toString(16)} are not RAM`);
    return paddr - this.base;
  }
}
