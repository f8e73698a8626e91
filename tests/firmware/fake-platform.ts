import type { SbiHart, SbiPlatform, SystemReset } from "../../host/firmware/platform.js";
import { FakeRam } from "../devices/fake-ram.js";

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
