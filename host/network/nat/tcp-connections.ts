import { checksum } from "../checksum.js";
import { plainFrame } from "../link.js";
import { keyOf, write16 } from "../octets.js";
import { AckSchedule } from "./ack-schedule.js";
import { type IpPacket, PROTOCOL_TCP } from "./ip.js";
import type { Endpoint, Outside, OutsideStream, StreamEvents, StreamFailure } from "./outside.js";
import { StreamMemory } from "./stream-memory.js";
import { TcpConnection } from "./tcp-connection.js";
import {
  ACK,
  FIN,
  RST,
  SYN,
  TCP_CHECKSUM,
  TCP_HEADER_BYTE_LENGTH,
  type TcpSegment,
  writeTcpHeader,
} from "./tcp-segment.js";
import type { TcpServices } from "./tcp-services.js";
import { transportSum, type Wire } from "./wire.js";

/** All connections of all guests; more are refused. */
const CONNECTIONS_MAX = 16_384;
/** Those that the outside has not answered yet; SYNs beyond that are lost, and guests repeat them. */
const ASKED_MAX = 1024;
/** Ports of the router from which connections to guests come: RFC 6335 section 6. */
const FIRST_PORT = 49_152;
const LAST_PORT = 65_535;

/** What to do with a guest's SYN. */
export type Route =
  | { readonly kind: "connect"; connect(events: StreamEvents): OutsideStream }
  | { readonly kind: "reset" };

export interface TcpRouting {
  route(packet: IpPacket, segment: TcpSegment): Route;
  /** What the guest asked for in this packet is out of reach. */
  unreachable(packet: IpPacket): void;
}

/** Every TCP connection of the guests. */
export class TcpConnections {
  readonly #wire: Wire;
  readonly #outside: Outside;
  readonly #routing: TcpRouting;
  readonly #connections = new Map<string, TcpConnection>();
  readonly #memory = new StreamMemory();
  readonly #services: TcpServices;
  readonly #waiting = new Set<TcpConnection>();
  /** Those that the outside has not answered yet, and the packets in which guests asked for them. */
  readonly #asked = new Map<TcpConnection, IpPacket>();
  #nextPort = FIRST_PORT;

  constructor(wire: Wire, outside: Outside, routing: TcpRouting) {
    this.#wire = wire;
    this.#outside = outside;
    const acks = new AckSchedule(outside);
    this.#routing = routing;
    this.#services = {
      wire,
      clock: outside,
      memory: this.#memory,
      requestAck: (connection, when) => acks.request(connection, when),
      awaitWire: (connection) => this.#waiting.add(connection),
      refused: (connection, failure, syn) => this.#refused(connection, failure, syn),
      closed: (connection) => this.#forget(connection),
    };
  }

  get size(): number {
    return this.#connections.size;
  }

  /** Bytes that all connections hold. */
  get byteLength(): number {
    return this.#memory.byteLength;
  }

  receive(packet: IpPacket, segment: TcpSegment): void {
    const guest = { address: packet.source, port: segment.sourcePort };
    const remote = { address: packet.destination, port: segment.destinationPort };
    const key = connectionKey(guest, remote);
    const known = this.#connections.get(key);
    if (known !== undefined && !known.mayReopen(segment)) {
      known.receive(segment);
      return;
    }
    known?.abort();
    if ((segment.flags & (SYN | ACK | RST | FIN)) === SYN) this.#open(key, guest, remote, packet, segment);
    else this.#resetStray(guest, remote, segment);
  }

  /** Connects a stream from outside to a guest. */
  openToGuest(gateway: Uint8Array, guest: Endpoint, accept: (events: StreamEvents) => OutsideStream): boolean {
    const port = this.#freePort(gateway, guest);
    if (port === null || !this.#hasRoom()) return false;
    const remote = { address: gateway, port };
    const connection = new TcpConnection(guest, remote, this.#initialSequence(), this.#services);
    this.#connections.set(connectionKey(guest, remote), connection);
    connection.openFromOutside(accept);
    return true;
  }

  /** The wire can take frames again: those who wait have their turn, the longest waiting first. */
  resume(): void {
    for (const connection of [...this.#waiting]) {
      if (this.#wire.isCongested) return;
      this.#waiting.delete(connection);
      connection.pump();
    }
  }

  /** Resets every connection that `isAllowed` is not true of. */
  retain(isAllowed: (remote: Endpoint) => boolean): void {
    for (const connection of [...this.#connections.values()]) {
      if (!isAllowed(connection.remote)) connection.reset();
    }
  }

  /** Ends everything without a word to the guests. */
  abortAll(): void {
    for (const connection of [...this.#connections.values()]) connection.abort();
    this.#waiting.clear();
  }

  #open(key: string, guest: Endpoint, remote: Endpoint, packet: IpPacket, syn: TcpSegment): void {
    const route = this.#routing.route(packet, syn);
    if (route.kind === "reset") {
      this.#resetStray(guest, remote, syn);
      return;
    }
    if (this.#asked.size >= ASKED_MAX || !this.#hasRoom()) return;
    const connection = new TcpConnection(guest, remote, this.#initialSequence(), this.#services);
    this.#connections.set(key, connection);
    // Copies: a frame may be much larger than what is quoted of it.
    const quoted = packet.packet.slice(0, packet.packet.length - packet.payload.length + TCP_HEADER_BYTE_LENGTH);
    this.#asked.set(connection, { ...packet, packet: quoted, payload: quoted.subarray(-TCP_HEADER_BYTE_LENGTH) });
    const ownSyn = { ...syn, options: syn.options.slice(), data: new Uint8Array() };
    connection.openFromGuest(ownSyn, (events) => route.connect(this.#noting(connection, events)));
  }

  /** Notes when a connection is no longer waiting for the outside. */
  #noting(connection: TcpConnection, events: StreamEvents): StreamEvents {
    return {
      ...events,
      connected: () => {
        this.#asked.delete(connection);
        events.connected();
      },
    };
  }

  /** Connections that only wait for stragglers make way. */
  #hasRoom(): boolean {
    if (this.#connections.size < CONNECTIONS_MAX) return true;
    for (const connection of this.#connections.values()) {
      if (!connection.isTimeWait) continue;
      connection.abort();
      return true;
    }
    return false;
  }

  #refused(connection: TcpConnection, failure: StreamFailure, syn: TcpSegment): void {
    if (failure === "refused" || failure === "reset") this.#resetStray(connection.guest, connection.remote, syn);
    const packet = this.#asked.get(connection);
    if (failure === "unreachable" && packet !== undefined) this.#routing.unreachable(packet);
  }

  #forget(connection: TcpConnection): void {
    const key = connectionKey(connection.guest, connection.remote);
    if (this.#connections.get(key) === connection) this.#connections.delete(key);
    this.#waiting.delete(connection);
    this.#asked.delete(connection);
  }

  /** Answers a segment that belongs to no connection: RFC 9293 section 3.10.7.1. */
  #resetStray(guest: Endpoint, remote: Endpoint, segment: TcpSegment): void {
    const { flags, sequence, acknowledgment, data } = segment;
    if ((flags & RST) !== 0) return;
    const header = { source: remote.address, destination: guest.address, protocol: PROTOCOL_TCP };
    const { bytes, start } = this.#wire.newPacket(header, TCP_HEADER_BYTE_LENGTH);
    const length = data.length + ((flags & SYN) !== 0 ? 1 : 0) + ((flags & FIN) !== 0 ? 1 : 0);
    const hasAck = (flags & ACK) !== 0;
    const ports = { sourcePort: remote.port, destinationPort: guest.port };
    writeTcpHeader(bytes, start, ports, {
      sequence: hasAck ? acknowledgment : 0,
      acknowledgment: hasAck ? 0 : (sequence + length) >>> 0,
      flags: hasAck ? RST : RST | ACK,
      window: 0,
      options: new Uint8Array(),
    });
    const sum = transportSum(header, TCP_HEADER_BYTE_LENGTH);
    write16(bytes, start + TCP_CHECKSUM, checksum(bytes, start, bytes.length, sum));
    this.#wire.emitTo(guest.address, plainFrame(bytes));
  }

  #freePort(gateway: Uint8Array, guest: Endpoint): number | null {
    for (let tries = FIRST_PORT; tries <= LAST_PORT; tries++) {
      const port = this.#nextPort;
      this.#nextPort = port === LAST_PORT ? FIRST_PORT : port + 1;
      if (!this.#connections.has(connectionKey(guest, { address: gateway, port }))) return port;
    }
    return null;
  }

  #initialSequence(): number {
    const bytes = new Uint8Array(4);
    this.#outside.randomBytes(bytes);
    return ((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!) >>> 0;
  }
}

function connectionKey(guest: Endpoint, remote: Endpoint): string {
  return `${keyOf(guest.address)}${keyOf(remote.address)}${String.fromCharCode(guest.port, remote.port)}`;
}
