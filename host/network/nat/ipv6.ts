/**
 * IPv6: RFC 8200.
 *
 *     version 4 | traffic class 8 | flow label 20 | payload length u16 | next header u8 | hop limit u8 |
 *     source (16) | destination (16)
 *
 *     fragment header: next header u8 | 0 | offset 13 (x 8), 0 0, more 1 | id u32
 */
import { read16, read32, write16, write32 } from "../octets.js";
import type { ParsedIp } from "./ip.js";

export const IPV6_HEADER_BYTE_LENGTH = 40;
export const IPV6_FRAGMENT_BYTE_LENGTH = 8;

const PAYLOAD_LENGTH = 4;
const NEXT_HEADER = 6;
const HOP_LIMIT = 7;
const SOURCE = 8;
const DESTINATION = 24;

const HEADER_HOP_BY_HOP = 0;
const HEADER_ROUTING = 43;
const HEADER_FRAGMENT = 44;
const HEADER_DESTINATION = 60;
/** Headers behind the first one; no honest packet has as many. */
const EXTENSIONS_MAX = 8;

/** @param packet from the header on, perhaps with padding at its end */
export function parseIpv6Packet(packet: Uint8Array, isChecksumPartial: boolean): ParsedIp {
  if (packet.length < IPV6_HEADER_BYTE_LENGTH || packet[0]! >> 4 !== 6) return null;
  const end = IPV6_HEADER_BYTE_LENGTH + read16(packet, PAYLOAD_LENGTH);
  if (end > packet.length) return null;
  const base = {
    version: 6,
    source: packet.slice(SOURCE, DESTINATION),
    destination: packet.slice(DESTINATION, IPV6_HEADER_BYTE_LENGTH),
    hopLimit: packet[HOP_LIMIT]!,
    packet: packet.subarray(0, end),
    isChecksumPartial,
  } as const;
  let next = packet[NEXT_HEADER]!;
  let offset = IPV6_HEADER_BYTE_LENGTH;
  for (let count = 0; count < EXTENSIONS_MAX; count++) {
    switch (next) {
      case HEADER_HOP_BY_HOP:
      case HEADER_ROUTING:
      case HEADER_DESTINATION:
        if (offset + 8 > end) return null;
        next = packet[offset]!;
        offset += 8 * (packet[offset + 1]! + 1);
        if (offset > end) return null;
        break;
      case HEADER_FRAGMENT:
        return parseFragment(packet.subarray(offset, end), base);
      default:
        return { whole: { ...base, protocol: next, payload: packet.subarray(offset, end) } };
    }
  }
  return null;
}

type Base = Omit<Extract<ParsedIp, { whole: unknown }>["whole"], "protocol" | "payload">;

function parseFragment(bytes: Uint8Array, base: Base): ParsedIp {
  if (bytes.length < IPV6_FRAGMENT_BYTE_LENGTH) return null;
  const place = read16(bytes, 2);
  const packet = { ...base, protocol: bytes[0]!, payload: bytes.subarray(IPV6_FRAGMENT_BYTE_LENGTH) };
  return { fragment: { packet, id: read32(bytes, 4), offset: place & 0xfff8, isLast: (place & 1) === 0 } };
}

export interface Ipv6Header {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** Next header. */
  readonly protocol: number;
  readonly hopLimit: number;
}

/** Writes the header before everything from `offset` + 40 to the end of `into`. */
export function writeIpv6Header(into: Uint8Array, offset: number, header: Ipv6Header): void {
  write32(into, offset, 0x6000_0000);
  write16(into, offset + PAYLOAD_LENGTH, into.length - offset - IPV6_HEADER_BYTE_LENGTH);
  into[offset + NEXT_HEADER] = header.protocol;
  into[offset + HOP_LIMIT] = header.hopLimit;
  into.set(header.source, offset + SOURCE);
  into.set(header.destination, offset + DESTINATION);
}

/** Writes a fragment header of 8 bytes. @param place in bytes, a multiple of 8 */
export function writeFragmentHeader(
  into: Uint8Array,
  offset: number,
  protocol: number,
  id: number,
  place: { readonly offset: number; readonly isLast: boolean },
): void {
  into[offset] = protocol;
  into[offset + 1] = 0;
  write16(into, offset + 2, place.offset | (place.isLast ? 0 : 1));
  write32(into, offset + 4, id);
}

export const PROTOCOL_FRAGMENT = HEADER_FRAGMENT;
