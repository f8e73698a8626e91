/** Finishes frames: completes the checksum and cuts large TCP segments, as a network card would. */
import { addWords, checksum, foldSum } from "./checksum.js";
import { type Frame, plainFrame } from "./link.js";
import { read16, read32, write16, write32 } from "./octets.js";

const ETHERNET_BYTE_LENGTH = 14;
const IPV4_HEADER_MIN = 20;
const IPV4_TOTAL_LENGTH = 2;
const IPV4_ID = 4;
const IPV4_CHECKSUM = 10;
const IPV4_SOURCE = 12;
const IPV6_HEADER = 40;
const IPV6_PAYLOAD_LENGTH = 4;
const IPV6_SOURCE = 8;
const IPV4_ADDRESSES_BYTE_LENGTH = 8;
const IPV6_ADDRESSES_BYTE_LENGTH = 32;
const TCP_HEADER_MIN = 20;
const TCP_SEQUENCE = 4;
const TCP_DATA_OFFSET = 12;
const TCP_FLAGS = 13;
const TCP_CHECKSUM = 16;
const TCP_FIN_PSH = 0x09;
const TCP_CWR = 0x80;
const PROTOCOL_TCP = 6;

/**
 * More frames than that are no honest sender's: 64 KiB in pieces of 36 bytes, which is what Linux sends at least (48
 * bytes, of which a timestamp takes 12), are 1821.
 */
const FRAMES_MAX = 2048;

/**
 * The frames that a frame stands for, with nothing left to do. A frame whose own claims about itself do not hold (a
 * hostile guest's) gives none.
 */
export function plainFrames(frame: Frame): readonly Frame[] {
  if (frame.segmentation !== null) return segments(frame, frame.segmentation.payloadByteLength);
  if (frame.checksum === null) return [frame];
  const { start, offset } = frame.checksum;
  const { bytes } = frame;
  if (start + offset + 2 > bytes.length) return [];
  const copy = Uint8Array.from(bytes);
  // The field holds the pseudo header's sum, which so enters the sum by itself (virtio 1.2 section 5.1.6.2).
  write16(copy, start + offset, nonZero(checksum(bytes, start, bytes.length)));
  return [plainFrame(copy)];
}

/** Where the headers of a TCP segment end; null when it is none. */
interface TcpPlaces {
  readonly isIpv6: boolean;
  /** Of the TCP header. */
  readonly tcp: number;
  readonly payload: number;
}

/** Finds the headers of a TCP segment whose segmentation was asked for, in a frame that may be anything. */
export function tcpPlaces({ bytes, segmentation }: Frame): TcpPlaces | null {
  if (segmentation === null) return null;
  const isIpv6 = segmentation.kind === "tcp6";
  const ip = ETHERNET_BYTE_LENGTH;
  if (bytes.length < ip + (isIpv6 ? IPV6_HEADER : IPV4_HEADER_MIN) + TCP_HEADER_MIN) return null;
  const version = bytes[ip]! >> 4;
  const protocol = bytes[ip + (isIpv6 ? 6 : 9)];
  if (version !== (isIpv6 ? 6 : 4) || protocol !== PROTOCOL_TCP) return null;
  const headerLength = isIpv6 ? IPV6_HEADER : 4 * (bytes[ip]! & 0x0f);
  const tcp = ip + headerLength;
  if (headerLength < IPV4_HEADER_MIN || tcp + TCP_HEADER_MIN > bytes.length) return null;
  const tcpLength = 4 * (bytes[tcp + TCP_DATA_OFFSET]! >> 4);
  const payload = tcp + tcpLength;
  return tcpLength < TCP_HEADER_MIN || payload > bytes.length ? null : { isIpv6, tcp, payload };
}

function segments(frame: Frame, payloadByteLength: number): readonly Frame[] {
  const places = tcpPlaces(frame);
  const { bytes } = frame;
  if (places === null || payloadByteLength < 1) return [];
  const total = bytes.length - places.payload;
  const count = Math.max(1, Math.ceil(total / payloadByteLength));
  if (count > FRAMES_MAX) return [];
  return Array.from({ length: count }, (_, index) => {
    const offset = index * payloadByteLength;
    const end = Math.min(total, offset + payloadByteLength);
    return plainFrame(segment(bytes, places, { index, offset, end, isLast: index === count - 1 }));
  });
}

interface Piece {
  readonly index: number;
  /** Bytes [offset, end) of the payload. */
  readonly offset: number;
  readonly end: number;
  readonly isLast: boolean;
}

function segment(whole: Uint8Array, { isIpv6, tcp, payload }: TcpPlaces, piece: Piece): Uint8Array {
  const bytes = new Uint8Array(payload + piece.end - piece.offset);
  bytes.set(whole.subarray(0, payload));
  bytes.set(whole.subarray(payload + piece.offset, payload + piece.end), payload);
  const ip = ETHERNET_BYTE_LENGTH;
  if (isIpv6) {
    write16(bytes, ip + IPV6_PAYLOAD_LENGTH, bytes.length - ip - IPV6_HEADER);
  } else {
    write16(bytes, ip + IPV4_TOTAL_LENGTH, bytes.length - ip);
    write16(bytes, ip + IPV4_ID, (read16(whole, ip + IPV4_ID) + piece.index) & 0xffff);
    write16(bytes, ip + IPV4_CHECKSUM, 0);
    write16(bytes, ip + IPV4_CHECKSUM, checksum(bytes, ip, tcp));
  }
  write32(bytes, tcp + TCP_SEQUENCE, read32(whole, tcp + TCP_SEQUENCE) + piece.offset);
  // FIN and PSH belong to the last piece, CWR to the first (RFC 3168 section 6.1.2).
  if (!piece.isLast) bytes[tcp + TCP_FLAGS]! &= ~TCP_FIN_PSH;
  if (piece.index > 0) bytes[tcp + TCP_FLAGS]! &= ~TCP_CWR;
  write16(bytes, tcp + TCP_CHECKSUM, 0);
  const addresses = ip + (isIpv6 ? IPV6_SOURCE : IPV4_SOURCE);
  const addressesEnd = addresses + (isIpv6 ? IPV6_ADDRESSES_BYTE_LENGTH : IPV4_ADDRESSES_BYTE_LENGTH);
  const pseudo = addWords(PROTOCOL_TCP + bytes.length - tcp, bytes, addresses, addressesEnd);
  write16(bytes, tcp + TCP_CHECKSUM, ~foldSum(addWords(pseudo, bytes, tcp, bytes.length)) & 0xffff);
  return bytes;
}

/** A computed checksum of zero is sent as its other form: to UDP a zero means that there is none (RFC 768). */
function nonZero(sum: number): number {
  return sum === 0 ? 0xffff : sum;
}
