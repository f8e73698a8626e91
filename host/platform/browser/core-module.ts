import { type WasmModule, wasm } from "../../core/wasm.js";
import { fetchFile } from "./fetch-file.js";
import { explainWasmFailure } from "./wasm-support.js";

/**
 * Compiles the processor while it arrives.
 *
 * @throws VivariumError `download/failed` when it cannot be had, `wasm/forbidden`, `wasm/unsupported`
 */
export async function fetchCoreModule(url: URL): Promise<WasmModule> {
  const response = await fetchFile(url);
  try {
    // Streaming insists on the media type, which simple servers do not know.
    const isTyped = response.headers.get("content-type")?.startsWith("application/wasm") === true;
    if (!isTyped) return await wasm.compile(new Uint8Array(await response.arrayBuffer()));
    return (await WebAssembly.compileStreaming(response)) as unknown as WasmModule;
  } catch (error) {
    throw await explainWasmFailure(error);
  }
}
