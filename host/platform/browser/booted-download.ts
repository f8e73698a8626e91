/**
 * A machine that was booted when the site was built, as a web server has it beside the image that it was booted from:
 *
 *     booted.json        { "file": "booted-0123456789abcdef.viv", "byteLength": 20283392 }
 *     booted-*.viv       a machine file, at the guest's prompt
 */
import type { ImageProgress } from "../../images/image.js";
import { VivariumError } from "../../util/errors.js";
import { fetchFile, readBody } from "./fetch-file.js";

const DESCRIPTION_FILE = "booted.json";
const DESCRIPTION_MAX_BYTES = 1000;
const FILE_NAME = /^booted-\w+\.viv$/;

interface Description {
  readonly file: string;
  readonly byteLength: number;
}

/**
 * Fetches the machine file that lies beside an image.
 *
 * @param directory the image's; ends with a slash
 * @param onProgress told of stage "download"
 * @returns null when there is none, or it cannot be had: the image can be booted instead
 */
export async function downloadBooted(
  directory: URL,
  onProgress: (progress: ImageProgress) => void,
): Promise<Blob | null> {
  try {
    const description = await fetchDescription(new URL(DESCRIPTION_FILE, directory));
    if (description === null) return null;
    const { file, byteLength: totalBytes } = description;
    let doneBytes = 0;
    const url = new URL(file, directory);
    const content = await readBody(url, (await fetchFile(url)).body, totalBytes, (byteLength) => {
      doneBytes += byteLength;
      onProgress({ stage: "download", doneBytes, totalBytes });
    });
    return content.length === totalBytes ? new Blob([content as Uint8Array<ArrayBuffer>]) : null;
  } catch (error) {
    if (error instanceof VivariumError) return null;
    throw error;
  }
}

async function fetchDescription(url: URL): Promise<Description | null> {
  const bytes = await readBody(url, (await fetchFile(url)).body, DESCRIPTION_MAX_BYTES);
  let value: Partial<Record<keyof Description, unknown>> | null;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
  const { file, byteLength } = value ?? {};
  const isGood = typeof file === "string" && FILE_NAME.test(file) && Number.isSafeInteger(byteLength);
  return isGood ? { file, byteLength: byteLength as number } : null;
}
