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
const UNREACHABLE6 = 1;
const ECHO_REQUEST6 = 128;
const ECHO_REPLY6 = 129;
/** An IPv4 error quotes the header and 8 bytes more; an IPv6 one as much as fits the smallest MTU. */
const QUOTED4_BYTE_LENGTH = 8;
const QUOTED6_BYTE_LENGTH = 1280 - 40 - HEADER_BYTE_LENGTH;
/** Errors to one guest in a second: RFC 4443 section 2.4 (f). */
const ERRORS_PER_SECOND = 100;

/** Why a packet goes nowhere, as codes of type 3 and of type 1 of ICMPv6. */
export type Unreachable = "host" | "port" | "prohibited";
const CODES4: Readonly<Record<Unreachable, number>> = { host: 1, port: 3, prohibited: 13 };
const CODES6: Readonly<Record<Unreachable, number>> = { host: 3, port: 4, prohibited: 1 };

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
  sendUnreachable(source: Uint8Array, packet: IpPacket, why: Unreachable): void {
    if (!this.#mayTell()) return;
    const isIpv4 = packet.version === 4;
    const headerByteLength = packet.packet.length - packet.payload.length;
    const quotedByteLength = isIpv4 ? headerByteLength + QUOTED4_BYTE_LENGTH : QUOTED6_BYTE_LENGTH;
    const quoted = packet.packet.subarray(0, Math.max(0, quotedByteLength));
    const message = new Uint8Array(HEADER_BYTE_LENGTH + quoted.length);
    message[0] = isIpv4 ? UNREACHABLE : UNREACHABLE6;
    message[1] = isIpv4 ? CODES4[why] : CODES6[why];
    message.set(quoted, HEADER_BYTE_LENGTH);
    const protocol = isIpv4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6;
    this.#send({ source, destination: packet.source, protocol }, message);
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
