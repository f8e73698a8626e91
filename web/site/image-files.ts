import { createWriteStream } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { Image } from "../../host/images/image.js";
import { formatManifest, MANIFEST_FILE } from "../../host/images/manifest.js";

/** As `host/platform/browser/image-download.ts` asks for it. */
const COMPRESSED_SUFFIX = ".gzip";

/**
 * Puts an image where a browser can fetch it: its manifest, and its files compressed. Does nothing when it is there.
 *
 * @returns whether it had to be written
 */
export async function writeImageFiles(image: Image, directory: string): Promise<boolean> {
  const manifest = formatManifest(image.manifest);
  const manifestPath = join(directory, MANIFEST_FILE);
  // The manifest is written last: where it is, the rest is.
  if ((await readFile(manifestPath, "utf8").catch(() => null)) === manifest) return false;
  const temporary = `${directory}.writing`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  const { kernel, initrd } = image.manifest;
  await Promise.all([
    compress(image.kernel, join(temporary, kernel.file + COMPRESSED_SUFFIX)),
    compress(image.initrd, join(temporary, initrd.file + COMPRESSED_SUFFIX)),
  ]);
  await writeFile(join(temporary, MANIFEST_FILE), manifest);
  await rm(directory, { recursive: true, force: true });
  await rename(temporary, directory);
  return true;
}

async function compress(content: Uint8Array, path: string): Promise<void> {
  await pipeline(Readable.from([content]), createGzip(), createWriteStream(path));
}
