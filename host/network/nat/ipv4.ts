/**
 * IPv4: RFC 791.
 *
 *     version 4 | header length (words) | service u8 | total length u16 | id u16 | flags 3, fragment offset 13 (x 8) |
 *     time to live u8 | protocol u8 | checksum u16 | source (4) | destination (4) | options
 */
import { checksum } from "../checksum.js";
import { read16, write16 } from "../octets.js";
import { HOP_LIMIT, type ParsedIp } from "./ip.js";

export const IPV4_HEADER_BYTE_LENGTH = 20;

const TOTAL_LENGTH = 2;
const ID = 4;
const FRAGMENT = 6;
const TIME_TO_LIVE = 8;
const PROTOCOL = 9;
const CHECKSUM = 10;
const SOURCE = 12;
const DESTINATION = 16;
const MORE_FRAGMENTS = 0x2000;
const FRAGMENT_OFFSET_MASK = 0x1fff;

/** @param packet from the header on, perhaps with padding at its end */
export function parseIpv4Packet(packet: Uint8Array, isChecksumPartial: boolean): ParsedIp {
  if (packet.length < IPV4_HEADER_BYTE_LENGTH) return null;
  const headerLength = 4 * (packet[0]! & 0x0f);
  const totalLength = read16(packet, TOTAL_LENGTH);
  if (packet[0]! >> 4 !== 4 || headerLength < IPV4_HEADER_BYTE_LENGTH) return null;
  if (totalLength < headerLength || totalLength > packet.length) return null;
  if (checksum(packet, 0, headerLength) !== 0) return null;
  const whole = {
    version: 4,
    source: packet.slice(SOURCE, DESTINATION),
    destination: packet.slice(DESTINATION, IPV4_HEADER_BYTE_LENGTH),
    protocol: packet[PROTOCOL]!,
    hopLimit: packet[TIME_TO_LIVE]!,
    payload: packet.subarray(headerLength, totalLength),
    packet: packet.subarray(0, totalLength),
    isChecksumPartial,
  } as const;
  const fragment = read16(packet, FRAGMENT);
  const offset = 8 * (fragment & FRAGMENT_OFFSET_MASK);
  const isLast = (fragment & MORE_FRAGMENTS) === 0;
  if (isLast && offset === 0) return { whole };
  return { fragment: { packet: whole, id: read16(packet, ID), offset, isLast } };
}

export interface Ipv4Header {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly protocol: number;
  readonly id: number;
  /** For a piece of a packet: where it stands, a multiple of 8, and whether more follow. */
  readonly fragment?: { readonly offset: number; readonly isLast: boolean };
}

/** Writes a header of 20 bytes before everything from `offset` + 20 to the end of `into`. */
export function writeIpv4Header(into: Uint8Array, offset: number, header: Ipv4Header): void {
  const { source, destination, protocol, id, fragment } = header;
  into[offset] = 0x45;
  into[offset + 1] = 0;
  write16(into, offset + TOTAL_LENGTH, into.length - offset);
  write16(into, offset + ID, id);
  const flags = fragment === undefined ? 0 : (fragment.isLast ? 0 : MORE_FRAGMENTS) | (fragment.offset >> 3);
  write16(into, offset + FRAGMENT, flags);
  into[offset + TIME_TO_LIVE] = HOP_LIMIT;
  into[offset + PROTOCOL] = protocol;
  write16(into, offset + CHECKSUM, 0);
  into.set(source, offset + SOURCE);
  into.set(destination, offset + DESTINATION);
  write16(into, offset + CHECKSUM, checksum(into, offset, offset + IPV4_HEADER_BYTE_LENGTH));
}
