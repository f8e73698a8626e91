import { FLOAT_HELPERS } from "../../assembly/generated/float-helper-names.js";
import { MACHINE_FIELDS } from "../../assembly/generated/hart-fields.js";
import { OUTPUT_BASE } from "../../assembly/jit/layout.js";
import { MACHINE_BASE } from "../../assembly/shared/layout.js";
import type { CoreExports } from "./exports.js";
import { fieldNamed, type LinearMemory } from "./linear-memory.js";
import { type WasmMemory, type WasmModule, type WasmTable, wasm } from "./wasm.js";

/** Functions of the core that regions import, in the order of assembly/jit/helpers.ts. */
const HELPERS = [
  "regionLoad",
  "regionStore",
  "regionStep",
  "callRegion",
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

const QUEUED_COUNT = fieldNamed(MACHINE_FIELDS, "queuedCount");
const TABLE_SIZE = fieldNamed(MACHINE_FIELDS, "tableSize");
const CURRENT_HART = fieldNamed(MACHINE_FIELDS, "currentHart");
const HEAT_THRESHOLD = fieldNamed(MACHINE_FIELDS, "heatThreshold");

export interface TranslationStats {
  readonly modules: number;
  readonly bytes: number;
  readonly compileMs: number;
}

/** Compiles the modules that the core's translator writes, and links their functions into the core's table. */
export class RegionLinker {
  readonly #exports: CoreExports;
  readonly #memory: LinearMemory;
  readonly #table: WasmTable;
  readonly #imports: object;
  #compiling = false;
  #stats = { modules: 0, bytes: 0, compileMs: 0 };

  constructor(exports: CoreExports, memory: LinearMemory, wasmMemory: WasmMemory, table: WasmTable) {
    this.#exports = exports;
    this.#memory = memory;
    this.#table = table;
    const functions = exports as unknown as Readonly<Record<string, unknown>>;
    const named = [wasmMemory, table, ...[...HELPERS, ...FLOAT_HELPERS].map((name) => functions[name])];
    this.#imports = { e: Object.fromEntries(named.map((value, n) => [n.toString(16).padStart(3, "0"), value])) };
  }

  set heatThreshold(turns: number) {
    this.#memory.set(MACHINE_BASE, HEAT_THRESHOLD, BigInt(turns));
  }
  get stats(): TranslationStats {
    return this.#stats;
  }

  /** Translates what has become hot since the last call; the functions are entered when they are compiled. */
  collect(synchronously: boolean): void {
    if (this.#compiling || this.#memory.get(MACHINE_BASE, QUEUED_COUNT) === 0n) return;
    const byteLength = this.#exports.translate(Number(this.#memory.get(MACHINE_BASE, CURRENT_HART)));
    if (byteLength === 0) return;
    const bytes = this.#memory.bytes.slice(OUTPUT_BASE, OUTPUT_BASE + byteLength);
    this.#stats.modules++; (globalThis as never as {dump?:(b:Uint8Array)=>void}).dump?.(bytes);
    this.#stats.bytes += byteLength;
    if (synchronously) {
      this.#link(new wasm.Module(bytes));
      return;
    }
    this.#compiling = true;
    void wasm.compile(bytes).then((module) => {
      this.#compiling = false;
      this.#link(module);
    });
  }

  #link(module: WasmModule): void {
    const size = Number(this.#memory.get(MACHINE_BASE, TABLE_SIZE));
    if (this.#table.length < size) this.#table.grow(size - this.#table.length + 256);
    new wasm.Instance(module, this.#imports);
    this.#exports.regionsReady();
  }
}
