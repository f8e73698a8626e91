/** A guest's side of the wire, by hand: every field as the RFCs draw it, nothing shared with the NAT. */
import type { Frame, Link, Station } from "../../../host/network/link.js";

export const GUEST_MAC = Buffer.from("525400123456", "hex");
export const ROUTER_MAC = Buffer.from("52550a000202", "hex");
const BROADCAST = Buffer.from("ffffffffffff", "hex");

export function ethernet(type: number, payload: Buffer, destination: Buffer = ROUTER_MAC): Buffer {
  return Buffer.concat([destination, GUEST_MAC, u16(type), payload]);
}

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

export function ip(text: string): Buffer {
  return Buffer.from(text.split(".").map(Number));
}

/** The Internet checksum as RFC 1071 says it in words. */
export function internetChecksum(bytes: Buffer): number {
  const padded = bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(1)]);
  let sum = 0;
  for (let index = 0; index < padded.length; index += 2) sum += padded.readUInt16BE(index);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export interface Ipv4Options {
  readonly source?: string;
  readonly destination?: string;
  readonly fragment?: number;
  readonly id?: number;
  readonly timeToLive?: number;
}

export function ipv4(protocol: number, payload: Buffer, options: Ipv4Options = {}): Buffer {
  const { source = "10.0.2.15", destination = "10.0.2.2", fragment = 0, id = 7, timeToLive = 64 } = options;
  const header = Buffer.concat([
    Buffer.from([0x45, 0]),
    u16(20 + payload.length),
    u16(id),
    u16(fragment),
    Buffer.from([timeToLive, protocol, 0, 0]),
    ip(source),
    ip(destination),
  ]);
  header.writeUInt16BE(internetChecksum(header), 10);
  return ethernet(0x0800, Buffer.concat([header, payload]));
}

function transport(protocol: number, segment: Buffer, place: number, options: Ipv4Options): Buffer {
  const { source = "10.0.2.15", destination = "10.0.2.2" } = options;
  const pseudo = Buffer.concat([ip(source), ip(destination), Buffer.from([0, protocol]), u16(segment.length)]);
  segment.writeUInt16BE(0, place);
  segment.writeUInt16BE(internetChecksum(Buffer.concat([pseudo, segment])) || 0xffff, place);
  return ipv4(protocol, segment, options);
}

export function udp(sourcePort: number, destinationPort: number, data: Buffer, options: Ipv4Options = {}): Buffer {
  const header = Buffer.concat([u16(sourcePort), u16(destinationPort), u16(8 + data.length), u16(0)]);
  return transport(17, Buffer.concat([header, data]), 6, options);
}

export interface TcpOptions extends Ipv4Options {
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly sequence: number;
  readonly acknowledgment?: number;
  readonly flags: number;
  readonly window?: number;
  readonly options?: Buffer;
  readonly data?: Buffer;
}

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;

export function tcp(fields: TcpOptions): Buffer {
  const { sourcePort = 4000, destinationPort = 80, sequence, acknowledgment = 0, flags } = fields;
  const { window = 0xffff, options = Buffer.alloc(0), data = Buffer.alloc(0) } = fields;
  const segment = Buffer.concat([
    u16(sourcePort),
    u16(destinationPort),
    u32(sequence),
    u32(acknowledgment),
    Buffer.from([((20 + options.length) / 4) << 4, flags]),
    u16(window),
    Buffer.alloc(4),
    options,
    data,
  ]);
  return transport(6, segment, 16, fields);
}

export function arp(operation: number, sender: string, target: string): Buffer {
  const body = [
    u16(1),
    u16(0x0800),
    Buffer.from([6, 4]),
    u16(operation),
    GUEST_MAC,
    ip(sender),
    Buffer.alloc(6),
    ip(target),
  ];
  return ethernet(0x0806, Buffer.concat(body), BROADCAST);
}

/** An IPv4 packet in a frame, taken apart. */
export interface SeenPacket {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly payload: Buffer;
}

export interface SeenTcp {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  readonly window: number;
  readonly options: Buffer;
  readonly data: Buffer;
}

/** The machine's end of a link, which keeps what comes. */
export class Wiretap implements Station {
  readonly frames: Frame[] = [];
  readonly #link: Link;
  isFull = false;

  constructor(link: Link) {
    this.#link = link;
    link.connect(this);
  }

  receive(frame: Frame): boolean {
    if (this.isFull) return false;
    this.frames.push(frame);
    return true;
  }

  resume(): void {}

  setLinkUp(): void {}

  send(bytes: Buffer): void {
    this.#link.send({ bytes: Uint8Array.from(bytes), checksum: null, segmentation: null });
  }

  /** The IPv4 packets that have come since the last call. */
  take(): SeenPacket[] {
    return this.frames
      .splice(0)
      .map(({ bytes }) => Buffer.from(bytes))
      .filter((bytes) => bytes.readUInt16BE(12) === 0x0800)
      .map((bytes) => {
        const length = bytes.readUInt16BE(16);
        return {
          source: bytes.subarray(26, 30).join("."),
          destination: bytes.subarray(30, 34).join("."),
          protocol: bytes[23]!,
          payload: bytes.subarray(34, 14 + length),
        };
      });
  }

  /** The TCP segments that have come since the last call. */
  takeTcp(): SeenTcp[] {
    return this.take()
      .filter(({ protocol }) => protocol === 6)
      .map(({ payload }) => ({
        sourcePort: payload.readUInt16BE(0),
        destinationPort: payload.readUInt16BE(2),
        sequence: payload.readUInt32BE(4),
        acknowledgment: payload.readUInt32BE(8),
        flags: payload[13]!,
        window: payload.readUInt16BE(14),
        options: payload.subarray(20, (payload[12]! >> 4) * 4),
        data: payload.subarray((payload[12]! >> 4) * 4),
      }));
  }
}
