import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { type WasmModule, wasm } from "../../core/wasm.js";
import { VivariumError } from "../../util/errors.js";

const CORE_PATH = "build/core.wasm";

/**
 * The package's own directory: the nearest one above this file that has a package.json. The same for the sources,
 * for `dist` in a clone and for an installed package.
 */
export function packageDirectory(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, "package.json"))) {
    const parent = dirname(directory);
    if (parent === directory)
      throw new VivariumError("package/incomplete", "the package has no package.json; install it again");
    directory = parent;
  }
  return directory;
}

/**
 * What the translator makes use of where it is there. Branch hints keep the slow paths out of the way of the engine's
 * register allocator; relaxed SIMD has the processor's fused multiply-add. Node 20's engine has both, switched off.
 */
const WASM_FEATURES = ["branch-hinting", "relaxed-simd"] as const;
/**
 * Of long functions V8 allocates registers in a hurry: their code gets half as long again, and a frame has kilobytes.
 * Compiling, on another thread, takes longer without.
 */
const NO_HURRY = "--no-turbo-use-mid-tier-regalloc-for-huge-functions";

/**
 * Compiles the processor.
 *
 * @throws VivariumError `core/missing` when it has not been built
 */
export async function loadCoreModule(): Promise<WasmModule> {
  for (const feature of WASM_FEATURES) setFlagsFromString(`--experimental-wasm-${feature}`);
  setFlagsFromString(NO_HURRY);
  return wasm.compile(await readCore());
}

/** The processor before it is compiled. @throws VivariumError `core/missing` when it has not been built */
export async function readCore(): Promise<Uint8Array> {
  const file = join(packageDirectory(), CORE_PATH);
  try {
    return await readFile(file);
  } catch {
    throw new VivariumError("core/missing", `${file}: the processor is not built; run "npm run build" first`, { file });
  }
}
