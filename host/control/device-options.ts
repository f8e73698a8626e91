/** The options of `viv run` for devices without files: --vsock, --balloon, --input. */
import type { InputKind } from "../devices/virtio/input.js";
import { VSOCK_CID_MAX, VSOCK_CID_MIN } from "../devices/virtio/vsock.js";
import { VivariumError } from "../util/errors.js";
import type { SocketRequest } from "./actions.js";
import { formatByteLength, parseByteLength } from "./byte-length.js";

const SOCKET = /^(\d+)(?:,socket=(.*))?$/;
const PAGE_BYTE_LENGTH = 4096;
/** What Linux needs at least; a balloon that takes it ends the guest. */
const LEFT_BYTE_LENGTH_MIN = 32 << 20;
export const MAXIMUM_INPUT_COUNT = 4;

/** @throws VivariumError `option/invalid` */
export function readSocket(text: string): SocketRequest {
  const [, number, path] = SOCKET.exec(text) ?? [];
  const cid = Number(number);
  if (number === undefined || path === "" || cid < VSOCK_CID_MIN || cid > VSOCK_CID_MAX) {
    const expected = `${VSOCK_CID_MIN} to ${VSOCK_CID_MAX}, with ,socket=FILE or without`;
    throw badOption(`--vsock: ${JSON.stringify(text)} is no address of a guest; expected ${expected}`);
  }
  return path === undefined ? { cid } : { cid, path };
}

/** For a machine that has its sockets already. @throws VivariumError `option/invalid` */
export function readSocketPath(text: string): Required<SocketRequest> {
  const { cid, path } = readSocket(text);
  if (path === undefined) {
    throw badOption(`--vsock: ${JSON.stringify(text)} names no file; expected ${cid},socket=FILE`);
  }
  return { cid, path };
}

/**
 * @param text an amount, or true for a balloon that takes nothing yet
 * @throws VivariumError `option/invalid`
 */
export function readBalloon(text: string | true, memoryByteLength: number): { readonly byteLength: number } {
  if (text === true) return { byteLength: 0 };
  const byteLength = parseByteLength(text);
  const max = memoryByteLength - LEFT_BYTE_LENGTH_MIN;
  if (byteLength === null || byteLength % PAGE_BYTE_LENGTH !== 0 || byteLength > max) {
    const expected = `a multiple of 4KiB up to ${formatByteLength(max)}, such as 64MiB`;
    throw badOption(`--balloon: ${JSON.stringify(text)} cannot be taken from the guest; expected ${expected}`);
  }
  return { byteLength };
}

/** @throws VivariumError `option/invalid` */
export function readInputs(texts: readonly string[]): readonly InputKind[] {
  if (texts.length > MAXIMUM_INPUT_COUNT) {
    throw badOption(`--input: ${texts.length} devices; expected at most ${MAXIMUM_INPUT_COUNT}`);
  }
  return texts.map((text) => {
    if (text === "keyboard" || text === "tablet") return text;
    throw badOption(`--input: ${JSON.stringify(text)} is no input device; expected keyboard or tablet`);
  });
}

function badOption(message: string): VivariumError {
  return new VivariumError("option/invalid", message);
}
