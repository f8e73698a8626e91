/**
 * Images as a web server has them: the image's directory, with each file compressed.
 *
 *     manifest.json      as in the directory (`images/manifest.ts`): its lengths and checksums are the uncompressed files'
 *     kernel.gzip        the file "kernel" of the manifest, compressed with gzip
 *     initrd.gzip
 *
 * The names do not end in ".gz", which some servers take for a content encoding: the browser would unpack them too.
 */
import type { Image, ImageProgress } from "../../images/image.js";
import { requireKernelImage } from "../../images/kernel-image.js";
import { type ImageFile, MANIFEST_FILE, MANIFEST_MAX_BYTES, parseManifest } from "../../images/manifest.js";
import { VivariumError } from "../../util/errors.js";
import { fetchFile, readBody } from "./fetch-file.js";

const COMPRESSED_SUFFIX = ".gzip";

/**
 * Fetches an image, unpacks it as it arrives, and compares it with its checksums.
 *
 * @param directory ends with a slash
 * @param onProgress told of stage "download"
 * @throws VivariumError "download/failed", "download/too-long", or as for an image on a disk: "image/manifest",
 *   "image/damaged", "image/kernel"; "image/disk" for one that has a disk
 */
export async function downloadImage(directory: URL, onProgress: (progress: ImageProgress) => void): Promise<Image> {
  const manifestUrl = new URL(MANIFEST_FILE, directory);
  const text = await readBody(manifestUrl, (await fetchFile(manifestUrl)).body, MANIFEST_MAX_BYTES);
  const manifest = parseManifest(new TextDecoder().decode(text), manifestUrl.pathname);
  if (manifest.disk !== undefined) {
    const message = `image ${manifest.name} has a disk, and a page has nothing to keep it in; expected one without`;
    throw new VivariumError("image/disk", message, { image: manifest.name });
  }

  const totalBytes = manifest.kernel.byteLength + manifest.initrd.byteLength;
  let doneBytes = 0;
  const count = (byteLength: number): void => {
    doneBytes += byteLength;
    onProgress({ stage: "download", doneBytes, totalBytes });
  };
  count(0);
  const [kernel, initrd] = await Promise.all([
    downloadPart(directory, manifest.kernel, count),
    downloadPart(directory, manifest.initrd, count),
  ]);
  requireKernelImage(kernel, new URL(manifest.kernel.file, directory).pathname);
  return { manifest, kernel, initrd, commandLine: manifest.commandLine, disk: null };
}

async function downloadPart(
  directory: URL,
  { file, byteLength, sha256 }: ImageFile,
  onBytes: (byteLength: number) => void,
): Promise<Uint8Array> {
  const url = new URL(file + COMPRESSED_SUFFIX, directory);
  // The address changes with the content, so that no cache answers with the file of an older image.
  url.search = sha256;
  const { body } = await fetchFile(url);
  const unpacked = body?.pipeThrough(new DecompressionStream("gzip")) ?? null;
  const content = await readBody(url, unpacked, byteLength, onBytes);
  if (content.length !== byteLength) {
    throw damaged(url, `it holds ${content.length} bytes, the manifest says ${byteLength}`);
  }
  const actual = await sha256Of(content);
  if (actual !== null && actual !== sha256) throw damaged(url, `its SHA-256 is ${actual}, the manifest says ${sha256}`);
  return content;
}

/** Null on a page from plain http: browsers have no SHA-256 there, and who could change the file could change the page. */
async function sha256Of(content: Uint8Array): Promise<string | null> {
  if (!isSecureContext) return null;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content as Uint8Array<ArrayBuffer>));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function damaged(url: URL, problem: string): VivariumError {
  return new VivariumError("image/damaged", `${url.pathname}: ${problem}`, { url: url.href });
}
