import { FLOAT_HELPERS } from "../../assembly/generated/float-helper-names.js";
import { MACHINE_FIELDS } from "../../assembly/generated/hart-fields.js";
import { OUTPUT_BASE } from "../../assembly/shared/jit-layout.js";
import { MACHINE_BASE } from "../../assembly/shared/layout.js";
import type { CoreExports, CoreInstance } from "./exports.js";
import { hasFusedMultiplyAdd } from "./fused-multiply-add.js";
import { fieldNamed, type LinearMemory } from "./linear-memory.js";
import { readTranslation, type TranslatedRegion } from "./translated-region.js";
import { type WasmModule, wasm } from "./wasm.js";

/** Functions of the core that regions import, in the order of assembly/jit/helpers.ts. */
const HELPERS = [
  "regionLoad",
  "regionStore",
  "regionStep",
  "regionCsr",
  "regionFlags",
  "callRegion",
  "leaveCold",
  "extendAndUnwind",
  "mulHighSS",
  "mulHighSU",
  "mulHighUU",
  "divS",
  "divU",
  "remS",
  "remU",
  "clmul",
  "clmulReversed",
  "xperm4",
  "xperm8",
] as const;

const IMPORTED_FUNCTIONS: readonly string[] = [...HELPERS, ...FLOAT_HELPERS];

const QUEUED_COUNT = fieldNamed(MACHINE_FIELDS, "queuedCount");
const TABLE_SIZE = fieldNamed(MACHINE_FIELDS, "tableSize");
const CURRENT_HART = fieldNamed(MACHINE_FIELDS, "currentHart");
const TRANSLATE_ALL = fieldNamed(MACHINE_FIELDS, "translateAll");
const HAS_FUSED_MULTIPLY_ADD = fieldNamed(MACHINE_FIELDS, "hasFusedMultiplyAdd");
const HEAT_THRESHOLD = fieldNamed(MACHINE_FIELDS, "heatThreshold");

/** Why regions are left, in the order of assembly/shared/region-exit.ts. */
const EXIT_REASONS = ["budget", "access", "step", "nested", "refused", "cold"] as const;
export type RegionExitReason = (typeof EXIT_REASONS)[number];

/** What has been translated since the core was made. */
export interface TranslationStats {
  /** Functions of the guest, or parts of them; again those that were translated anew. */
  readonly regions: number;
  readonly modules: number;
  /** Length of the modules. */
  readonly byteLength: number;
  /** Spent writing modules, while the guest waited. */
  readonly translateMs: number;
  /** From handing a module to the engine until its functions were linked; the guest runs meanwhile. */
  readonly compileMs: number;
  /** Instructions retired in regions. */
  readonly instructions: bigint;
  /** How often regions were left other than by a return, by reason. */
  readonly exits: Readonly<Record<RegionExitReason, number>>;
  /** Regions dropped because their code was written. */
  readonly invalidations: number;
  /** How often everything was forgotten because there was too much. */
  readonly restarts: number;
}

/** Regions worth a module at once, and calls of collect after which fewer are. */
const QUEUED_ENOUGH = 24;
const WAIT_CALLS = 1;
/**
 * Linking a module costs a copy of the table, and what becomes hot late is seldom as hot as what did at first: with
 * so many regions more, a region has to be as hot again, and waits a call longer. Limits on how often that is counted.
 */
const HEAT_STEP_REGIONS = 1024;
const HEAT_STEPS_MAX = 3;
const WAIT_STEP_REGIONS = 512;
const WAIT_STEPS_MAX = 7;
/** Table slots added beyond those needed. */
const TABLE_GROWTH = 256;
/** Copies of table entries, at some 30 bytes, that may be in use before everything is forgotten. */
const TABLE_ENTRIES_MAX = 8_000_000;
/** Wasm that may be in use before everything is forgotten, unless another limit is set. */
export const DEFAULT_TRANSLATION_BYTE_LENGTH = 64 * 1024 * 1024;

export interface RegionLinkerOptions {
  /** Length of all modules together, in bytes, at which everything is forgotten and translation begins anew. */
  readonly byteLengthMax: number;
  /** A clock for statistics. */
  readonly nowMs: () => number;
  /** Called once when the host does not let WebAssembly be compiled at run time: everything is interpreted then. */
  readonly onRefused: (reason: string) => void;
}

/** Compiles the modules that the core's translator writes, and links their functions into the core's table. */
export class RegionLinker {
  readonly #instance: CoreInstance;
  readonly #exports: CoreExports;
  readonly #memory: LinearMemory;
  #imports: object;
  /** Told of the regions of each module that is written. */
  observer: ((regions: readonly TranslatedRegion[]) => void) | undefined;
  #heatThreshold = 0;
  #isCompiling = false;
  #waited = 0;
  #byteLengthInUse = 0;
  /** How often everything was forgotten: a module that was compiled meanwhile is nobody's any more. */
  #generation = 0;
  /** Lengths of the table when each module was linked: engines have a copy a module. */
  #tableEntries = 0;
  #counts = { regions: 0, modules: 0, byteLength: 0, translateMs: 0, compileMs: 0, restarts: 0 };

  readonly #options: RegionLinkerOptions;
  /** What went wrong while nobody waited; thrown by the next call. */
  #failure: unknown = null;

  constructor(instance: CoreInstance, memory: LinearMemory, options: RegionLinkerOptions) {
    this.#options = options;
    this.#instance = instance;
    this.#exports = instance.exports;
    this.#memory = memory;
    this.#imports = importsFrom(instance);
  }

  /** To be called after each reset of the core. */
  start(heatThreshold: number, translatesAll: boolean): void {
    this.heatThreshold = heatThreshold;
    this.#memory.set(MACHINE_BASE, TRANSLATE_ALL, translatesAll ? 1n : 0n);
    this.#memory.set(MACHINE_BASE, HAS_FUSED_MULTIPLY_ADD, hasFusedMultiplyAdd() ? 1n : 0n);
  }

  /** How hot the first regions are. */
  set heatThreshold(turns: number) {
    this.#heatThreshold = turns;
    this.#setHeat();
  }

  get stats(): TranslationStats {
    const field = (name: string, index = 0) => this.#memory.get(MACHINE_BASE, fieldNamed(MACHINE_FIELDS, name), index);
    return {
      ...this.#counts,
      instructions: field("translatedRetired"),
      exits: Object.fromEntries(EXIT_REASONS.map((reason, n) => [reason, Number(field("regionExits", n))])) as Record<
        RegionExitReason,
        number
      >,
      invalidations: Number(field("killedRegions")),
    };
  }

  /** Translates what has become hot since the last call; the functions are entered when they are compiled. */
  collect(synchronously: boolean): void {
    if (this.#failure !== null) throw this.#failure;
    if (this.#isCompiling || !this.#hasEnough(synchronously)) return;
    if (this.#isFull) {
      this.#startOver();
      return;
    }
    const before = this.#tableSize;
    const start = this.#options.nowMs();
    const byteLength = this.#exports.translate(Number(this.#memory.get(MACHINE_BASE, CURRENT_HART)));
    this.#counts.translateMs += this.#options.nowMs() - start;
    if (byteLength === 0) return;
    this.#byteLengthInUse += byteLength;
    this.#counts.modules++;
    this.#counts.byteLength += byteLength;
    this.#counts.regions += this.#tableSize - before;
    const bytes = this.#memory.bytes.slice(OUTPUT_BASE, OUTPUT_BASE + byteLength);
    this.observer?.(readTranslation(this.#memory, bytes, IMPORTED_FUNCTIONS));
    if (synchronously) this.#compileNow(bytes);
    else void this.#compile(bytes);
  }

  get #isFull(): boolean {
    return (
      this.#exports.isFull() !== 0 ||
      this.#byteLengthInUse >= this.#options.byteLengthMax ||
      this.#tableEntries >= TABLE_ENTRIES_MAX
    );
  }

  /** A module costs something whatever is in it: few regions wait some calls for more. */
  #hasEnough(synchronously: boolean): boolean {
    const queued = Number(this.#memory.get(MACHINE_BASE, QUEUED_COUNT));
    if (queued === 0) return false;
    this.#waited++;
    const calls = WAIT_CALLS + Math.min(WAIT_STEPS_MAX, Math.floor(this.#tableSize / WAIT_STEP_REGIONS));
    if (!synchronously && queued < QUEUED_ENOUGH && this.#waited < calls) return false;
    this.#waited = 0;
    return true;
  }

  get #tableSize(): number {
    return Number(this.#memory.get(MACHINE_BASE, TABLE_SIZE));
  }

  #compileNow(bytes: Uint8Array): void {
    let module: WasmModule;
    try {
      module = new wasm.Module(bytes);
    } catch (error) {
      this.#refuse(bytes, error);
      return;
    }
    this.#link(module);
  }

  async #compile(bytes: Uint8Array): Promise<void> {
    this.#isCompiling = true;
    const generation = this.#generation;
    const start = this.#options.nowMs();
    try {
      const module = await wasm.compile(bytes).catch((error) => this.#refuse(bytes, error));
      if (module !== null && generation === this.#generation) this.#link(module);
    } catch (error) {
      this.#failure = error;
    } finally {
      this.#isCompiling = false;
      this.#counts.compileMs += this.#options.nowMs() - start;
    }
  }

  /** A content security policy may forbid compiling; a module that is not valid is an error of ours. */
  #refuse(bytes: Uint8Array, error: unknown): null {
    if (!wasm.validate(bytes)) throw error;
    this.heatThreshold = 0;
    this.#options.onRefused(error instanceof Error ? error.message : String(error));
    return null;
  }

  #link(module: WasmModule): void {
    const { table } = this.#instance;
    const missing = this.#tableSize - table.length;
    if (missing > 0) table.grow(missing + TABLE_GROWTH);
    new wasm.Instance(module, this.#imports);
    this.#tableEntries += table.length;
    this.#exports.regionsReady();
    this.#setHeat();
  }

  #setHeat(): void {
    const steps = Math.min(HEAT_STEPS_MAX, this.#tableSize / HEAT_STEP_REGIONS);
    this.#memory.set(MACHINE_BASE, HEAT_THRESHOLD, BigInt(Math.round(this.#heatThreshold * (1 + steps))));
  }

  #startOver(): void {
    this.#exports.forgetCode();
    this.forgetAll();
    this.#counts.restarts++;
  }

  /** To be called when the core has forgotten its regions: lets go of their functions, those being compiled included. */
  forgetAll(): void {
    this.#waited = 0;
    this.#generation++;
    if (this.#byteLengthInUse === 0) return;
    this.#byteLengthInUse = 0;
    this.#tableEntries = 0;
    this.#setHeat();
    this.#instance.renew();
    this.#imports = importsFrom(this.#instance);
  }
}

/** What modules import, by name. */
function importsFrom({ exports, memory, table }: CoreInstance): object {
  const functions = exports as unknown as Readonly<Record<string, unknown>>;
  const named = [memory, table, ...IMPORTED_FUNCTIONS.map((name) => functions[name])];
  return { e: Object.fromEntries(named.map((value, n) => [n.toString(16).padStart(3, "0"), value])) };
}
