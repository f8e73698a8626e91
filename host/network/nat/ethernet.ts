/** Ethernet II: destination (6) | source (6) | type (2) | payload. */
import { read16, write16 } from "../octets.js";

export const ETHERNET_BYTE_LENGTH = 14;
export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_IPV6 = 0x86dd;

const SOURCE = 6;
const TYPE = 12;

/** @param frame at least ETHERNET_BYTE_LENGTH long */
export function etherType(frame: Uint8Array): number {
  return read16(frame, TYPE);
}

export function sourceMac(frame: Uint8Array): Uint8Array {
  return frame.slice(SOURCE, TYPE);
}

/** A frame with its header written and room for the payload. */
export function newFrame(
  destination: Uint8Array,
  source: Uint8Array,
  type: number,
  payloadByteLength: number,
): Uint8Array {
  const frame = new Uint8Array(ETHERNET_BYTE_LENGTH + payloadByteLength);
  frame.set(destination);
  frame.set(source, SOURCE);
  write16(frame, TYPE, type);
  return frame;
}
