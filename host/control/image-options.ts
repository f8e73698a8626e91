import { VivariumError } from "../util/errors.js";
import type { ImageAction } from "./actions.js";
import { formatByteLength, GIB, MIB, parseByteLength } from "./byte-length.js";

/** What `viv image build` was given, each option as it was written. */
export interface ImageBuildOptions {
  readonly size?: string;
  readonly force?: boolean;
}

/** A Debian with its packages takes half a gigabyte, and wants room to unpack others. */
export const MINIMUM_DISK_BYTE_LENGTH = GIB;
/** The longest file of ext4. */
export const MAXIMUM_DISK_BYTE_LENGTH = 16 * 1024 * GIB - MIB;

/** @throws VivariumError `option/invalid` naming the option, what it was given and what it accepts */
export function readImageBuild(name: string, { size, force = false }: ImageBuildOptions): ImageAction {
  if (size === undefined) return { action: "image-build", name, force };
  const diskByteLength = parseByteLength(size);
  const isDisk =
    diskByteLength !== null &&
    diskByteLength >= MINIMUM_DISK_BYTE_LENGTH &&
    diskByteLength <= MAXIMUM_DISK_BYTE_LENGTH &&
    diskByteLength % MIB === 0;
  if (isDisk) return { action: "image-build", name, diskByteLength, force };
  const accepted = `${formatByteLength(MINIMUM_DISK_BYTE_LENGTH)} to 16TiB in whole MiB, such as 8GiB`;
  throw new VivariumError(
    "option/invalid",
    `--size: ${JSON.stringify(size)} is no length of a disk; expected ${accepted}`,
  );
}
