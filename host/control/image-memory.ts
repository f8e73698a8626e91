import type { ImageManifest } from "../images/manifest.js";
import { VivariumError } from "../util/errors.js";
import { formatByteLength, MIB } from "./byte-length.js";

/**
 * A kernel that has not enough memory panics before it could say so well.
 *
 * @throws VivariumError `image/memory`
 */
export function checkImageMemory(
  { name, minimumMemoryMiB }: Pick<ImageManifest, "name" | "minimumMemoryMiB">,
  memoryByteLength: number,
): void {
  if (minimumMemoryMiB === undefined || memoryByteLength >= minimumMemoryMiB * MIB) return;
  const [least, given] = [minimumMemoryMiB * MIB, memoryByteLength].map(formatByteLength);
  throw new VivariumError("image/memory", `image ${name} needs ${least} of memory or more; got ${given}`, {
    image: name,
    minimumMemoryMiB,
  });
}
