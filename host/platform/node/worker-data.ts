import type { WasmModule } from "../../core/wasm.js";

/** What a worker is given when it is started. */
export interface NodeWorkerData {
  /** The processor, compiled, when that has been done already: for a spare worker. */
  readonly core?: WasmModule;
}
