import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { build } from "vite";
import type { Image } from "../../host/images/image.js";
import { packageDirectory } from "../../host/platform/node/core-module.js";
import { VivariumError } from "../../host/util/errors.js";
import { writeImageFiles } from "./image-files.js";

/**
 * Makes the folder that a web server serves: page, worker, processor, image.
 *
 * @param directory absolute; what is in it stays, but for `assets/`
 * @throws VivariumError `core/missing` when the processor is not built
 */
export async function buildSite(directory: string, image: Image): Promise<void> {
  const root = packageDirectory();
  const core = join(root, "build/core.wasm");
  if (!existsSync(core)) {
    throw new VivariumError("core/missing", `${core}: the processor is not built; run "npm run build" first`);
  }
  await rm(join(directory, "assets"), { recursive: true, force: true });
  await build({
    configFile: false,
    root: join(root, "web/page"),
    // Relative addresses, so that the folder can lie anywhere on a host.
    base: "./",
    logLevel: "warn",
    publicDir: false,
    build: {
      outDir: directory,
      emptyOutDir: false,
      target: "es2022",
      assetsInlineLimit: 0,
      // The source is open, and whoever debugs a page wants it.
      sourcemap: true,
      chunkSizeWarningLimit: 2048,
    },
    worker: { format: "es" },
  });
  await writeImageFiles(image, join(directory, "images", image.manifest.name));
}
