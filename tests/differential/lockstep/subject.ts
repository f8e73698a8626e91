import { csrs } from "../../../assembly/isa/csrs.js";
import {
  Core,
  type CoreState,
  EXIT_IDLE,
  EXIT_STUCK,
  type MmioPort,
  type TranslationMode,
  type TranslationTuning,
} from "../../../host/core/core.js";
import type { HartState } from "../../../host/core/hart.js";
import type { TranslatedRegion } from "../../../host/core/translated-region.js";
import type { WasmModule } from "../../../host/core/wasm.js";
import { machineHandler, supervisorHandler } from "./handler.js";
import { HART_NUMBER, SAVED_POINTER, STACK } from "./instructions.js";
import {
  CLINT,
  CLINT_MTIME,
  CLINT_MTIMECMP,
  CODE,
  DATA,
  DATA_PAGES,
  DEVICE,
  DEVICE_ACKNOWLEDGE,
  DEVICE_INTERRUPT,
  DEVICE_NUMBER,
  DEVICE_PLACE,
  DEVICE_STOP,
  DEVICE_WORD,
  MACHINE_HANDLER,
  MARKED_PLACE,
  MARKED_STACK,
  PAGE,
  RAM_BASE,
  RAM_BYTE_LENGTH,
  SAVED,
  SAVED_HART,
  SAVED_PRIVILEGE,
  SAVED_RANDOM,
  SAVED_RECOVER,
  SAVED_STACK,
  SAVED_STRIDE,
  STACK_BYTE_LENGTH,
  SUPERVISOR_HANDLER,
  SUPERVISOR_SAVED,
  TABLES,
  TWINS,
} from "./layout.js";
import type { Assembled, HostAction, Scenario, Slice } from "./scenario.js";

const SEIP = 9;
const MSIP = 3;
const SSIP = 1;

const NUMBERS: ReadonlyMap<string, number> = new Map(csrs.map(({ name, number }) => [name, number]));

/** A core and the little of a board that scenarios need. Runs one after the other. */
export class Subject {
  readonly core: Core;
  /** What devices saw, when: at which mtime, which counts instructions. */
  readonly accesses: bigint[] = [];
  /** What was translated since the last fresh start, if it is watched. */
  readonly regions: TranslatedRegion[] = [];
  #number = 0;
  #place = 0;
  #codePages: readonly number[] = [];

  readonly #powerOn: { readonly core: CoreState; readonly harts: readonly HartState[] };

  private constructor(core: Core) {
    this.core = core;
    this.#powerOn = { core: core.save(), harts: core.harts.map((hart) => hart.save()) };
  }

  static async create(
    module: WasmModule,
    hartCount: number,
    translate: TranslationMode | TranslationTuning,
  ): Promise<Subject> {
    const mmio: MmioPort = {
      read: (paddr, width) => subject.#read(paddr, width),
      write: (paddr, _width, value) => subject.#write(paddr, value),
    };
    const options = { module, memoryByteLength: RAM_BYTE_LENGTH, hartCount, mmio, hostFirmware: false, translate };
    const subject = new Subject(await Core.create(options));
    return subject;
  }

  /** From now on `regions` is filled. */
  watch(): void {
    this.core.onTranslation = (regions) => this.regions.push(...regions);
  }

  /** Puts a scenario in place. What the core has translated stays, unless `isFresh`. */
  load({ setting, start }: Scenario, { code, twins, symbols }: Assembled, data: Uint8Array, isFresh: boolean): void {
    const { core } = this;
    this.accesses.length = 0;
    this.#number = 0;
    this.#place = 0;
    this.#codePages = setting.codePages;
    if (isFresh) {
      core.reset();
      this.regions.length = 0;
    }
    core.load(this.#powerOn.core);
    for (const hart of core.harts) hart.load(this.#powerOn.harts[hart.id]!);
    const ram = new Uint8Array(RAM_BYTE_LENGTH);
    const view = new DataView(ram.buffer);
    ram.set(machineHandler(), MACHINE_HANDLER - RAM_BASE);
    const { at } = setting;
    ram.set(supervisorHandler(at.supervisorHandler, at.clint, at.device), SUPERVISOR_HANDLER - RAM_BASE);
    ram.set(setting.tables, TABLES - RAM_BASE);
    for (const [n, byte] of code.entries()) ram[this.#codeAt(start + n) - RAM_BASE] = byte;
    for (const [n, twin] of twins.entries()) ram.set(twin, TWINS + n * PAGE - RAM_BASE);
    ram.set(data, DATA - RAM_BASE);
    for (const hart of core.harts) {
      const stack = at.stacks + BigInt(STACK_BYTE_LENGTH * (hart.id + 1) - 256);
      const main = symbols.get(`main${hart.id}`)!;
      const saved = SAVED - RAM_BASE + SAVED_STRIDE * hart.id;
      for (const part of [saved, saved + SUPERVISOR_SAVED]) {
        const set = (offset: number, value: bigint) =>
          view.setBigUint64(part + offset, BigInt.asUintN(64, value), true);
        set(SAVED_RECOVER, main);
        set(SAVED_STACK, stack);
        set(SAVED_PRIVILEGE, BigInt(setting.mode) << 11n);
        set(SAVED_RANDOM, BigInt(hart.id + 1) * 0x9e3779b97f4a7c15n);
        set(SAVED_HART, BigInt(hart.id));
      }
      view.setBigUint64(saved + MARKED_PLACE, main, true);
      view.setBigUint64(saved + MARKED_STACK, stack, true);
    }
    core.ram.write(RAM_BASE, ram);
    core.setTime(0n, 1);
    for (const hart of core.harts) this.#startHart(hart.id, setting, symbols);
  }

  #startHart(id: number, setting: Scenario["setting"], symbols: ReadonlyMap<string, bigint>): void {
    const hart = this.core.harts[id]!;
    const { at } = setting;
    for (let n = 0; n < 32; n++) {
      hart.setX(n, setting.x[n]!);
      hart.setF(n, setting.f[n]!);
    }
    for (const [name, value] of Object.entries(setting.csrs)) hart.setCsr(NUMBERS.get(name)!, value);
    hart.setCsr(NUMBERS.get("mscratch")!, BigInt(SAVED + SAVED_STRIDE * id));
    hart.setCsr(NUMBERS.get("sscratch")!, at.saved + BigInt(SAVED_STRIDE * id + SUPERVISOR_SAVED));
    hart.setCsr(NUMBERS.get("satp")!, setting.spaces[0]);
    // Offsets of loads and stores reach 2 KiB either way, and pointers that move a page on.
    const data = at.data + BigInt(PAGE);
    for (const [register, offset] of [
      [2, 0],
      [8, 8 * 321],
      [9, 1237],
      [15, PAGE - 4],
    ] as const) {
      hart.setX(register, data + BigInt(offset));
    }
    hart.setX(HART_NUMBER, BigInt(id));
    hart.setX(SAVED_POINTER, at.saved + BigInt(SAVED_STRIDE * id));
    hart.setX(STACK, at.stacks + BigInt(STACK_BYTE_LENGTH * (id + 1) - 256));
    for (const bit of [SSIP, MSIP, SEIP]) hart.setInterruptPending(bit, false);
    hart.mtimecmp = 100n + BigInt(id);
    hart.start(symbols.get(`main${id}`)!, setting.mode, setting.x[10]!, setting.x[11]!);
  }

  /**
   * Runs a slice, then does what the host does after it.
   *
   * @returns why `run` returned; undefined when nothing will ever happen any more
   */
  run({ budget, afterwards }: Slice): number | undefined {
    const { core } = this;
    const exit = core.run(budget);
    if (exit === EXIT_IDLE || exit === EXIT_STUCK) {
      const timer = core.nextTimer;
      if (timer === null || exit === EXIT_STUCK) return undefined;
      if (timer > core.mtime) core.setTime(timer, 1);
    }
    if (afterwards !== undefined) this.#act(afterwards);
    return exit;
  }

  #act(action: HostAction): void {
    const { harts, ram } = this.core;
    const first = harts[0]!;
    switch (action) {
      case "flushTlb":
        for (const hart of harts) hart.flushTlb();
        break;
      case "saveAndLoad":
        for (const hart of harts) hart.load(hart.save());
        break;
      case "softwareInterrupt":
        first.setInterruptPending(MSIP, true);
        break;
      case "externalInterrupt":
        first.setInterruptPending(SEIP, true);
        break;
      case "writeCode":
        // The same bytes again: what was made from them has to go, and to come back.
        ram.write(CODE, ram.view(CODE, PAGE).slice());
        break;
    }
  }

  #codeAt(offset: number): number {
    return CODE + this.#codePages[offset >> 12]! * PAGE + (offset & 0xfff);
  }

  #read(paddr: number, width: number): number {
    const { core } = this;
    if (paddr === CLINT_MTIME) return Number(core.mtime & 0xffff_ffffn);
    if (paddr === CLINT_MTIME + 4) return Number(core.mtime >> 32n);
    if (paddr === DEVICE + DEVICE_NUMBER || paddr === DEVICE + DEVICE_NUMBER + 4) {
      this.accesses.push(core.mtime);
      this.#number = (Math.imul(this.#number, 0x41c64e6d) + 12345) >>> 0;
      return width === 4 ? this.#number : this.#number & (2 ** (8 * width) - 1);
    }
    return -1;
  }

  #write(paddr: number, value: number): boolean {
    const { harts, ram } = this.core;
    this.accesses.push(this.core.mtime, BigInt(paddr), BigInt(value));
    const software = (paddr - CLINT) / 4;
    if (software >= 0 && software < harts.length) {
      harts[software]!.setInterruptPending(MSIP, (value & 1) === 1);
      return true;
    }
    const timer = (paddr - CLINT_MTIMECMP) / 4;
    if (timer >= 0 && timer < 2 * harts.length) {
      const hart = harts[timer >> 1]!;
      const old = hart.mtimecmp;
      hart.mtimecmp = timer & 1 ? (BigInt(value) << 32n) | (old & 0xffff_ffffn) : ((old >> 32n) << 32n) | BigInt(value);
      return true;
    }
    switch (paddr - DEVICE) {
      case DEVICE_NUMBER:
        break;
      case DEVICE_INTERRUPT:
        harts[(value & 3) % harts.length]!.setInterruptPending(SEIP, true);
        break;
      case DEVICE_ACKNOWLEDGE:
        for (const hart of harts) hart.setInterruptPending(SEIP, false);
        break;
      case DEVICE_PLACE:
        this.#place = value & (8 * PAGE - 1) & ~1;
        break;
      case DEVICE_WORD:
        ram.writeU16(this.#codeAt(this.#place), value & 0xffff);
        if ((this.#place & 0xfff) !== 0xffe) ram.writeU16(this.#codeAt(this.#place) + 2, value >>> 16);
        break;
      case DEVICE_STOP:
        this.core.requestStop();
        break;
      default:
        return false;
    }
    return true;
  }
}

export const DATA_BYTE_LENGTH: number = DATA_PAGES * PAGE;
