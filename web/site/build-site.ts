import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { build } from "vite";
import { DEBIAN_MINI } from "../../host/images/debian-mini.js";
import { packageDirectory } from "../../host/platform/node/core-module.js";
import { openWithProgress } from "../../host/platform/node/guest-image.js";
import { Output } from "../../host/platform/node/output.js";
import { VivariumError } from "../../host/util/errors.js";
import { writeImageFiles } from "./image-files.js";

/**
 * Makes the folder that a web server serves: page, worker, processor, and the image, which is made first if need be.
 *
 * @param directory absolute; what is in it stays, but for `assets/`
 * @throws VivariumError when the processor is not built or the image cannot be made
 */
export async function buildSite(directory: string): Promise<void> {
  const root = packageDirectory();
  const core = join(root, "build/core.wasm");
  if (!existsSync(core)) {
    throw new VivariumError("core/missing", `${core}: the processor is not built; run "npm run build" first`);
  }
  const image = await openWithProgress(DEBIAN_MINI, new Output(process.stderr));
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
  await writeImageFiles(image, join(directory, "images", DEBIAN_MINI));
}
