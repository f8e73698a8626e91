/**
 * What an IPv6 router says on the wire: neighbour discovery (RFC 4861) and its own advertisement.
 *
 *     neighbour solicitation 135:    type, code, checksum | 0 (4) | target (16) | options
 *     neighbour advertisement 136:   type, code, checksum | R S O flags, 0 | target (16) | options
 *     router solicitation 133:       type, code, checksum | 0 (4) | options
 *     router advertisement 134:      type, code, checksum | hop limit, M O flags, lifetime s u16 | reachable ms u32 |
 *                                    retransmit ms u32 | options
 *     option: type u8 | length in 8 bytes u8 | ...
 */
import { equalBytes, joinBytes, write16, write32 } from "../octets.js";
import { ALL_NODES, DNS6, GATEWAY6, isOwnAddress, NETWORK6, ROUTER_LINK_LOCAL, ROUTER_MAC } from "./addresses.js";
import { isIcmpSound, writeIcmpChecksum } from "./icmp.js";
import { HOP_LIMIT_LINK, type IpPacket, PROTOCOL_ICMPV6 } from "./ip.js";
import type { Wire } from "./wire.js";

const ROUTER_SOLICITATION = 133;
const ROUTER_ADVERTISEMENT = 134;
const NEIGHBOUR_SOLICITATION = 135;
const NEIGHBOUR_ADVERTISEMENT = 136;
const TARGET = 8;
const TARGET_END = 24;
const FLAGS_ROUTER_SOLICITED_OVERRIDE = 0xe0;
const FLAG_OTHER_CONFIGURATION = 0x40;
const ROUTER_LIFETIME_SECONDS = 1800;
const PREFIX_LIFETIME_SECONDS = 86_400;
const PREFIX_ON_LINK_AND_AUTONOMOUS = 0xc0;
const OPTION_SOURCE_MAC = 1;
const OPTION_TARGET_MAC = 2;
const OPTION_PREFIX = 3;
const OPTION_MTU = 5;
/** RFC 8106. */
const OPTION_DNS = 25;
const UNSPECIFIED = new Uint8Array(16);

/** Answers what neighbour discovery asks the router. @returns whether the packet was of that kind */
export function serveNdp(wire: Wire, packet: IpPacket, senderMac: Uint8Array): boolean {
  const { payload, hopLimit } = packet;
  const type = payload[0]!;
  if (type < ROUTER_SOLICITATION || type > NEIGHBOUR_ADVERTISEMENT) return false;
  if (hopLimit !== HOP_LIMIT_LINK || !isIcmpSound(packet)) return true;
  if (type === ROUTER_SOLICITATION) sendRouterAdvertisement(wire, senderMac);
  const target = payload.slice(TARGET, TARGET_END);
  // A guest that only tries out an address asks from none, and is answered before all (RFC 4861 section 7.2.4).
  if (type === NEIGHBOUR_SOLICITATION && target.length === 16 && isOwnAddress(target)) {
    const isTrial = equalBytes(packet.source, UNSPECIFIED);
    sendNeighbourAdvertisement(wire, senderMac, isTrial ? ALL_NODES : packet.source, target);
  }
  return true;
}

/** Asks which station has an address. */
export function sendNeighbourSolicitation(wire: Wire, sought: Uint8Array): void {
  const message = joinBytes(header(NEIGHBOUR_SOLICITATION, 0), sought, macOption(OPTION_SOURCE_MAC));
  // The solicited-node group, RFC 4291 section 2.7.1, and its Ethernet address, RFC 2464 section 7.
  const group = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ...sought.subarray(13));
  const mac = Uint8Array.of(0x33, 0x33, ...group.subarray(12));
  send(wire, mac, sought[0] === 0xfe && sought[1] === 0x80 ? ROUTER_LINK_LOCAL : GATEWAY6, group, message);
}

/** Tells of the network's prefix, its router and its name server. */
export function sendRouterAdvertisement(wire: Wire, mac: Uint8Array): void {
  const message = joinBytes(
    routerHeader(),
    macOption(OPTION_SOURCE_MAC),
    mtuOption(wire.mtu),
    prefixOption(),
    dnsOption(),
  );
  send(wire, mac, ROUTER_LINK_LOCAL, ALL_NODES, message);
}

function sendNeighbourAdvertisement(wire: Wire, mac: Uint8Array, destination: Uint8Array, target: Uint8Array): void {
  const message = joinBytes(
    header(NEIGHBOUR_ADVERTISEMENT, FLAGS_ROUTER_SOLICITED_OVERRIDE),
    target,
    macOption(OPTION_TARGET_MAC),
  );
  send(wire, mac, target, destination, message);
}

function send(wire: Wire, mac: Uint8Array, source: Uint8Array, destination: Uint8Array, message: Uint8Array): void {
  const ip = { source, destination, protocol: PROTOCOL_ICMPV6, hopLimit: HOP_LIMIT_LINK };
  writeIcmpChecksum(ip, message);
  wire.sendPacketTo(mac, ip, message);
}

function header(type: number, flags: number): Uint8Array {
  return Uint8Array.of(type, 0, 0, 0, flags, 0, 0, 0);
}

function routerHeader(): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set([ROUTER_ADVERTISEMENT, 0, 0, 0, 64, FLAG_OTHER_CONFIGURATION]);
  write16(bytes, 6, ROUTER_LIFETIME_SECONDS);
  return bytes;
}

function macOption(type: number): Uint8Array {
  return Uint8Array.of(type, 1, ...ROUTER_MAC);
}

function mtuOption(mtu: number): Uint8Array {
  const bytes = Uint8Array.of(OPTION_MTU, 1, 0, 0, 0, 0, 0, 0);
  write32(bytes, 4, mtu);
  return bytes;
}

function prefixOption(): Uint8Array {
  const bytes = new Uint8Array(32);
  bytes.set([OPTION_PREFIX, 4, NETWORK6.prefixBitCount, PREFIX_ON_LINK_AND_AUTONOMOUS]);
  write32(bytes, 4, PREFIX_LIFETIME_SECONDS);
  write32(bytes, 8, PREFIX_LIFETIME_SECONDS);
  bytes.set(NETWORK6.address, 16);
  return bytes;
}

function dnsOption(): Uint8Array {
  const bytes = new Uint8Array(24);
  bytes.set([OPTION_DNS, 3]);
  write32(bytes, 4, ROUTER_LIFETIME_SECONDS);
  bytes.set(DNS6, 8);
  return bytes;
}
