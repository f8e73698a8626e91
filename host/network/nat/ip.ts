/** What IPv4 and IPv6 have in common for those above them. */

export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;
export const PROTOCOL_ICMPV6 = 58;
export const HOP_LIMIT = 64;
/** Neighbour discovery proves by it that a packet comes from the same wire: RFC 4861 section 7.1. */
export const HOP_LIMIT_LINK = 255;

/** A whole IP packet of a guest's. */
export interface IpPacket {
  readonly version: 4 | 6;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** What the payload is: PROTOCOL_*. */
  readonly protocol: number;
  readonly hopLimit: number;
  readonly payload: Uint8Array;
  /** The packet from its header on, for errors that quote it. */
  readonly packet: Uint8Array;
  /** Whether the payload's checksum is the sender's word, not yet completed. */
  readonly isChecksumPartial: boolean;
}

/** A piece of a packet: RFC 791 section 2.3, RFC 8200 section 4.5. */
export interface IpFragment {
  readonly packet: IpPacket;
  readonly id: number;
  /** In bytes from the start of the payload. */
  readonly offset: number;
  readonly isLast: boolean;
}

/** What a header leads to; null for a packet that is not sound. */
export type ParsedIp = { readonly whole: IpPacket } | { readonly fragment: IpFragment } | null;
