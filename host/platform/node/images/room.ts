import { statfs } from "node:fs/promises";
import { MIB } from "../../../control/byte-length.js";
import { VivariumError } from "../../../util/errors.js";

/** An image cannot be made in `directory`, whose file system has not enough room. */
export function noRoom(directory: string, problem: string): VivariumError {
  const message = `the file system of ${directory} ${problem}: set VIV_CACHE_DIR to a directory with more room`;
  return new VivariumError("image/cache", message, { directory });
}

/** @throws VivariumError `image/cache` unless `byteLength` bytes can be written to files in `directory` */
export async function requireRoom(directory: string, byteLength: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize >= byteLength) return;
  const [needed, free] = [byteLength, bavail * bsize].map((length) => `${Math.ceil(length / MIB)} MiB`);
  throw noRoom(directory, `has ${free} left of the ${needed} it takes`);
}
