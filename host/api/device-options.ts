/** The folders, sockets and input devices of a machine, as a program asks for them. */
import { isMountPoint, isMountTag } from "../control/share-option.js";
import type { InputKind } from "../devices/virtio/input.js";
import { VSOCK_CID_MAX, VSOCK_CID_MIN } from "../devices/virtio/vsock.js";
import { VivariumError } from "../util/errors.js";
import { checkOptions, type OptionNames } from "./arguments.js";
import type { ShareSetup, SocketSetup } from "./messages.js";

/** A folder that the guest can mount by 9P. */
export interface ShareOptions {
  /** A directory as the platform has them: a path in Node, a FileSystemDirectoryHandle in a browser. */
  readonly directory: string | object;
  /** By what the guest mounts it: `mount -t 9p -o trans=virtio TAG /mnt`. `share0`, `share1` and so on unless given. */
  readonly tag?: string;
  /** Where an image's guest mounts it by itself when it starts. */
  readonly mountPoint?: string;
  readonly readOnly?: boolean;
}

/** The guest's sockets (vsock): see `Machine.connect` and `Machine.listen`. */
export interface SocketOptions {
  /** The guest's address, 3 unless given. */
  readonly cid?: number;
  /** In Node, a Unix socket by which other programs reach the guest's ports: see `viv run --vsock`. */
  readonly path?: string;
}

const SHARE_NAMES: OptionNames<ShareOptions> = { directory: true, tag: true, mountPoint: true, readOnly: true };
const SOCKET_NAMES: OptionNames<SocketOptions> = { cid: true, path: true };
export const FIRST_CID = VSOCK_CID_MIN;
const PAGE_BYTE_LENGTH = 4096;

/** @throws VivariumError `option/invalid` */
export function shareSetupsOf(shares: readonly ShareOptions[]): readonly ShareSetup[] {
  const setups = shares.map((share, index) => {
    const { directory, tag, mountPoint, readOnly = false } = checkOptions("shares", share, SHARE_NAMES);
    if (tag !== undefined && !isMountTag(tag)) throw bad("tag", tag, '1 to 32 letters, digits, ".", "_", "+" or "-"');
    if (mountPoint !== undefined && !isMountPoint(mountPoint)) throw bad("mountPoint", mountPoint, "an absolute path");
    return { directory, tag: tag ?? `share${index}`, mountPoint: mountPoint ?? null, readOnly };
  });
  const twice = setups.find(({ tag }, index) => setups.findIndex((other) => other.tag === tag) < index);
  if (twice !== undefined) throw bad("tag", twice.tag, "another one for each folder");
  return setups;
}

/** @throws VivariumError `option/invalid` */
export function socketSetupsOf(sockets: readonly SocketOptions[]): readonly SocketSetup[] {
  return sockets.map((socket) => {
    const { cid = FIRST_CID, path } = checkOptions("sockets", socket, SOCKET_NAMES);
    if (!Number.isInteger(cid) || cid < VSOCK_CID_MIN || cid > VSOCK_CID_MAX) {
      throw bad("cid", cid, `${VSOCK_CID_MIN} to ${VSOCK_CID_MAX}`);
    }
    return { cid, path: path ?? null };
  });
}

/** @returns the inputs @throws VivariumError `option/invalid` */
export function checkInputs(inputs: readonly InputKind[]): readonly InputKind[] {
  const wrong = inputs.find((kind) => kind !== "keyboard" && kind !== "tablet");
  if (wrong !== undefined) throw bad("inputs", wrong, '"keyboard" or "tablet"');
  return inputs;
}

/** @returns what a balloon takes at first, in bytes; null for none @throws VivariumError `option/invalid` */
export function balloonByteLengthOf(balloon: boolean | { readonly byteLength: number }): number | null {
  if (typeof balloon === "boolean") return balloon ? 0 : null;
  const { byteLength } = balloon;
  if (!(byteLength >= 0) || byteLength % PAGE_BYTE_LENGTH !== 0) {
    throw bad("balloon", byteLength, `a multiple of ${PAGE_BYTE_LENGTH}, 0 or more`);
  }
  return byteLength;
}

function bad(option: string, value: unknown, accepted: string): VivariumError {
  return new VivariumError("option/invalid", `${option}: ${String(value)}; expected ${accepted}`, { option });
}
