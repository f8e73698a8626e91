import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Image } from "../../host/images/image.js";
import { packageDirectory } from "../../host/platform/node/core-module.js";
import { VivariumError } from "../../host/util/errors.js";
import { writeBootedMachine } from "./booted-machine.js";
import { buildPage } from "./build-page.js";
import { writeImageFiles } from "./image-files.js";

/**
 * Makes the folder that a web server serves: page, worker, processor, image, and a machine that has booted it.
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
  await buildPage(join(root, "web/page"), directory);
  const images = join(directory, "images", image.manifest.name);
  await writeImageFiles(image, images);
  await writeBootedMachine(image, images);
}
