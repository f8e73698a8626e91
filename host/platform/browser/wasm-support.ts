import { VivariumError } from "../../util/errors.js";

/** The smallest module: magic number and version. */
const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/**
 * Why WebAssembly could not be had, if that is the reason: a page's policy can forbid it.
 *
 * @returns a VivariumError `wasm/forbidden` or `wasm/unsupported`, or the error itself
 */
export async function explainWasmFailure(error: unknown): Promise<unknown> {
  if (typeof WebAssembly === "undefined") return unsupported("it has no WebAssembly");
  const isForbidden = await WebAssembly.compile(EMPTY_MODULE).then(
    () => false,
    () => true,
  );
  if (isForbidden) {
    const message =
      "this page's Content-Security-Policy allows no WebAssembly; its script-src needs 'wasm-unsafe-eval'";
    return new VivariumError("wasm/forbidden", message);
  }
  return error instanceof WebAssembly.CompileError ? unsupported(error.message) : error;
}

function unsupported(why: string): VivariumError {
  return new VivariumError("wasm/unsupported", `this browser cannot run the machine: ${why}`);
}
