/**
 * ICMP for IPv4 (RFC 792) and IPv6 (RFC 4443): echo, and errors about packets that go nowhere.
 *
 *     type u8 | code u8 | checksum u16 | rest (4) | data
 */
import { checksum } from "../checksum.js";
import { write16 } from "../octets.js";
import { type IpPacket, PROTOCOL_ICMP, PROTOCOL_ICMPV6 } from "./ip.js";
import { type PacketHeader, transportSum, type Wire } from "./wire.js";

const CHECKSUM = 2;
const HEADER_BYTE_LENGTH = 8;
const ECHO_REPLY = 0;
const UNREACHABLE = 3;
const ECHO_REQUEST = 8;
const TIME_EXCEEDED = 11;
const UNREACHABLE6 = 1;
const TIME_EXCEEDED6 = 3;
const ECHO_REQUEST6 = 128;
const ECHO_REPLY6 = 129;
/** An IPv4 error quotes the header and 8 bytes more; an IPv6 one as much as fits the smallest MTU. */
const QUOTED4_BYTE_LENGTH = 8;
const QUOTED6_BYTE_LENGTH = 1280 - 40 - HEADER_BYTE_LENGTH;
/** Errors to one guest in a second: RFC 4443 section 2.4 (f). */
const ERRORS_PER_SECOND = 100;

/** Why a packet goes nowhere; "expired" has come through as many routers as its sender allowed. */
export type Failure = "host" | "port" | "prohibited" | "expired";
/** Type and code. */
const FAILURES4: Readonly<Record<Failure, readonly [number, number]>> = {
  host: [UNREACHABLE, 1],
  port: [UNREACHABLE, 3],
  prohibited: [UNREACHABLE, 13],
  expired: [TIME_EXCEEDED, 0],
};
const FAILURES6: Readonly<Record<Failure, readonly [number, number]>> = {
  host: [UNREACHABLE6, 3],
  port: [UNREACHABLE6, 4],
  prohibited: [UNREACHABLE6, 1],
  expired: [TIME_EXCEEDED6, 0],
};

/** What is kept of a guest's packet to tell of its failure. */
export interface Quote {
  readonly version: 4 | 6;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** Its first bytes. */
  readonly quoted: Uint8Array;
}

/** @returns copies */
export function quoteOf({ version, source, destination, packet, payload }: IpPacket): Quote {
  const headerByteLength = packet.length - payload.length;
  const byteLength = version === 4 ? headerByteLength + QUOTED4_BYTE_LENGTH : QUOTED6_BYTE_LENGTH;
  const quoted = packet.slice(0, Math.max(0, byteLength));
  return { version, source: source.slice(), destination: destination.slice(), quoted };
}

export class Icmp {
  readonly #wire: Wire;
  readonly #nowMs: () => number;
  #secondMs = Number.NEGATIVE_INFINITY;
  #errorCount = 0;

  constructor(wire: Wire, nowMs: () => number) {
    this.#wire = wire;
    this.#nowMs = nowMs;
  }

  /** Answers an echo request to the router itself. @returns whether the packet was one */
  answerEcho(packet: IpPacket): boolean {
    const { payload, version } = packet;
    const request = version === 4 ? ECHO_REQUEST : ECHO_REQUEST6;
    if (!isEcho(packet, request)) return false;
    const reply = payload.slice();
    reply[0] = version === 4 ? ECHO_REPLY : ECHO_REPLY6;
    this.#send({ source: packet.destination, destination: packet.source, protocol: packet.protocol }, reply);
    return true;
  }

  isEchoRequest(packet: IpPacket): boolean {
    return isEcho(packet, packet.version === 4 ? ECHO_REQUEST : ECHO_REQUEST6);
  }

  /** Tells a guest that its packet goes nowhere. @param source who says so */
  sendFailure(source: Uint8Array, packet: IpPacket, why: Failure): void {
    this.sendFailureOf(source, quoteOf(packet), why);
  }

  /** The same of a packet that is gone. */
  sendFailureOf(source: Uint8Array, { version, source: guest, quoted }: Quote, why: Failure): void {
    if (!this.#mayTell()) return;
    const isIpv4 = version === 4;
    const message = new Uint8Array(HEADER_BYTE_LENGTH + quoted.length);
    message.set(isIpv4 ? FAILURES4[why] : FAILURES6[why]);
    message.set(quoted, HEADER_BYTE_LENGTH);
    const protocol = isIpv4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6;
    this.#send({ source, destination: guest, protocol }, message);
  }

  #mayTell(): boolean {
    const now = this.#nowMs();
    if (now - this.#secondMs >= 1000) {
      this.#secondMs = now;
      this.#errorCount = 0;
    }
    return this.#errorCount++ < ERRORS_PER_SECOND;
  }

  #send(header: PacketHeader, message: Uint8Array): void {
    writeIcmpChecksum(header, message);
    this.#wire.sendPacket(header, message);
  }
}

/** Completes a message whose checksum field is anything. */
export function writeIcmpChecksum(header: PacketHeader, message: Uint8Array): void {
  write16(message, CHECKSUM, 0);
  const sum = header.protocol === PROTOCOL_ICMPV6 ? transportSum(header, message.length) : 0;
  write16(message, CHECKSUM, checksum(message, 0, message.length, sum));
}

/** Whether a message says its checksum truly. */
export function isIcmpSound(packet: IpPacket): boolean {
  const { payload, isChecksumPartial } = packet;
  if (payload.length < HEADER_BYTE_LENGTH) return false;
  const sum = packet.version === 6 ? transportSum(packet, payload.length) : 0;
  return isChecksumPartial || checksum(payload, 0, payload.length, sum) === 0;
}

function isEcho(packet: IpPacket, type: number): boolean {
  return packet.payload[0] === type && packet.payload[1] === 0 && isIcmpSound(packet);
}
