import { pseudoHeaderSum } from "../checksum.js";
import type { Frame, NetworkClock, Station } from "../link.js";
import { plainFrame } from "../link.js";
import { joinBytes, keyOf, write16 } from "../octets.js";
import { ROUTER_MAC } from "./addresses.js";
import { ETHERNET_BYTE_LENGTH, ETHERTYPE_IPV4, ETHERTYPE_IPV6, newFrame } from "./ethernet.js";
import { HOP_LIMIT } from "./ip.js";
import { IPV4_HEADER_BYTE_LENGTH, writeIpv4Header } from "./ipv4.js";
import {
  IPV6_FRAGMENT_BYTE_LENGTH,
  IPV6_HEADER_BYTE_LENGTH,
  PROTOCOL_FRAGMENT,
  writeFragmentHeader,
  writeIpv6Header,
} from "./ipv6.js";
import { Unresolved } from "./unresolved.js";

/** Guests whose Ethernet address is known. */
const NEIGHBOURS_MAX = 1024;
/** Frames that the station has refused, kept for it; more are lost, as on any wire. */
const BACKLOG_MAX = 256;
/** In a frame whose receiver is not known yet. */
const NO_MAC = new Uint8Array(6);

/** What a packet is, apart from its payload. */
export interface PacketHeader {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly protocol: number;
  readonly hopLimit?: number;
}

/** The way to the guests: their Ethernet addresses, and what waits until they can take it. */
export class Wire {
  readonly mtu: number;
  readonly #onResume: () => void;
  readonly #neighbours = new Map<string, Uint8Array>();
  readonly #backlog: Frame[] = [];
  readonly #unresolved: Unresolved;
  #station: Station | null = null;
  #nextId = 1;

  /**
   * @param seek asks the wire whose address that is
   * @param onResume called when there is room again for what is large
   */
  constructor(mtu: number, clock: NetworkClock, seek: (address: Uint8Array) => void, onResume: () => void) {
    this.mtu = mtu;
    this.#unresolved = new Unresolved(clock, seek);
    this.#onResume = onResume;
  }

  /** Plugs in a station; what was known of the one before is forgotten. */
  connect(station: Station | null): void {
    this.#station = station;
    this.#neighbours.clear();
    this.#unresolved.clear();
    this.#backlog.length = 0;
  }

  /** Whether a frame would have to wait. */
  get isCongested(): boolean {
    return this.#backlog.length > 0;
  }

  /** Remembers whose address that is, and sends what has waited for it. */
  learn(address: Uint8Array, mac: Uint8Array): void {
    const key = keyOf(address);
    if (!this.#neighbours.has(key) && this.#neighbours.size >= NEIGHBOURS_MAX) {
      this.#neighbours.delete(this.#neighbours.keys().next().value!);
    }
    this.#neighbours.set(key, mac);
    this.#unresolved.found(address, mac);
  }

  /** Sends a frame, now or when the station resumes. */
  emit(frame: Frame): void {
    if (this.#station === null) return;
    if (this.#backlog.length === 0 && this.#station.receive(frame)) return;
    if (this.#backlog.length < BACKLOG_MAX) this.#backlog.push(frame);
  }

  /** Sends a frame to the guest of this address, whose Ethernet address is written into it; asks for it if need be. */
  emitTo(address: Uint8Array, frame: Frame): void {
    this.#withMac(address, (mac) => {
      frame.bytes.set(mac);
      this.emit(frame);
    });
  }

  /** The station can take frames again. */
  resume(): void {
    while (this.#backlog.length > 0) {
      if (this.#station?.receive(this.#backlog[0]!) === false) return;
      this.#backlog.shift();
    }
    this.#onResume();
  }

  /** Sends a packet whose payload is complete, in pieces if it is too long; asks for the guest if it is not known. */
  sendPacket(header: PacketHeader, payload: Uint8Array): void {
    this.#withMac(header.destination, (mac) => this.sendPacketTo(mac, header, payload));
  }

  /** The same to an Ethernet address. */
  sendPacketTo(mac: Uint8Array, header: PacketHeader, payload: Uint8Array): void {
    const headerByteLength = isIpv6(header) ? IPV6_HEADER_BYTE_LENGTH : IPV4_HEADER_BYTE_LENGTH;
    if (headerByteLength + payload.length > this.mtu) {
      this.#sendPieces(mac, header, payload);
      return;
    }
    const frame = this.newPacket(header, payload.length);
    frame.bytes.set(mac);
    frame.bytes.set(payload, frame.start);
    this.emit(plainFrame(frame.bytes));
  }

  /** A frame for `emitTo`: its IP header is written, and there is room for the payload from `start` on. */
  newPacket(header: PacketHeader, byteLength: number): { bytes: Uint8Array; start: number } {
    const { source, destination, protocol, hopLimit = HOP_LIMIT } = header;
    if (isIpv6(header)) {
      const bytes = newFrame(NO_MAC, ROUTER_MAC, ETHERTYPE_IPV6, IPV6_HEADER_BYTE_LENGTH + byteLength);
      writeIpv6Header(bytes, ETHERNET_BYTE_LENGTH, { source, destination, protocol, hopLimit });
      return { bytes, start: ETHERNET_BYTE_LENGTH + IPV6_HEADER_BYTE_LENGTH };
    }
    const bytes = newFrame(NO_MAC, ROUTER_MAC, ETHERTYPE_IPV4, IPV4_HEADER_BYTE_LENGTH + byteLength);
    writeIpv4Header(bytes, ETHERNET_BYTE_LENGTH, { source, destination, protocol, id: this.#takeId() });
    return { bytes, start: ETHERNET_BYTE_LENGTH + IPV4_HEADER_BYTE_LENGTH };
  }

  #sendPieces(mac: Uint8Array, header: PacketHeader, payload: Uint8Array): void {
    const overhead = isIpv6(header) ? IPV6_HEADER_BYTE_LENGTH + IPV6_FRAGMENT_BYTE_LENGTH : IPV4_HEADER_BYTE_LENGTH;
    const most = (this.mtu - overhead) & ~7;
    const id = this.#takeId();
    for (let offset = 0; offset < payload.length; offset += most) {
      const piece = payload.subarray(offset, offset + most);
      const place = { offset, isLast: offset + most >= payload.length };
      this.emit(
        plainFrame(isIpv6(header) ? piece6(mac, header, id, place, piece) : piece4(mac, header, id, place, piece)),
      );
    }
  }

  #withMac(address: Uint8Array, send: (mac: Uint8Array) => void): void {
    const mac = this.#neighbours.get(keyOf(address));
    if (mac !== undefined) send(mac);
    else if (this.#station !== null) this.#unresolved.add(address, send);
  }

  #takeId(): number {
    const id = this.#nextId;
    this.#nextId = (id + 1) & 0xffff;
    return id;
  }
}

interface Place {
  readonly offset: number;
  readonly isLast: boolean;
}

function piece4(mac: Uint8Array, header: PacketHeader, id: number, fragment: Place, piece: Uint8Array): Uint8Array {
  const bytes = newFrame(mac, ROUTER_MAC, ETHERTYPE_IPV4, IPV4_HEADER_BYTE_LENGTH + piece.length);
  writeIpv4Header(bytes, ETHERNET_BYTE_LENGTH, { ...header, id, fragment });
  bytes.set(piece, ETHERNET_BYTE_LENGTH + IPV4_HEADER_BYTE_LENGTH);
  return bytes;
}

function piece6(mac: Uint8Array, header: PacketHeader, id: number, place: Place, piece: Uint8Array): Uint8Array {
  const { source, destination, protocol, hopLimit = HOP_LIMIT } = header;
  const overhead = IPV6_HEADER_BYTE_LENGTH + IPV6_FRAGMENT_BYTE_LENGTH;
  const bytes = newFrame(mac, ROUTER_MAC, ETHERTYPE_IPV6, overhead + piece.length);
  writeIpv6Header(bytes, ETHERNET_BYTE_LENGTH, { source, destination, protocol: PROTOCOL_FRAGMENT, hopLimit });
  writeFragmentHeader(bytes, ETHERNET_BYTE_LENGTH + IPV6_HEADER_BYTE_LENGTH, protocol, id, place);
  bytes.set(piece, ETHERNET_BYTE_LENGTH + overhead);
  return bytes;
}

function isIpv6({ destination }: PacketHeader): boolean {
  return destination.length === 16;
}

/** The sum that a transport's checksum begins with. */
export function transportSum({ source, destination, protocol }: PacketHeader, byteLength: number): number {
  return pseudoHeaderSum(joinBytes(source, destination), protocol, byteLength);
}

/** Writes a checksum, of which zero would mean none. */
export function writeChecksum(bytes: Uint8Array, offset: number, sum: number): void {
  write16(bytes, offset, sum === 0 ? 0xffff : sum);
}
