import { type WasmModule, wasm } from "../../core/wasm.js";
import { VivariumError } from "../../util/errors.js";
import { fetchFile } from "./fetch-file.js";

/**
 * Compiles the processor while it arrives.
 *
 * @throws VivariumError `download/failed` when it cannot be had, `core/forbidden` when the page's policy allows no
 *   WebAssembly, `core/unsupported` when the browser cannot run it
 */
export async function fetchCoreModule(url: URL): Promise<WasmModule> {
  if (typeof WebAssembly === "undefined") throw unsupported("it has no WebAssembly");
  const response = await fetchFile(url);
  try {
    // Streaming insists on the media type, which simple servers do not know.
    const isTyped = response.headers.get("content-type")?.startsWith("application/wasm") === true;
    if (!isTyped) return await wasm.compile(new Uint8Array(await response.arrayBuffer()));
    return (await WebAssembly.compileStreaming(response)) as unknown as WasmModule;
  } catch (error) {
    throw await explain(error);
  }
}

/** The smallest module: magic number and version. */
const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

async function explain(error: unknown): Promise<unknown> {
  const forbidden = await WebAssembly.compile(EMPTY_MODULE).then(
    () => false,
    () => true,
  );
  if (forbidden) {
    const message =
      "this page's Content-Security-Policy allows no WebAssembly; its script-src needs 'wasm-unsafe-eval'";
    return new VivariumError("core/forbidden", message);
  }
  return error instanceof WebAssembly.CompileError ? unsupported(error.message) : error;
}

function unsupported(why: string): VivariumError {
  return new VivariumError("core/unsupported", `this browser cannot run the processor: ${why}`);
}
