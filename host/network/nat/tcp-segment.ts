/**
 * TCP segments: RFC 9293 section 3.1.
 *
 *     source port u16 | destination port u16 | sequence u32 | acknowledgment u32 |
 *     data offset (words) 4, reserved 4 | flags u8 | window u16 | checksum u16 | urgent u16 | options
 */
import { checksum } from "../checksum.js";
import { read16, read32, write16, write32 } from "../octets.js";
import type { IpPacket } from "./ip.js";
import { transportSum } from "./wire.js";

export const TCP_HEADER_BYTE_LENGTH = 20;
export const TCP_CHECKSUM = 16;
export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;

const SEQUENCE = 4;
const ACKNOWLEDGMENT = 8;
const DATA_OFFSET = 12;
const FLAGS = 13;
const WINDOW = 14;

const OPTION_END = 0;
const OPTION_NONE = 1;
const OPTION_MSS = 2;
const OPTION_WINDOW_SCALE = 3;
const OPTION_SACK_PERMITTED = 4;
const OPTION_SACK = 5;
/** RFC 7323 section 2.3. */
const WINDOW_SCALE_MAX = 14;

export interface TcpSegment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  /** As it stands, not scaled. */
  readonly window: number;
  readonly options: Uint8Array;
  readonly data: Uint8Array;
}

/** What the options of a SYN say. */
export interface SynOptions {
  readonly mss: number | null;
  readonly windowScale: number | null;
  readonly sackPermitted: boolean;
}

/** @returns null for what is no sound segment */
export function parseTcp(packet: IpPacket): TcpSegment | null {
  const { payload } = packet;
  if (payload.length < TCP_HEADER_BYTE_LENGTH) return null;
  const headerLength = 4 * (payload[DATA_OFFSET]! >> 4);
  if (headerLength < TCP_HEADER_BYTE_LENGTH || headerLength > payload.length) return null;
  if (!packet.isChecksumPartial) {
    const sum = transportSum(packet, payload.length);
    if (checksum(payload, 0, payload.length, sum) !== 0) return null;
  }
  return {
    sourcePort: read16(payload, 0),
    destinationPort: read16(payload, 2),
    sequence: read32(payload, SEQUENCE),
    acknowledgment: read32(payload, ACKNOWLEDGMENT),
    flags: payload[FLAGS]!,
    window: read16(payload, WINDOW),
    options: payload.subarray(TCP_HEADER_BYTE_LENGTH, headerLength),
    data: payload.subarray(headerLength),
  };
}

export function parseSynOptions(options: Uint8Array): SynOptions {
  let mss: number | null = null;
  let windowScale: number | null = null;
  let sackPermitted = false;
  for (const { kind, value } of optionsOf(options)) {
    if (kind === OPTION_MSS && value.length === 2) mss = read16(value, 0);
    if (kind === OPTION_WINDOW_SCALE && value.length === 1) windowScale = Math.min(value[0]!, WINDOW_SCALE_MAX);
    if (kind === OPTION_SACK_PERMITTED) sackPermitted = true;
  }
  return { mss, windowScale, sackPermitted };
}

/** The blocks [from, to) that the sender of these options has beyond its acknowledgment: RFC 2018. */
export function parseSack(options: Uint8Array): readonly (readonly [number, number])[] {
  for (const { kind, value } of optionsOf(options)) {
    if (kind !== OPTION_SACK || value.length % 8 !== 0) continue;
    return Array.from(
      { length: value.length / 8 },
      (_, n) => [read32(value, 8 * n), read32(value, 8 * n + 4)] as const,
    );
  }
  return [];
}

export function synOptions(mss: number, windowScale: number | null, sackPermitted: boolean): Uint8Array {
  const options = [OPTION_MSS, 4, mss >> 8, mss & 0xff];
  if (sackPermitted) options.push(OPTION_NONE, OPTION_NONE, OPTION_SACK_PERMITTED, 2);
  if (windowScale !== null) options.push(OPTION_NONE, OPTION_WINDOW_SCALE, 3, windowScale);
  return Uint8Array.from(options);
}

/** @param blocks at most 4 */
export function sackOption(blocks: readonly (readonly [number, number])[]): Uint8Array {
  const bytes = new Uint8Array(4 + 8 * blocks.length);
  bytes.set([OPTION_NONE, OPTION_NONE, OPTION_SACK, 2 + 8 * blocks.length]);
  for (const [index, [from, to]] of blocks.entries()) {
    write32(bytes, 4 + 8 * index, from);
    write32(bytes, 8 + 8 * index, to);
  }
  return bytes;
}

/** A segment's header but for its ports, which are the same all through a connection. */
export type TcpFields = Omit<TcpSegment, "data" | keyof TcpPorts>;
export type TcpPorts = Pick<TcpSegment, "sourcePort" | "destinationPort">;

/** Writes all of the header but the checksum. @param segment its options are a multiple of 4 bytes */
export function writeTcpHeader(into: Uint8Array, offset: number, ports: TcpPorts, segment: TcpFields): void {
  write16(into, offset, ports.sourcePort);
  write16(into, offset + 2, ports.destinationPort);
  write32(into, offset + SEQUENCE, segment.sequence);
  write32(into, offset + ACKNOWLEDGMENT, segment.acknowledgment);
  into[offset + DATA_OFFSET] = ((TCP_HEADER_BYTE_LENGTH + segment.options.length) >> 2) << 4;
  into[offset + FLAGS] = segment.flags;
  write16(into, offset + WINDOW, segment.window);
  into.set(segment.options, offset + TCP_HEADER_BYTE_LENGTH);
}

function* optionsOf(options: Uint8Array): Generator<{ readonly kind: number; readonly value: Uint8Array }> {
  let offset = 0;
  while (offset < options.length) {
    const kind = options[offset]!;
    if (kind === OPTION_END) return;
    if (kind === OPTION_NONE) {
      offset++;
      continue;
    }
    const length = options[offset + 1] ?? 0;
    if (length < 2 || offset + length > options.length) return;
    yield { kind, value: options.subarray(offset + 2, offset + length) };
    offset += length;
  }
}

/** Sequence numbers, modulo 2^32: how far `a` is ahead of `b`, negative if it is behind. */
export function ahead(a: number, b: number): number {
  return (a - b) | 0;
}
