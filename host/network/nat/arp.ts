/**
 * ARP for IPv4 over Ethernet: RFC 826.
 *
 *     hardware type u16 = 1 | protocol type u16 = 0x0800 | 6 u8 | 4 u8 | operation u16 |
 *     sender MAC (6) | sender IP (4) | target MAC (6) | target IP (4)
 */
import { read16, write16 } from "../octets.js";
import { BROADCAST_MAC, ROUTER_MAC } from "./addresses.js";
import { ETHERNET_BYTE_LENGTH, ETHERTYPE_ARP, ETHERTYPE_IPV4, newFrame } from "./ethernet.js";

const ARP_BYTE_LENGTH = 28;
const HARDWARE_ETHERNET = 1;
const OPERATION = 6;
const SENDER_MAC = 8;
const SENDER_IP = 14;
const TARGET_MAC = 18;
const TARGET_IP = 24;
export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;

export interface ArpMessage {
  readonly operation: number;
  readonly senderMac: Uint8Array;
  readonly senderAddress: Uint8Array;
  readonly targetAddress: Uint8Array;
}

/** @param payload what follows the Ethernet header @returns null for what is no ARP between IPv4 stations */
export function parseArp(payload: Uint8Array): ArpMessage | null {
  if (payload.length < ARP_BYTE_LENGTH) return null;
  const isForUs = read16(payload, 0) === HARDWARE_ETHERNET && read16(payload, 2) === ETHERTYPE_IPV4;
  if (!isForUs || payload[4] !== 6 || payload[5] !== 4) return null;
  return {
    operation: read16(payload, OPERATION),
    senderMac: payload.slice(SENDER_MAC, SENDER_IP),
    senderAddress: payload.slice(SENDER_IP, TARGET_MAC),
    targetAddress: payload.slice(TARGET_IP, ARP_BYTE_LENGTH),
  };
}

/** The router's answer that it is at this address. */
export function arpReply(request: ArpMessage): Uint8Array {
  return arpFrame(ARP_REPLY, request.senderMac, request.targetAddress, request.senderAddress);
}

/** The router's question who has an address. */
export function arpRequest(routerAddress: Uint8Array, sought: Uint8Array): Uint8Array {
  return arpFrame(ARP_REQUEST, BROADCAST_MAC, routerAddress, sought);
}

function arpFrame(operation: number, targetMac: Uint8Array, sender: Uint8Array, target: Uint8Array): Uint8Array {
  const frame = newFrame(targetMac, ROUTER_MAC, ETHERTYPE_ARP, ARP_BYTE_LENGTH);
  const arp = frame.subarray(ETHERNET_BYTE_LENGTH);
  write16(arp, 0, HARDWARE_ETHERNET);
  write16(arp, 2, ETHERTYPE_IPV4);
  arp[4] = 6;
  arp[5] = 4;
  write16(arp, OPERATION, operation);
  arp.set(ROUTER_MAC, SENDER_MAC);
  arp.set(sender, SENDER_IP);
  if (operation === ARP_REPLY) arp.set(targetMac, TARGET_MAC);
  arp.set(target, TARGET_IP);
  return frame;
}
