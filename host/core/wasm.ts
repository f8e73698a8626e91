/**
 * The little of the WebAssembly JavaScript API that the host uses. Neither the es2022 library nor the loader declares
 * it; every engine that runs Vivarium has it as a global.
 */
export interface WasmModule {
  readonly [Symbol.toStringTag]: string;
}
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}
export interface WasmTable {
  readonly length: number;
  grow(delta: number): number;
}
interface WasmApi {
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Memory: new (descriptor: { initial: number; maximum: number }) => WasmMemory;
  readonly Table: new (descriptor: { initial: number; element: "anyfunc" }) => WasmTable;
  readonly Instance: new (module: WasmModule, imports: object) => { readonly exports: object };
  instantiate(module: WasmModule, imports: object): Promise<{ readonly exports: object }>;
  validate(bytes: Uint8Array): boolean;
  compile(bytes: Uint8Array): Promise<WasmModule>;
}

export const wasm: WasmApi = (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly;

/** Bytes in a page of linear memory. */
export const WASM_PAGE_BYTE_LENGTH = 65536;
