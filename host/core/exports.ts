import { type WasmMemory, type WasmModule, type WasmTable, wasm } from "./wasm.js";

/** Slots of a new table. */
const TABLE_LENGTH = 256;

/** What assembly/index.ts exports. 64-bit integers are bigints. */
export interface CoreExports {
  reset(hartCount: number, ramByteLength: number, hostFirmware: number): void;
  run(budget: number): number;
  refreshHart(id: number): void;
  ramWritten(paddr: number, byteLength: number): void;
  readCsr(id: number, number: number): bigint;
  writeCsr(id: number, number: number, value: bigint): void;
  peek(id: number, vaddr: bigint): bigint;
  flushTlb(id: number): void;
  mtime(): bigint;
  setTime(ticks: bigint, ticksPerInstruction: bigint): void;
  nextTimer(): bigint;
  translate(id: number): number;
  regionsReady(): void;
  /** 1 or 0. */
  isFull(): number;
  forgetCode(): void;
}

/** What assembly/host.ts imports. */
export interface CoreImports {
  mmioLoad(paddr: number, byteLength: number): number;
  mmioStore(paddr: number, byteLength: number, value: number): void;
}

/**
 * The core over a memory that holds all of its state, and over a table of translated functions.
 *
 * Engines keep a module alive as long as a table that it imports (V8 does, with a copy of the table for each): the way
 * to be rid of modules is another table, and another instance of the core that uses it.
 */
export class CoreInstance {
  /** The same object for ever; what it holds are the present instance's functions. */
  readonly exports: CoreExports;
  readonly memory: WasmMemory;
  readonly #module: WasmModule;
  readonly #imports: CoreImports;
  #table: WasmTable;

  private constructor(module: WasmModule, memory: WasmMemory, imports: CoreImports, table: WasmTable, exports: object) {
    this.#module = module;
    this.memory = memory;
    this.#imports = imports;
    this.#table = table;
    this.exports = { ...exports } as CoreExports;
  }

  static async create(module: WasmModule, memory: WasmMemory, imports: CoreImports): Promise<CoreInstance> {
    const table = newTable();
    const { exports } = await wasm.instantiate(module, { env: { memory, table, ...imports } });
    return new CoreInstance(module, memory, imports, table, exports);
  }

  get table(): WasmTable {
    return this.#table;
  }

  /** Goes on with an empty table; to be called between runs. Nothing in memory may refer to the old one's slots. */
  renew(): void {
    this.#table = newTable();
    const env = { memory: this.memory, table: this.#table, ...this.#imports };
    Object.assign(this.exports, new wasm.Instance(this.#module, { env }).exports);
  }
}

function newTable(): WasmTable {
  return new wasm.Table({ initial: TABLE_LENGTH, element: "anyfunc" });
}
