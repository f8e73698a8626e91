/**
 * `--share DIRECTORY:TARGET[,readonly]`: a folder of the host for the guest.
 *
 * A TARGET that begins with "/" is where the guest mounts it by itself. It is told so on the kernel's command line, in
 * the words of systemd-fstab-generator(8), `systemd.mount-extra=TAG:DIRECTORY:9p:OPTIONS`: a Debian with systemd 254 or
 * later obeys them as it is, and debian-mini's init reads the same words.
 *
 * Any other TARGET is the mount tag, as QEMU's `mount_tag`, for a guest that mounts it by itself:
 *
 *     mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 TAG /mnt/point
 */
import { VivariumError } from "../util/errors.js";
import type { ShareRequest } from "./actions.js";

/** Where a share is mounted by the guest itself. */
export interface ParsedShare {
  readonly request: ShareRequest;
  /** Absent when nobody is told to mount it. */
  readonly mountPoint?: string;
}

const READ_ONLY_SUFFIX = ",readonly";
const TAG = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,31}$/;
/** What needs no quotes on a kernel's command line, nor in systemd's word. */
const MOUNT_POINT = /^(\/[A-Za-z0-9._+@-]+)+\/?$/;
const EXPECTED = "expected DIRECTORY:/mount/point or DIRECTORY:TAG, with ,readonly or without";
export const MAXIMUM_SHARE_COUNT = 6;

/** How Linux mounts it: as many bytes in a request as the transport carries, and mappings that can be written. */
const MOUNT_OPTIONS = "trans=virtio,version=9p2000.L,msize=512000,cache=mmap";

/** @throws VivariumError `option/invalid` */
export function readShares(texts: readonly string[]): readonly ParsedShare[] {
  if (texts.length > MAXIMUM_SHARE_COUNT) {
    throw badShare(`${texts.length} folders; expected at most ${MAXIMUM_SHARE_COUNT}`);
  }
  const shares = texts.map(readShare);
  for (const [index, { request, mountPoint }] of shares.entries()) {
    const same = shares.slice(0, index).find((other) => other.request.tag === request.tag);
    if (same !== undefined) throw badShare(`two folders have the mount tag ${request.tag}; expected different ones`);
    if (mountPoint !== undefined && shares.slice(0, index).some((other) => other.mountPoint === mountPoint)) {
      throw badShare(`two folders are to be mounted at ${mountPoint}; expected different places`);
    }
  }
  return shares;
}

/** The words by which the kernel's command line tells a guest what to mount. */
export function mountWords(
  shares: readonly { readonly request: Omit<ShareRequest, "directory">; readonly mountPoint?: string }[],
): readonly string[] {
  return shares.flatMap(({ request, mountPoint }) => {
    if (mountPoint === undefined) return [];
    const access = request.readOnly ? "ro" : "rw";
    return [`systemd.mount-extra=${request.tag}:${mountPoint}:9p:${access},nofail,${MOUNT_OPTIONS}`];
  });
}

/** Whether a guest can be told to mount by this. */
export function isMountTag(text: string): boolean {
  return TAG.test(text);
}

/** Whether a guest can be told to mount here. */
export function isMountPoint(text: string): boolean {
  return MOUNT_POINT.test(text) && text.split("/").every((part) => part !== "." && part !== "..");
}

function readShare(text: string, index: number): ParsedShare {
  const readOnly = text.endsWith(READ_ONLY_SUFFIX);
  const rest = readOnly ? text.slice(0, -READ_ONLY_SUFFIX.length) : text;
  const colon = rest.lastIndexOf(":");
  if (colon < 0) throw badShare(`${JSON.stringify(text)} does not say where it goes; ${EXPECTED}`);
  const directory = rest.slice(0, colon);
  const target = rest.slice(colon + 1);
  if (directory === "") throw badShare(`${JSON.stringify(text)} names no directory; ${EXPECTED}`);
  if (!target.startsWith("/")) {
    if (!isMountTag(target)) {
      throw badShare(
        `${JSON.stringify(target)} is no mount tag; expected 1 to 32 letters, digits, ".", "_", "+" or "-"`,
      );
    }
    return { request: { directory, tag: target, readOnly } };
  }
  if (!isMountPoint(target)) {
    throw badShare(`${JSON.stringify(target)} is no mount point; expected a path of letters, digits and "._+@-"`);
  }
  return { request: { directory, tag: `share${index}`, readOnly }, mountPoint: target.replace(/\/$/, "") };
}

function badShare(problem: string): VivariumError {
  return new VivariumError("option/invalid", `--share: ${problem}`);
}
