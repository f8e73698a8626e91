/**
 * Images as a web server has them: the directory of the image with each file compressed.
 *
 *     manifest.json      as in the directory (`images/manifest.ts`); its lengths and checksums are the uncompressed files'
 *     kernel.gzip        the file "kernel" of the manifest, compressed with gzip
 *     initrd.gzip
 *
 * The name does not end in ".gz", which some servers take for a content encoding: the browser would then unpack it too.
 */
import type { Image } from "../../images/image.js";
import { requireKernelImage } from "../../images/kernel-image.js";
import { type ImageFile, MANIFEST_FILE, MANIFEST_MAX_BYTES, parseManifest } from "../../images/manifest.js";
import { VivariumError } from "../../util/errors.js";
import { downloadFailed, fetchFile } from "./fetch-file.js";

export const COMPRESSED_SUFFIX = ".gzip";

/** Counted in uncompressed bytes. */
export interface DownloadProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/**
 * Fetches an image, unpacks it as it arrives, and compares it with its checksums.
 *
 * @param directory ends with a slash
 * @throws VivariumError "download/failed", or as for an image on a disk: "image/manifest", "image/damaged",
 *   "image/kernel"
 */
export async function downloadImage(directory: URL, onProgress: (progress: DownloadProgress) => void): Promise<Image> {
  const manifestUrl = new URL(MANIFEST_FILE, directory);
  const text = await collect(await fetchFile(manifestUrl), manifestUrl, MANIFEST_MAX_BYTES, () => {});
  const manifest = parseManifest(new TextDecoder().decode(text), manifestUrl.pathname);

  const totalBytes = manifest.kernel.byteLength + manifest.initrd.byteLength;
  let doneBytes = 0;
  const count = (byteLength: number): void => {
    doneBytes += byteLength;
    onProgress({ doneBytes, totalBytes });
  };
  const [kernel, initrd] = await Promise.all([
    downloadPart(directory, manifest.kernel, count),
    downloadPart(directory, manifest.initrd, count),
  ]);
  requireKernelImage(kernel, new URL(manifest.kernel.file, directory).pathname);
  return { manifest, kernel, initrd, commandLine: manifest.commandLine };
}

async function downloadPart(
  directory: URL,
  { file, byteLength, sha256 }: ImageFile,
  onBytes: (byteLength: number) => void,
): Promise<Uint8Array> {
  const url = new URL(file + COMPRESSED_SUFFIX, directory);
  const response = await fetchFile(url);
  const content = await collect(response, url, byteLength, onBytes, new DecompressionStream("gzip"));
  if (content.length !== byteLength) {
    throw damaged(url, `it holds ${content.length} bytes, the manifest says ${byteLength}`);
  }
  const actual = await sha256Of(content);
  if (actual !== null && actual !== sha256) throw damaged(url, `its SHA-256 is ${actual}, the manifest says ${sha256}`);
  return content;
}

/** Reads a body that may not be longer than `byteLengthMax`. */
async function collect(
  response: Response,
  url: URL,
  byteLengthMax: number,
  onBytes: (byteLength: number) => void,
  transform?: DecompressionStream,
): Promise<Uint8Array> {
  const { body } = response;
  if (body === null) throw downloadFailed(url, "the answer is empty");
  const reader = (transform === undefined ? body : body.pipeThrough(transform)).getReader();
  const parts: Uint8Array[] = [];
  let byteLength = 0;
  for (;;) {
    const { done, value } = await reader.read().catch((error: unknown) => {
      // A stream that is no gzip ends in a TypeError, as does a connection that breaks.
      throw downloadFailed(url, error instanceof Error ? error.message : String(error));
    });
    if (done) break;
    byteLength += value.length;
    if (byteLength > byteLengthMax) {
      await reader.cancel();
      throw damaged(url, `it is longer than ${byteLengthMax} bytes`);
    }
    parts.push(value);
    onBytes(value.length);
  }
  return concatenate(parts, byteLength);
}

function concatenate(parts: readonly Uint8Array[], byteLength: number): Uint8Array {
  const whole = new Uint8Array(byteLength);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Null on pages from plain http: a browser has no SHA-256 there, and the connection could replace the page as well. */
async function sha256Of(content: Uint8Array): Promise<string | null> {
  if (!isSecureContext) return null;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content as Uint8Array<ArrayBuffer>));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function damaged(url: URL, problem: string): VivariumError {
  return new VivariumError("image/damaged", `${url.pathname}: ${problem}`, { url: url.href });
}
