/**
 * The host-target interface of riscv-tests and of programs linked with its runtime: two doublewords in memory.
 *
 *     tohost   63     56 55     48 47                    0
 *             | device  | command | payload               |
 *
 * Device 0 takes, with command 0, an odd payload as the program's end and an even one as the address of a system
 * call: number and arguments as doublewords, the result in the place of the number. Device 1 is the console;
 * command 1 writes a character. Everything is taken by setting tohost to 0.
 *
 * Source: riscv-isa-sim's fesvr (device.cc, syscall.cc, term.cc) and riscv-tests' benchmarks/common/syscalls.c.
 */
import type { ByteSink, GuestRam } from "../devices/device.js";
import type { HtifAddresses } from "./boot.js";

/** The program ended: exitCode 0 and testNumber 0, or exitCode 1 and what failed. */
export interface HtifEnd {
  readonly exitCode: number;
  readonly testNumber: number;
}

const DEVICE_SYSTEM = 0;
const DEVICE_CONSOLE = 1;
const COMMAND_SYSTEM_CALL = 0;
const COMMAND_CONSOLE_WRITE = 1;
const DEVICE_SHIFT = 56n;
const COMMAND_SHIFT = 48n;
const PAYLOAD_MASK = (1n << 48n) - 1n;

const SYS_WRITE = 64n;
const SYS_EXIT = 93n;
const STDOUT = 1n;
const STDERR = 2n;
const ENOSYS = 38n;
const EBADF = 9n;
const EFAULT = 14n;

const DOUBLEWORD = 8;
/** Number and three arguments are read, one result is written. */
const CALL_BYTE_LENGTH = 4 * DOUBLEWORD;

export class Htif {
  readonly #ram: GuestRam;
  readonly #addresses: HtifAddresses;
  readonly #output: ByteSink;

  constructor(ram: GuestRam, addresses: HtifAddresses, output: ByteSink) {
    this.#ram = ram;
    this.#addresses = addresses;
    this.#output = output;
  }

  /** Takes what the program has put into tohost. @returns the end it asks for, or null */
  poll(): HtifEnd | null {
    const request = this.#ram.readU64(this.#addresses.tohost);
    if (request === 0n) return null;
    this.#write(this.#addresses.tohost, 0n);
    const device = Number(request >> DEVICE_SHIFT);
    const command = Number((request >> COMMAND_SHIFT) & 0xffn);
    const payload = request & PAYLOAD_MASK;
    if (device === DEVICE_SYSTEM && command === COMMAND_SYSTEM_CALL) return this.#system(payload);
    if (device === DEVICE_CONSOLE && command === COMMAND_CONSOLE_WRITE) {
      this.#output.write(Uint8Array.of(Number(payload & 0xffn)));
    }
    return null;
  }

  #system(payload: bigint): HtifEnd | null {
    if ((payload & 1n) === 1n) return end(payload >> 1n);
    const address = Number(payload);
    if (!this.#ram.contains(address, CALL_BYTE_LENGTH)) return null;
    const field = (index: number): bigint => this.#ram.readU64(address + index * DOUBLEWORD);
    switch (field(0)) {
      case SYS_EXIT:
        return end(field(1));
      case SYS_WRITE:
        this.#respond(address, this.#writeOut(field(1), field(2), field(3)));
        return null;
      default:
        this.#respond(address, -ENOSYS);
        return null;
    }
  }

  #writeOut(descriptor: bigint, address: bigint, byteLength: bigint): bigint {
    if (descriptor !== STDOUT && descriptor !== STDERR) return -EBADF;
    if (!this.#ram.contains(Number(address), Number(byteLength))) return -EFAULT;
    const bytes = new Uint8Array(Number(byteLength));
    this.#ram.read(Number(address), bytes);
    this.#output.write(bytes);
    return byteLength;
  }

  /** The program waits until fromhost is not 0. */
  #respond(address: number, result: bigint): void {
    this.#write(address, result);
    if (this.#addresses.fromhost !== null) this.#write(this.#addresses.fromhost, 1n);
  }

  #write(paddr: number, value: bigint): void {
    const bytes = new Uint8Array(DOUBLEWORD);
    new DataView(bytes.buffer).setBigInt64(0, BigInt.asIntN(64, value), true);
    this.#ram.write(paddr, bytes);
  }
}

function end(code: bigint): HtifEnd {
  return { exitCode: code === 0n ? 0 : 1, testNumber: Number(code) };
}
