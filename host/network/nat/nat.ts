/**
 * A network of its own for guests, with a router that is the host: what QEMU calls user networking. The guest's TCP
 * ends here; each of its connections is a socket of the host, and nothing on the host needs rights or set-up.
 *
 * | address             | is                                                                     |
 * |---------------------|------------------------------------------------------------------------|
 * | 10.0.2.2, fec0::2   | the router, and the host's own 127.0.0.1 or ::1                        |
 * | 10.0.2.3, fec0::3   | the name server                                                        |
 * | 10.0.2.15, ...      | the guest, and others on the same network, by DHCP                     |
 * | fec0::/64           | guests, by router advertisement or DHCPv6                              |
 *
 * Everything guests send is checked; what is broken or goes nowhere is dropped or answered with an ICMP error.
 */
import { cidrContains } from "../address.js";
import { type Frame, type Link, plainFrame, type Station } from "../link.js";
import { equalBytes } from "../octets.js";
import {
  BROADCAST4,
  GATEWAY4,
  GATEWAY6,
  isDnsServer,
  isGateway,
  isOwnAddress,
  LINK_LOCAL6,
  LOOPBACK4,
  LOOPBACK6,
  NETWORK4,
  NETWORK6,
  ROUTER_LINK_LOCAL,
} from "./addresses.js";
import { ARP_REQUEST, arpReply, arpRequest, parseArp } from "./arp.js";
import { answerDhcp, DHCP_CLIENT_PORT, DHCP_SERVER_PORT } from "./dhcp.js";
import { answerDhcpv6, DHCPV6_SERVER_PORT } from "./dhcpv6.js";
import { DnsServer, dnsByteLengthMax, truncateDns } from "./dns.js";
import { DnsStream } from "./dns-stream.js";
import { EgressPolicy } from "./egress.js";
import {
  ETHERNET_BYTE_LENGTH,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  etherType,
  sourceMac,
} from "./ethernet.js";
import { Icmp } from "./icmp.js";
import { type IpPacket, type ParsedIp, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP } from "./ip.js";
import { parseIpv4Packet } from "./ipv4.js";
import { parseIpv6Packet } from "./ipv6.js";
import { Leases } from "./leases.js";
import { sendNeighbourSolicitation, serveNdp } from "./ndp.js";
import type { Endpoint, IncomingStream, Outside } from "./outside.js";
import { Reassembly } from "./reassembly.js";
import { type Route, TcpConnections } from "./tcp-connections.js";
import { parseTcp, type TcpSegment } from "./tcp-segment.js";
import { parseUdp, sendUdp, type UdpDatagram, UdpFlows } from "./udp.js";
import { UdpForwards } from "./udp-forward.js";
import { Wire } from "./wire.js";

const DNS_PORT = 53;
const DEFAULT_MTU = 1500;
const MTU_MIN = 1280;
const MTU_MAX = 65_521;

/** Addresses that mean the host itself, this network or everybody; no packet may get there by its own words. */
const UNROUTABLE = [
  { address: Uint8Array.of(0, 0, 0, 0), prefixBitCount: 8 },
  { address: Uint8Array.of(127, 0, 0, 0), prefixBitCount: 8 },
  { address: Uint8Array.of(224, 0, 0, 0), prefixBitCount: 4 },
  { address: Uint8Array.of(255, 255, 255, 255), prefixBitCount: 32 },
  NETWORK4,
  // The unspecified and the loopback address, and IPv4 in other clothes.
  { address: new Uint8Array(16), prefixBitCount: 80 },
  { address: Uint8Array.of(0xff, ...new Uint8Array(15)), prefixBitCount: 8 },
  LINK_LOCAL6,
  NETWORK6,
];

export interface NatOptions {
  readonly outside: Outside;
  readonly egress?: EgressPolicy;
  /** Largest IP packet to guests, 1280 to 65521; the device's should be the same. */
  readonly mtu?: number;
}

export class Nat implements Link {
  /** What guests may reach; changeable at any time. */
  readonly egress: EgressPolicy;
  readonly #outside: Outside;
  readonly #wire: Wire;
  readonly #icmp: Icmp;
  readonly #dns: DnsServer;
  readonly #tcp: TcpConnections;
  readonly #udp: UdpFlows;
  readonly #udpForwards: UdpForwards;
  readonly #leases = new Leases();
  readonly #reassembly = new Reassembly();

  constructor({ outside, egress = new EgressPolicy(), mtu = DEFAULT_MTU }: NatOptions) {
    this.#outside = outside;
    this.egress = egress;
    this.#wire = new Wire(
      Math.max(MTU_MIN, Math.min(MTU_MAX, mtu)),
      outside,
      (address) => this.#seek(address),
      () => this.#tcp.resume(),
    );
    this.#icmp = new Icmp(this.#wire, () => outside.nowMs());
    this.#dns = new DnsServer(outside, egress);
    this.#tcp = new TcpConnections(this.#wire, outside, {
      route: (packet, segment) => this.#routeTcp(packet, segment),
      unreachable: (packet) => this.#icmp.sendFailure(routerAddress(packet), packet, "host"),
    });
    this.#udp = new UdpFlows(
      outside,
      (datagram) => sendUdp(this.#wire, datagram),
      (quote) => this.#icmp.sendFailureOf(quote.destination, quote, "port"),
    );
    this.#udpForwards = new UdpForwards(GATEWAY4, (datagram) => sendUdp(this.#wire, datagram));
    egress.watch(() => this.#tcp.retain(({ address, port }) => this.#isAllowed("tcp", { address, port })));
  }

  /** How many connections and UDP ports guests have, and the bytes these hold. */
  get usage(): { readonly tcp: number; readonly udp: number; readonly byteLength: number } {
    return { tcp: this.#tcp.size, udp: this.#udp.size, byteLength: this.#tcp.byteLength };
  }

  /** A new station is a guest that knows of no connections: those of the one before are reset outside. */
  connect(station: Station): void {
    this.#tcp.abortAll();
    this.#udp.closeAll();
    this.#wire.connect(station);
  }

  /** Never refuses: streams are held back by their windows, and datagrams may be lost. */
  send(frame: Frame): boolean {
    const { bytes, checksum } = frame;
    if (bytes.length < ETHERNET_BYTE_LENGTH) return true;
    const payload = bytes.subarray(ETHERNET_BYTE_LENGTH);
    switch (etherType(bytes)) {
      case ETHERTYPE_ARP:
        this.#receiveArp(payload);
        break;
      case ETHERTYPE_IPV4:
        this.#receiveIp(parseIpv4Packet(payload, checksum !== null), sourceMac(bytes));
        break;
      case ETHERTYPE_IPV6:
        this.#receiveIp(parseIpv6Packet(payload, checksum !== null), sourceMac(bytes));
        break;
      default:
        break;
    }
    return true;
  }

  resume(): void {
    this.#wire.resume();
  }

  async close(): Promise<void> {
    this.#wire.connect(null);
    this.#tcp.abortAll();
    this.#udp.closeAll();
  }

  /**
   * Connects somebody who has connected to the host with a port of the guest.
   *
   * @param guest the guest's address; null for that of whoever came last
   * @returns whether there was room for one more
   */
  forwardTcp(stream: IncomingStream, guest: Uint8Array | null, port: number): boolean {
    const address = guest ?? this.#leases.newest4;
    return this.#tcp.openToGuest(GATEWAY4, { address, port }, (events) => stream.accept(events));
  }

  /** Hands the guest a datagram that came to the forwarded port called `forward`. @param answer sends one back */
  forwardUdp(
    forward: string,
    from: Endpoint,
    guest: Uint8Array | null,
    port: number,
    data: Uint8Array,
    answer: (bytes: Uint8Array) => void,
  ): void {
    this.#udpForwards.receive(forward, from, { address: guest ?? this.#leases.newest4, port }, data, answer);
  }

  #receiveArp(payload: Uint8Array): void {
    const message = parseArp(payload);
    if (message === null) return;
    const { operation, senderAddress, senderMac, targetAddress } = message;
    if (this.#isGuestAddress(senderAddress)) this.#wire.learn(senderAddress, senderMac);
    if (operation === ARP_REQUEST && isOwnAddress(targetAddress)) this.#wire.emit(plainFrame(arpReply(message)));
  }

  #receiveIp(parsed: ParsedIp, mac: Uint8Array): void {
    if (parsed === null) return;
    const packet = "whole" in parsed ? parsed.whole : this.#reassembly.add(parsed.fragment, this.#outside.nowMs());
    if (packet === null) return;
    if (this.#isGuestAddress(packet.source)) this.#wire.learn(packet.source, mac);
    else if (!isBeforeAddress(packet)) return;
    this.#receivePacket(packet, mac);
  }

  #receivePacket(packet: IpPacket, mac: Uint8Array): void {
    // The router is a hop for what goes beyond it: RFC 1812 section 5.3.1.
    if (packet.hopLimit <= 1 && !isOwnAddress(packet.destination) && !isUnroutable(packet.destination)) {
      this.#tellExpired(packet);
      return;
    }
    switch (packet.protocol) {
      case PROTOCOL_TCP: {
        const segment = parseTcp(packet);
        if (segment !== null && this.#isGuestAddress(packet.source)) this.#tcp.receive(packet, segment);
        return;
      }
      case PROTOCOL_UDP: {
        const datagram = parseUdp(packet);
        if (datagram !== null) this.#receiveUdp(packet, datagram, mac);
        return;
      }
      case PROTOCOL_ICMP:
        if (packet.version === 4) this.#receiveIcmp(packet);
        return;
      case PROTOCOL_ICMPV6:
        if (packet.version === 6 && !serveNdp(this.#wire, packet, mac)) this.#receiveIcmp(packet);
        return;
      default:
        return;
    }
  }

  /** Of errors themselves nothing is told: RFC 1122 section 3.2.2. */
  #tellExpired(packet: IpPacket): void {
    const isIcmp = packet.protocol === PROTOCOL_ICMP || packet.protocol === PROTOCOL_ICMPV6;
    if (!this.#isGuestAddress(packet.source) || (isIcmp && !this.#icmp.isEchoRequest(packet))) return;
    this.#icmp.sendFailure(routerAddress(packet), packet, "expired");
  }

  /** Hosts beyond the router cannot be pinged without rights that Node does not have. */
  #receiveIcmp(packet: IpPacket): void {
    if (isOwnAddress(packet.destination)) this.#icmp.answerEcho(packet);
    else if (this.#icmp.isEchoRequest(packet) && !isUnroutable(packet.destination)) {
      this.#icmp.sendFailure(routerAddress(packet), packet, "prohibited");
    }
  }

  #receiveUdp(packet: IpPacket, datagram: UdpDatagram, mac: Uint8Array): void {
    const { destination, data, source } = datagram;
    if (packet.version === 4 && destination.port === DHCP_SERVER_PORT && source.port === DHCP_CLIENT_PORT) {
      this.#answerDhcp(data, mac);
    } else if (packet.version === 6 && destination.port === DHCPV6_SERVER_PORT) {
      this.#answerDhcpv6(datagram, mac);
    } else if (!this.#isGuestAddress(packet.source)) {
      return;
    } else if (isDnsServer(destination.address)) {
      if (destination.port === DNS_PORT) void this.#answerDns(datagram);
      else this.#icmp.sendFailure(packet.destination, packet, "port");
    } else if (!(isGateway(destination.address) && this.#udpForwards.answer(datagram))) {
      this.#sendOutside(packet, datagram);
    }
  }

  #sendOutside(packet: IpPacket, datagram: UdpDatagram): void {
    const { destination } = datagram;
    const outside = this.#translate(destination);
    if (outside === null || destination.port === 0) return;
    if (this.#isAllowed("udp", destination)) this.#udp.send(packet, datagram, outside);
    else this.#icmp.sendFailure(routerAddress(packet), packet, "prohibited");
  }

  #answerDhcp(data: Uint8Array, mac: Uint8Array): void {
    const answer = answerDhcp(data, this.#leases, this.#wire.mtu);
    if (answer === null) return;
    // The guest has no address yet, so the answer goes to all.
    const destination = { address: Uint8Array.of(255, 255, 255, 255), port: DHCP_CLIENT_PORT };
    const source = { address: GATEWAY4, port: DHCP_SERVER_PORT };
    sendUdp(this.#wire, { source, destination, data: answer }, mac);
  }

  #answerDhcpv6({ source, data }: UdpDatagram, mac: Uint8Array): void {
    const answer = answerDhcpv6(data, this.#leases.address6(mac));
    if (answer === null) return;
    const server = { address: ROUTER_LINK_LOCAL, port: DHCPV6_SERVER_PORT };
    sendUdp(this.#wire, { source: server, destination: source, data: answer }, mac);
  }

  async #answerDns({ source, destination, data }: UdpDatagram): Promise<void> {
    const question = data.slice();
    const answer = await this.#dns.answer(question);
    if (answer === null) return;
    const fitting = truncateDns(answer, dnsByteLengthMax(question));
    sendUdp(this.#wire, { source: destination, destination: source, data: fitting });
  }

  #routeTcp(packet: IpPacket, { destinationPort }: TcpSegment): Route {
    const destination = { address: packet.destination, port: destinationPort };
    if (isDnsServer(destination.address)) {
      if (destinationPort !== DNS_PORT) return { kind: "reset" };
      return {
        kind: "connect",
        connect: (events) => new DnsStream(this.#dns, events, (callback) => this.#outside.defer(callback)),
      };
    }
    const outside = this.#translate(destination);
    if (outside === null || destinationPort === 0 || !this.#isAllowed("tcp", destination)) return { kind: "reset" };
    return { kind: "connect", connect: (events) => this.#outside.connect(outside, events) };
  }

  /** Where a destination really is; null for addresses that lead nowhere. */
  #translate({ address, port }: Endpoint): Endpoint | null {
    if (equalBytes(address, GATEWAY4)) return { address: LOOPBACK4, port };
    if (equalBytes(address, GATEWAY6)) return { address: LOOPBACK6, port };
    return isUnroutable(address) ? null : { address, port };
  }

  #isAllowed(protocol: "tcp" | "udp", { address, port }: Endpoint): boolean {
    return isDnsServer(address) || this.egress.allows(protocol, address, port);
  }

  /** Whether a guest may have this address. */
  #isGuestAddress(address: Uint8Array): boolean {
    if (isOwnAddress(address)) return false;
    if (address.length === 4) {
      return (
        cidrContains(NETWORK4, address) && !equalBytes(address, BROADCAST4) && !equalBytes(address, NETWORK4.address)
      );
    }
    return cidrContains(NETWORK6, address) || cidrContains(LINK_LOCAL6, address);
  }

  #seek(address: Uint8Array): void {
    if (address.length === 4) this.#wire.emit(plainFrame(arpRequest(GATEWAY4, address)));
    else sendNeighbourSolicitation(this.#wire, address);
  }
}

function isUnroutable(address: Uint8Array): boolean {
  return UNROUTABLE.some((cidr) => cidrContains(cidr, address));
}

/** Guests that have no address yet send from none. */
function isBeforeAddress({ source }: IpPacket): boolean {
  return source.every((byte) => byte === 0);
}

function routerAddress({ version }: IpPacket): Uint8Array {
  return version === 4 ? GATEWAY4 : GATEWAY6;
}
