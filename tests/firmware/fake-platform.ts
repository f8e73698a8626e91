import type { GuestRam } from "../../host/devices/device.js";
import type { SbiHart, SbiPlatform, SystemReset } from "../../host/firmware/platform.js";

/** A hart that runs nothing: registers, CSRs, and a note of what was done to it. */
export class FakeHart implements SbiHart {
  pc = 0n;
  runState: "started" | "stopped" | "waiting" = "stopped";
  privilege = 3;
  readonly done: string[] = [];
  readonly #x = new Map<number, bigint>();
  readonly #csrs = new Map<number, bigint>();

  constructor(readonly id: number) {}

  x(register: number): bigint {
    return this.#x.get(register) ?? 0n;
  }
  setX(register: number, value: bigint): void {
    this.#x.set(register, value);
  }
  csr(number: number): bigint {
    return this.#csrs.get(number) ?? 0n;
  }
  setCsr(number: number, value: bigint): void {
    this.#csrs.set(number, value);
  }
  start(pc: bigint, privilege: number, a0: bigint, a1: bigint): void {
    this.pc = pc;
    this.privilege = privilege;
    this.setX(10, a0);
    this.setX(11, a1);
    this.runState = "started";
  }
  stop(): void {
    this.runState = "stopped";
  }
  wait(): void {
    this.runState = "waiting";
  }
  setInterruptPending(bit: number, level: boolean): void {
    this.done.push(`interrupt ${bit} ${level}`);
  }
  flushTlb(): void {
    this.done.push("flushTlb");
  }
}

/** Guest RAM at 0x80000000. */
export class FakeRam implements GuestRam {
  readonly base = 0x8000_0000;
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(readonly byteLength: number) {
    this.bytes = new Uint8Array(byteLength);
    this.#view = new DataView(this.bytes.buffer);
  }

  contains(paddr: number, byteLength: number): boolean {
    return (
      Number.isSafeInteger(paddr) &&
      Number.isSafeInteger(byteLength) &&
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
  zero(paddr: number, byteLength: number): void {
    this.view(paddr, byteLength).fill(0);
  }
  view(paddr: number, byteLength: number): Uint8Array {
    const offset = this.#offset(paddr, byteLength);
    return this.bytes.subarray(offset, offset + byteLength);
  }
  #offset(paddr: number, byteLength: number): number {
    if (!this.contains(paddr, byteLength)) throw new Error(`not RAM: ${byteLength} bytes at ${paddr}`);
    return paddr - this.base;
  }
}

/** A platform of fakes; hart 0 runs, the others are stopped. */
export class FakePlatform implements SbiPlatform {
  readonly harts: readonly FakeHart[];
  readonly ram = new FakeRam(0x10_0000);
  /** What the guest wrote, as Latin-1. */
  output = "";
  /** What was typed and not read. */
  input = "";
  readonly resets: SystemReset[] = [];
  readonly console = {
    write: (bytes: Uint8Array): void => {
      this.output += Buffer.from(bytes).toString("latin1");
    },
    read: (into: Uint8Array): number => {
      const taken = Buffer.from(this.input.slice(0, into.length), "latin1");
      into.set(taken);
      this.input = this.input.slice(taken.length);
      return taken.length;
    },
  };

  constructor(hartCount: number) {
    this.harts = Array.from({ length: hartCount }, (_, id) => new FakeHart(id));
    this.harts[0]!.runState = "started";
  }

  reset(request: SystemReset): void {
    this.resets.push(request);
  }
}
