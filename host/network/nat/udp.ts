/**
 * UDP: RFC 768.
 *
 *     source port u16 | destination port u16 | length u16 | checksum u16 | data
 */
import { checksum } from "../checksum.js";
import { keyOf, read16, write16 } from "../octets.js";
import { type Quote, quoteOf } from "./icmp.js";
import { type IpPacket, PROTOCOL_UDP } from "./ip.js";
import type { Endpoint, Outside, OutsideDatagrams } from "./outside.js";
import { transportSum, type Wire, writeChecksum } from "./wire.js";

export const UDP_HEADER_BYTE_LENGTH = 8;
const LENGTH = 4;
const CHECKSUM = 6;
/** Guest ports with a host socket; the one that has been silent for longest makes way. */
const FLOWS_MAX = 1024;
/** RFC 4787 section 4.3 asks for two minutes at least. */
const FLOW_IDLE_MS = 120_000;
const SWEEP_MS = 10_000;
/** Others that a guest's port talks to; what strangers' addresses send is dropped: RFC 4787 section 5. */
const PEERS_MAX = 256;

export interface UdpDatagram {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly data: Uint8Array;
}

/** @returns null for what is no sound datagram */
export function parseUdp(packet: IpPacket): UdpDatagram | null {
  const { payload, source, destination, isChecksumPartial } = packet;
  if (payload.length < UDP_HEADER_BYTE_LENGTH) return null;
  const length = read16(payload, LENGTH);
  if (length < UDP_HEADER_BYTE_LENGTH || length > payload.length) return null;
  // Zero is "none", which IPv6 does not have (RFC 8200 section 8.1).
  const hasChecksum = read16(payload, CHECKSUM) !== 0;
  if (!hasChecksum && packet.version === 6) return null;
  if (hasChecksum && !isChecksumPartial && checksum(payload, 0, length, transportSum(packet, length)) !== 0)
    return null;
  return {
    source: { address: source, port: read16(payload, 0) },
    destination: { address: destination, port: read16(payload, 2) },
    data: payload.subarray(UDP_HEADER_BYTE_LENGTH, length),
  };
}

/** Sends a datagram to a guest. @param mac where the guest is, if it has no address yet */
export function sendUdp(wire: Wire, { source, destination, data }: UdpDatagram, mac?: Uint8Array): void {
  const length = UDP_HEADER_BYTE_LENGTH + data.length;
  if (length > 0xffff) return;
  const header = { source: source.address, destination: destination.address, protocol: PROTOCOL_UDP };
  const payload = new Uint8Array(length);
  write16(payload, 0, source.port);
  write16(payload, 2, destination.port);
  write16(payload, LENGTH, length);
  payload.set(data, UDP_HEADER_BYTE_LENGTH);
  writeChecksum(payload, CHECKSUM, checksum(payload, 0, length, transportSum(header, length)));
  if (mac === undefined) wire.sendPacket(header, payload);
  else wire.sendPacketTo(mac, header, payload);
}

/** A guest's port, and the host socket that stands for it. */
interface Flow {
  readonly socket: OutsideDatagrams;
  /** Those the guest has sent to: outside address to what the guest calls it. */
  readonly peers: Map<string, Uint8Array>;
  /** What was sent last and to whom, until that is refused. */
  last: { readonly peer: string; readonly quote: Quote } | null;
  usedMs: number;
}

/** Lets guests' ports talk to the outside, each through a host socket of its own. */
export class UdpFlows {
  readonly #outside: Outside;
  readonly #deliver: (datagram: UdpDatagram) => void;
  readonly #refuse: (quote: Quote) => void;
  /** The longest unused first. */
  readonly #flows = new Map<string, Flow>();
  #cancelSweep: (() => void) | null = null;

  /** @param refuse tells a guest that nobody listens where it has sent this */
  constructor(outside: Outside, deliver: (datagram: UdpDatagram) => void, refuse: (quote: Quote) => void) {
    this.#outside = outside;
    this.#deliver = deliver;
    this.#refuse = refuse;
  }

  get size(): number {
    return this.#flows.size;
  }

  /** @param packet what the datagram came in @param outside where the destination really is */
  send(packet: IpPacket, { source, destination, data }: UdpDatagram, outside: Endpoint): void {
    const key = endpointKey(source, outside.address.length);
    const flow = this.#flows.get(key) ?? this.#open(source, outside.address.length);
    this.#flows.delete(key);
    this.#flows.set(key, flow);
    flow.usedMs = this.#outside.nowMs();
    const peer = keyOf(outside.address);
    if (!flow.peers.has(peer) && flow.peers.size >= PEERS_MAX) flow.peers.delete(flow.peers.keys().next().value!);
    flow.peers.set(peer, destination.address);
    flow.last = { peer: endpointKey(outside, 0), quote: quoteOf(packet) };
    flow.socket.send(data, outside);
  }

  closeAll(): void {
    for (const { socket } of this.#flows.values()) socket.close();
    this.#flows.clear();
    this.#cancelSweep?.();
    this.#cancelSweep = null;
  }

  #open(guest: Endpoint, addressByteLength: number): Flow {
    if (this.#flows.size >= FLOWS_MAX) this.#close(this.#flows.keys().next().value!);
    const peers = new Map<string, Uint8Array>();
    const socket = this.#outside.openDatagrams(addressByteLength, {
      received: (data, from) => {
        const address = peers.get(keyOf(from.address));
        if (address === undefined) return;
        flow.usedMs = this.#outside.nowMs();
        this.#deliver({ source: { address, port: from.port }, destination: guest, data });
      },
      refused: (to) => {
        if (flow.last?.peer !== endpointKey(to, 0)) return;
        this.#refuse(flow.last.quote);
        flow.last = null;
      },
    });
    const flow: Flow = { socket, peers, last: null, usedMs: 0 };
    this.#cancelSweep ??= this.#outside.after(SWEEP_MS, () => this.#sweep());
    return flow;
  }

  #close(key: string): void {
    this.#flows.get(key)?.socket.close();
    this.#flows.delete(key);
  }

  #sweep(): void {
    const oldest = this.#outside.nowMs() - FLOW_IDLE_MS;
    for (const [key, { usedMs }] of this.#flows) if (usedMs < oldest) this.#close(key);
    this.#cancelSweep = this.#flows.size === 0 ? null : this.#outside.after(SWEEP_MS, () => this.#sweep());
  }
}

function endpointKey({ address, port }: Endpoint, kind: number): string {
  return `${keyOf(address)}${port}/${kind}`;
}
