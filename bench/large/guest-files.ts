import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEBIAN_MINI } from "../../host/images/debian-mini.js";
import type { Image } from "../../host/images/image.js";
import { openImage } from "../../host/platform/node/images/open-image.js";
import type { GuestFiles } from "../peers.js";

const MEMORY_MIB = 512;
/** Linux looks for an archive behind another one at a multiple of 4 bytes. */
const ARCHIVE_ALIGNMENT = 4;

/** The default guest, built first if need be. */
export function openDefaultGuest(): Promise<Image> {
  return openImage(DEBIAN_MINI);
}

/**
 * Lets `use` have a guest as files, which are removed afterwards.
 *
 * @param makeDisk writes the guest's disk into a file, when it is to have one
 * @param archives unpacked over the image's own initial RAM disk
 */
export async function withGuestFiles<T>(
  image: Image,
  archives: readonly Uint8Array[],
  commandLine: string,
  use: (guest: GuestFiles) => Promise<T>,
  makeDisk?: (file: string) => Promise<void>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "vivarium-bench-"));
  try {
    const kernel = join(directory, "kernel");
    const initrd = join(directory, "initrd");
    await writeFile(kernel, image.kernel);
    await writeFile(initrd, Buffer.concat([image.initrd, ...archives].map(padded)));
    const guest = { kernel, initrd, commandLine, memoryMiB: MEMORY_MIB };
    if (makeDisk === undefined) return await use(guest);
    const disk = join(directory, "disk.img");
    await makeDisk(disk);
    return await use({ ...guest, disk });
  } finally {
    await rm(directory, { recursive: true });
  }
}

function padded(archive: Uint8Array): Uint8Array {
  const result = new Uint8Array(Math.ceil(archive.length / ARCHIVE_ALIGNMENT) * ARCHIVE_ALIGNMENT);
  result.set(archive);
  return result;
}
