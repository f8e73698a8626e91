import { instantiate } from "@assemblyscript/loader";
import type { WasmMemory, WasmModule } from "./wasm.js";

/** What assembly/index.ts exports. 64-bit integers are bigints. */
export interface CoreExports {
  reset(hartCount: number, ramByteLength: number, hostFirmware: boolean): void;
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
  imports: CoreImports,
): Promise<CoreExports> {
  const load = instantiate as unknown as (
    source: WasmModule,
    imports: object,
  ) => Promise<{ readonly exports: CoreExports }>;
  const { exports } = await load(module, { env: { memory, ...imports } });
  return exports;
}
