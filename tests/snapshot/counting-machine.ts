/** A guest whose whole history is easy to tell: it counts, and writes the count all over its memory. */
import { Machine, type MachineOptions, type MachineState, type ResumeOptions } from "../../host/machine/machine.js";
import { NodeHostServices } from "../../host/platform/node/host-services.js";
import { bare, core } from "../machine/test-machine.js";

const MIB = 1024 * 1024;

/** Counts in a1 and stores the count page after page of four MiB; after each 32768 it prints a dot. */
export const COUNTER = bare(`
    li s0, UART
    li s1, 0x80400000
    li s2, 0x80800000
  again:
    addi a1, a1, 1
    sd a1, (s1)
    addi s1, s1, 1032
    bltu s1, s2, 1f
    li s1, 0x80400000
  1:
    li t0, 0x7fff
    and t0, a1, t0
    bnez t0, again
    li t0, 46
    sb t0, (s0)
    j again
`);

/** A machine that stops when it has printed so many dots: under the virtual clock, always at the same instruction. */
export class CountingMachine {
  dots = 0;
  #goal = Number.POSITIVE_INFINITY;
  #machine: Machine | null = null;

  static async create(options: Partial<MachineOptions> = {}): Promise<CountingMachine> {
    const self = new CountingMachine();
    self.#machine = await Machine.create({
      ...(await self.#wires()),
      boot: COUNTER,
      hartCount: 1,
      memoryByteLength: 16 * MIB,
      clock: "virtual",
      drives: [],
      ...options,
    });
    return self;
  }

  /** @param dots how many the machine had printed when `state` was captured */
  static async resume(state: MachineState, dots = 0, options: Partial<ResumeOptions> = {}): Promise<CountingMachine> {
    const self = new CountingMachine();
    self.dots = dots;
    self.#machine = await Machine.resume(state, { ...(await self.#wires()), identity: "kept", ...options });
    return self;
  }

  get machine(): Machine {
    return this.#machine!;
  }

  async runUntil(dots: number): Promise<void> {
    this.#goal = dots;
    await this.machine.run();
  }

  async #wires() {
    const serial = {
      write: (bytes: Uint8Array): void => {
        this.dots += bytes.length;
        if (this.dots >= this.#goal) this.machine.stop();
      },
    };
    return { core: await core(), serial, host: new NodeHostServices() };
  }
}
