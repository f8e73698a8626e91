import { MACHINE_FIELDS } from "../../assembly/generated/hart-fields.js";
import {
  MACHINE_BASE,
  MAX_HARTS,
  MAX_RAM_BYTE_LENGTH,
  PAGE_BYTE_LENGTH,
  RAM_BASE,
} from "../../assembly/shared/layout.js";
import { assert } from "../util/errors.js";
import { type StateOf, schema, u64 } from "../util/schema.js";
import { type CoreExports, CoreInstance } from "./exports.js";
import { Hart } from "./hart.js";
import { checkCoreState } from "./hart-limits.js";
import { fieldNamed, LinearMemory } from "./linear-memory.js";
import { Ram } from "./ram.js";
import { RamPages } from "./ram-pages.js";
import { DEFAULT_TRANSLATION_BYTE_LENGTH, RegionLinker, type TranslationStats } from "./region-linker.js";
import type { TranslatedRegion } from "./translated-region.js";
import { WASM_PAGE_BYTE_LENGTH, type WasmModule, wasm } from "./wasm.js";

export { EXIT_BUDGET, EXIT_ECALL, EXIT_IDLE, EXIT_STOP, EXIT_STUCK } from "./exits.js";

/** Access width in bytes. */
export type Width = 1 | 2 | 4;

/** Where accesses to physical addresses that are not RAM go. */
export interface MmioPort {
  /** @returns an unsigned integer of `width` bytes, or -1 when nothing is there: an access fault */
  read(paddr: number, width: Width): number;
  /** @returns false when nothing is there: an access fault */
  write(paddr: number, width: Width, value: number): boolean;
}

export interface CoreOptions {
  readonly module: WasmModule;
  /** A multiple of 4096, at most about 4 GiB less 64 MiB. */
  readonly memoryByteLength: number;
  /** 1 to 8. */
  readonly hartCount: number;
  readonly mmio: MmioPort;
  /** Whether environment calls from S-mode make `run` return EXIT_ECALL instead of trapping to M-mode. */
  readonly hostFirmware: boolean;
  /** Off unless given. */
  readonly translate?: TranslationMode | TranslationTuning;
  /** Translated code that is kept, in bytes of Wasm; DEFAULT_TRANSLATION_BYTE_LENGTH unless given. */
  readonly translationByteLengthMax?: number;
  /** A clock for statistics, in ms; without one they say no times. */
  readonly nowMs?: () => number;
  /** Called once when the host does not let WebAssembly be compiled at run time: everything is interpreted then. */
  readonly onTranslationRefused?: (reason: string) => void;
}

/** Whether code is translated to Wasm: when it is hot, never, or at once. What the guest sees is the same. */
export type TranslationMode = "on" | "off" | "eager";

/** When code is translated, in detail: for tests and experiments. */
export interface TranslationTuning {
  /** How hot a jump's target must get: what a turn of a loop or a call adds is in jit/dispatch.ts. 0 is never. */
  readonly heatThreshold: number;
  /** Whether code that was never executed is translated with what was. */
  readonly translatesAll: boolean;
  /** Whether `run` waits for the host to compile, so that what it does next depends on nothing else. */
  readonly isSynchronous: boolean;
}

const TUNINGS: Readonly<Record<TranslationMode, TranslationTuning>> = {
  on: { heatThreshold: 8_000, translatesAll: false, isSynchronous: false },
  off: { heatThreshold: 0, translatesAll: false, isSynchronous: false },
  eager: { heatThreshold: 1, translatesAll: true, isSynchronous: true },
};

const named = (name: string) => fieldNamed(MACHINE_FIELDS, name);
const RETIRED = named("retired");
const STOP_REQUESTED = named("stopRequested");
const MMIO_FAULT = named("mmioFault");
const EXIT_HART = named("exitHart");
const TRACING = named("tracing");
const CURRENT_HART = named("currentHart");
const TURN_LEFT = named("turnLeft");

const SAVED_FIELDS = MACHINE_FIELDS.filter((field) => field.saved);

/** What the harts share: whose turn it is and the clock, under the names of isa/hart.ts. */
export const coreSchema = schema("core", 1, Object.fromEntries(SAVED_FIELDS.map(({ name }) => [name, u64(name)])));
export type CoreState = StateOf<typeof coreSchema.fields>;

const TWO_TO_32 = 2 ** 32;

/** The guest's processor: harts and RAM in one Wasm instance. */
export class Core {
  readonly ram: Ram;
  readonly harts: readonly Hart[];
  readonly #memory: LinearMemory;
  readonly #exports: CoreExports;
  readonly #options: CoreOptions;
  readonly #linker: RegionLinker;
  readonly #tuning: TranslationTuning;

  private constructor(
    memory: LinearMemory,
    exports: CoreExports,
    pages: RamPages,
    options: CoreOptions,
    linker: RegionLinker,
  ) {
    this.#linker = linker;
    this.#memory = memory;
    this.#exports = exports;
    this.#options = options;
    const { translate = "off" } = options;
    this.#tuning = typeof translate === "string" ? TUNINGS[translate] : translate;
    this.ram = new Ram(memory, exports, pages, options.memoryByteLength);
    this.harts = Array.from({ length: options.hartCount }, (_, id) => new Hart(id, memory, exports));
  }

  /** A core in its power-on state with RAM all zero. @throws RangeError when the host cannot give that much memory */
  static async create(options: CoreOptions): Promise<Core> {
    const { memoryByteLength, hartCount, mmio } = options;
    assert(hartCount >= 1 && hartCount <= MAX_HARTS, `core: ${hartCount} harts`);
    assert(memoryByteLength % PAGE_BYTE_LENGTH === 0, `core: ${memoryByteLength} bytes is no whole number of pages`);
    assert(memoryByteLength > 0 && memoryByteLength <= MAX_RAM_BYTE_LENGTH, `core: ${memoryByteLength} bytes of RAM`);
    const initial = Math.ceil((RAM_BASE + memoryByteLength) / WASM_PAGE_BYTE_LENGTH);
    const wasmMemory = new wasm.Memory({ initial, maximum: initial });
    const memory = new LinearMemory(wasmMemory.buffer);
    const pages = new RamPages(memory, memoryByteLength);
    const fault = () => memory.set(MACHINE_BASE, MMIO_FAULT, 1n);
    const instance = await CoreInstance.create(options.module, wasmMemory, {
      mmioLoad(paddr, byteLength) {
        const value = mmio.read(paddr >>> 0, byteLength as Width);
        if (value >= 0) return value;
        fault();
        return 0;
      },
      mmioStore(paddr, byteLength, value) {
        const unsigned = byteLength === 4 ? value >>> 0 : value & (byteLength === 2 ? 0xffff : 0xff);
        if (!mmio.write(paddr >>> 0, byteLength as Width, unsigned)) fault();
      },
      bringIn: (page) => pages.bringIn(page >>> 0),
    });
    const linker = new RegionLinker(instance, memory, {
      byteLengthMax: options.translationByteLengthMax ?? DEFAULT_TRANSLATION_BYTE_LENGTH,
      nowMs: options.nowMs ?? (() => 0),
      onRefused: options.onTranslationRefused ?? (() => undefined),
    });
    const core = new Core(memory, instance.exports, pages, options, linker);
    core.reset();
    return core;
  }

  /**
   * Begins to note anew which pages are written. Cached translations are forgotten: a store to a page that is in the
   * store TLB is noted nowhere. All of them and not those of stores alone, so that the harts are as they are in a
   * machine that goes on from here.
   */
  forgetWritten(): void {
    this.flushTlbs();
    this.ram.pages.forgetWritten();
  }

  /** Makes all harts forget what they have translated. */
  flushTlbs(): void {
    for (const hart of this.harts) hart.flushTlb();
  }

  /** Power-on state of all harts, each stopped until started; RAM is left as it is. */
  reset(): void {
    this.#exports.reset(this.harts.length, this.ram.byteLength, this.#options.hostFirmware ? 1 : 0);
    this.#linker.forgetAll();
    this.#linker.start(this.#tuning.heatThreshold, this.#tuning.translatesAll);
  }

  /**
   * Executes exactly `budget` instructions over all harts unless it stops for a reason.
   *
   * @param budget below 2^32
   * @returns EXIT_BUDGET, EXIT_IDLE, EXIT_ECALL, EXIT_STOP or EXIT_STUCK
   */
  run(budget: number): number {
    const exit = this.#exports.run(budget);
    this.#linker.collect(this.#tuning.isSynchronous);
    return exit;
  }

  /** The hart whose environment call made `run` return EXIT_ECALL. */
  get exitHart(): number {
    return Number(this.#get(EXIT_HART));
  }
  /** Instructions retired by all harts since reset, as of the last return of `run`. */
  get retired(): bigint {
    return this.#get(RETIRED);
  }
  /** The hart whose turn it is, and how many instructions are left of it: part of the state of the whole. */
  get turn(): { readonly hart: number; readonly left: number } {
    return { hart: Number(this.#get(CURRENT_HART)), left: Number(this.#get(TURN_LEFT)) };
  }

  /** mtime in ticks; correct to the instruction, also during an MMIO access. */
  get mtime(): bigint {
    return BigInt.asUintN(64, this.#exports.mtime());
  }
  /** Sets the clock: mtime now, and its rate until the next call. */
  setTime(mtime: bigint, ticksPerInstruction: number): void {
    this.#exports.setTime(mtime, BigInt(Math.round(ticksPerInstruction * TWO_TO_32)));
  }
  /** The mtime at which the first armed timer of a hart that is not stopped fires, or null. */
  get nextTimer(): bigint | null {
    const ticks = BigInt.asUintN(64, this.#exports.nextTimer());
    return ticks === 0xffff_ffff_ffff_ffffn ? null : ticks;
  }

  /** From within an MMIO access: makes `run` return EXIT_STOP right after the instruction. */
  requestStop(): void {
    this.#set(STOP_REQUESTED, 1n);
  }

  /** What has been translated since the core was made. */
  get translation(): TranslationStats {
    return this.#linker.stats;
  }

  /** To be told of every region that is translated from now on, also those that turn out to be outdated. */
  set onTranslation(observer: ((regions: readonly TranslatedRegion[]) => void) | undefined) {
    this.#linker.observer = observer;
  }

  /** While on, instructions are executed one by one and the last one begun is recorded. */
  set tracing(on: boolean) {
    this.#set(TRACING, on ? 1n : 0n);
  }
  /** A field of the record of the instruction last begun, by its name in isa/hart.ts. */
  traced(
    field: "traceHart" | "tracePc" | "traceWord" | "traceDecoded" | "traceRs1" | "traceRs2" | "tracePrivilege",
  ): bigint {
    return this.#get(named(field));
  }

  /** What the harts share. Harts, RAM and devices are saved by themselves. */
  save(): CoreState {
    return Object.fromEntries(SAVED_FIELDS.map((field) => [field.name, this.#get(field)]));
  }
  /**
   * Takes over a state that `decode` has validated.
   *
   * @throws VivariumError `bad-state` for values that a processor cannot have
   */
  load(state: CoreState): void {
    checkCoreState(state, this.harts.length);
    for (const field of SAVED_FIELDS) this.#set(field, state[field.name]!);
  }

  #get(field: typeof RETIRED): bigint {
    return this.#memory.get(MACHINE_BASE, field);
  }
  #set(field: typeof RETIRED, value: bigint): void {
    this.#memory.set(MACHINE_BASE, field, value);
  }
}
