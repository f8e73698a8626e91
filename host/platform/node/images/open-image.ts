import { homedir } from "node:os";
import { join } from "node:path";
import { DEBIAN } from "../../../images/debian.js";
import { DEBIAN_MINI } from "../../../images/debian-mini.js";
import type { Image, OpenImageOptions } from "../../../images/image.js";
import { cacheDirectory } from "./cache-directory.js";
import { DebianBuilder } from "./debian-builder.js";
import { DebianMiniBuilder } from "./debian-mini-builder.js";
import { MIRROR_VARIABLE } from "./debian-mirror.js";
import { FileImageStore, type ImageBuilder } from "./file-image-store.js";

/** The images that can be built here, in the user's cache directory. */
export function imageStore(environment: Readonly<Record<string, string | undefined>> = process.env): FileImageStore {
  const directory = join(cacheDirectory(environment, homedir()), "images");
  const mirror = environment[MIRROR_VARIABLE];
  const builders = new Map<string, ImageBuilder>([
    [DEBIAN_MINI, new DebianMiniBuilder(mirror)],
    [DEBIAN, new DebianBuilder(mirror)],
  ]);
  return new FileImageStore(directory, builders);
}

/**
 * The image of that name, built first when it is not in the user's cache directory; or the one in a directory.
 *
 * @throws VivariumError when there is none, it is damaged, or it cannot be built
 */
export function openImage(name: string, options: OpenImageOptions = {}): Promise<Image> {
  return imageStore().open(name, options);
}
