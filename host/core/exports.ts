import { type WasmMemory, type WasmModule, type WasmTable, wasm } from "./wasm.js";

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
  bringIn(page: number): void;
}

/** Instantiates the core over a memory of its own. */
export async function instantiateCore(
  module: WasmModule,
  memory: WasmMemory,
  table: WasmTable,
  imports: CoreImports,
): Promise<CoreExports> {
  const instance = await wasm.instantiate(module, { env: { memory, table, ...imports } });
  return instance.exports as unknown as CoreExports;
}
