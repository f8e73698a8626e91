/**
 * Core-local interruptor: software interrupts and timers of M-mode, in SiFive's CLINT layout.
 *
 * | offset             | byte length | access | register                                                |
 * |--------------------|-------------|--------|---------------------------------------------------------|
 * | 0x0000 + 4 * hart  | 4           | rw     | msip: bit 0 raises the hart's machine software interrupt |
 * | 0x4000 + 8 * hart  | 8           | rw     | mtimecmp: the machine timer interrupt is up while mtime >= it |
 * | 0xbff8             | 8           | rw     | mtime: ticks of the timebase                            |
 *
 * Aligned accesses of any width reach the part of the register at their offset.
 *
 * The processor keeps what these registers show, since it needs it between any two instructions: this device is
 * their window and has no state of its own.
 *
 * Source: RISC-V ACLINT Specification 1.0-rc4, chapters 2 (MTIMER) and 3 (MSWI), and its section 1.3 on the CLINT.
 */
import { type StateOf, schema } from "../util/schema.js";
import type { Device, Width } from "./device.js";

const WINDOW_BYTE_LENGTH = 0x10000;

const MTIMECMP_BASE = 0x4000;
const MTIME = 0xbff8;
const MSIP_BYTE_LENGTH = 4;
const TIMER_BYTE_LENGTH = 8;

/** The processor's part of the interruptor. Times are in ticks, unsigned 64-bit. */
export interface HartTimers {
  readonly hartCount: number;
  msip(hart: number): boolean;
  setMsip(hart: number, level: boolean): void;
  mtimecmp(hart: number): bigint;
  setMtimecmp(hart: number, mtimecmp: bigint): void;
  mtime(): bigint;
  setMtime(mtime: bigint): void;
}

const aclintSchema = schema("aclint", 1, {});
type AclintFields = typeof aclintSchema.fields;
type AclintState = StateOf<AclintFields>;

/** `byte` is where in the register the access starts. */
type Register =
  | { readonly kind: "msip"; readonly hart: number; readonly byte: number }
  | { readonly kind: "mtimecmp"; readonly hart: number; readonly byte: number }
  | { readonly kind: "mtime"; readonly byte: number }
  | { readonly kind: "none" };

const NO_REGISTER: Register = { kind: "none" };

export class Aclint implements Device<AclintFields> {
  readonly schema = aclintSchema;
  readonly windowByteLength = WINDOW_BYTE_LENGTH;
  readonly #timers: HartTimers;

  constructor(timers: HartTimers) {
    this.#timers = timers;
  }

  read(offset: number, width: Width): number {
    const register = this.#locate(offset, width);
    switch (register.kind) {
      case "msip":
        return register.byte === 0 && this.#timers.msip(register.hart) ? 1 : 0;
      case "mtimecmp":
        return extract(this.#timers.mtimecmp(register.hart), register.byte, width);
      case "mtime":
        return extract(this.#timers.mtime(), register.byte, width);
      case "none":
        return 0;
    }
  }

  write(offset: number, value: number, width: Width): void {
    const register = this.#locate(offset, width);
    switch (register.kind) {
      case "msip":
        // Bits 31 to 1 are wired to zero, so only the lowest byte matters.
        if (register.byte === 0) this.#timers.setMsip(register.hart, (value & 1) !== 0);
        return;
      case "mtimecmp": {
        const mtimecmp = this.#timers.mtimecmp(register.hart);
        this.#timers.setMtimecmp(register.hart, insert(mtimecmp, value, register.byte, width));
        return;
      }
      case "mtime":
        this.#timers.setMtime(insert(this.#timers.mtime(), value, register.byte, width));
        return;
      case "none":
        return;
    }
  }

  /** Nothing to do: the processor resets what it keeps. */
  reset(): void {}

  save(): AclintState {
    return {};
  }

  /** Nothing to do: the processor loads what it keeps. */
  load(_state: AclintState): void {}

  #locate(offset: number, width: Width): Register {
    if (offset % width !== 0) return NO_REGISTER;
    if (offset < MTIMECMP_BASE) {
      const hart = Math.floor(offset / MSIP_BYTE_LENGTH);
      return this.#exists(hart) ? { kind: "msip", hart, byte: offset % MSIP_BYTE_LENGTH } : NO_REGISTER;
    }
    if (offset < MTIME) {
      const hart = Math.floor((offset - MTIMECMP_BASE) / TIMER_BYTE_LENGTH);
      return this.#exists(hart) ? { kind: "mtimecmp", hart, byte: offset % TIMER_BYTE_LENGTH } : NO_REGISTER;
    }
    return offset < MTIME + TIMER_BYTE_LENGTH ? { kind: "mtime", byte: offset - MTIME } : NO_REGISTER;
  }

  #exists(hart: number): boolean {
    return hart < this.#timers.hartCount;
  }
}

/** `width` bytes of a 64-bit register from byte `byte` on. */
function extract(register: bigint, byte: number, width: Width): number {
  return Number(BigInt.asUintN(width * 8, register >> BigInt(byte * 8)));
}

/** A 64-bit register with the `width` bytes from byte `byte` on replaced. */
function insert(register: bigint, value: number, byte: number, width: Width): bigint {
  const shift = BigInt(byte * 8);
  const mask = ((1n << BigInt(width * 8)) - 1n) << shift;
  return (register & ~mask) | (BigInt(value) << shift);
}
