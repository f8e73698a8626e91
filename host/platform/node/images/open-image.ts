import { homedir } from "node:os";
import { join } from "node:path";
import type { Image, OpenImageOptions } from "../../../images/image.js";
import { DEBIAN_MINI } from "../../../images/image-names.js";
import { cacheDirectory } from "./cache-directory.js";
import { DebianMiniBuilder } from "./debian-mini-builder.js";
import { MIRROR_VARIABLE } from "./debian-mirror.js";
import { FileImageStore } from "./file-image-store.js";

/** The images that can be built here, in the user's cache directory. */
export function imageStore(environment: Readonly<Record<string, string | undefined>> = process.env): FileImageStore {
  const directory = join(cacheDirectory(environment, homedir()), "images");
  return new FileImageStore(directory, new Map([[DEBIAN_MINI, new DebianMiniBuilder(environment[MIRROR_VARIABLE])]]));
}

/**
 * The image of that name, built first when it is not in the user's cache directory; or the one in a directory.
 *
 * @throws VivariumError when there is none, it is damaged, or it cannot be built
 */
export function openImage(name: string, options: OpenImageOptions = {}): Promise<Image> {
  return imageStore().open(name, options);
}
