/** Who is who in the NAT's network: QEMU's addresses for its user networking. */
import { parseIpv4, parseIpv6 } from "../address.js";
import { equalBytes } from "../octets.js";

function ipv4(text: string): Uint8Array {
  return parseIpv4(text)!;
}

function ipv6(text: string): Uint8Array {
  return parseIpv6(text)!;
}

/** The router: the host. */
export const ROUTER_MAC = Uint8Array.of(0x52, 0x55, 0x0a, 0x00, 0x02, 0x02);
export const BROADCAST_MAC = new Uint8Array(6).fill(0xff);

export const NETWORK4 = { address: ipv4("10.0.2.0"), prefixBitCount: 24 };
export const NETMASK4 = ipv4("255.255.255.0");
export const BROADCAST4 = ipv4("10.0.2.255");
export const GATEWAY4 = ipv4("10.0.2.2");
export const DNS4 = ipv4("10.0.2.3");
/** Last byte of the first guest's address; others follow. */
export const FIRST_GUEST = 15;

export const NETWORK6 = { address: ipv6("fec0::"), prefixBitCount: 64 };
export const GATEWAY6 = ipv6("fec0::2");
export const DNS6 = ipv6("fec0::3");
/** The router's address on the wire, from which it advertises itself. */
export const ROUTER_LINK_LOCAL = ipv6("fe80::2");
export const ALL_NODES = ipv6("ff02::1");
export const LINK_LOCAL6 = { address: ipv6("fe80::"), prefixBitCount: 10 };

export const LOOPBACK4 = ipv4("127.0.0.1");
export const LOOPBACK6 = ipv6("::1");

/** The IPv4 address of the guest of this number, from 0. */
export function guestAddress4(index: number): Uint8Array {
  const address = Uint8Array.from(NETWORK4.address);
  address[3] = FIRST_GUEST + index;
  return address;
}

/** The IPv6 address that DHCPv6 gives the guest of this number. */
export function guestAddress6(index: number): Uint8Array {
  const address = Uint8Array.from(NETWORK6.address);
  address[15] = FIRST_GUEST + index;
  return address;
}

export function isGateway(address: Uint8Array): boolean {
  return equalBytes(address, GATEWAY4) || equalBytes(address, GATEWAY6);
}

export function isDnsServer(address: Uint8Array): boolean {
  return equalBytes(address, DNS4) || equalBytes(address, DNS6);
}

/** Addresses that answer for themselves: the router and its name server. */
export function isOwnAddress(address: Uint8Array): boolean {
  return isGateway(address) || isDnsServer(address) || equalBytes(address, ROUTER_LINK_LOCAL);
}
