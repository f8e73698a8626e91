/**
 * DHCP for IPv4: RFC 2131, options of RFC 2132. Every guest gets an address of its own that stays with its Ethernet
 * address.
 *
 *     op u8 | htype u8 | hlen u8 | hops u8 | xid u32 | secs u16 | flags u16 | ciaddr (4) | yiaddr (4) | siaddr (4) |
 *     giaddr (4) | chaddr (16) | sname (64) | file (128) | cookie (4) | options: code u8, length u8, ...
 */
import { equalBytes, read32, write16, write32 } from "../octets.js";
import { BROADCAST4, DNS4, GATEWAY4, NETMASK4 } from "./addresses.js";
import type { Leases } from "./leases.js";

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;

const OP_REQUEST = 1;
const OP_REPLY = 2;
const XID = 4;
const CIADDR = 12;
const YIADDR = 16;
const SIADDR = 20;
const CHADDR = 28;
const COOKIE = 236;
const OPTIONS = 240;
const MAGIC_COOKIE = 0x6382_5363;
const MAC_END = CHADDR + 6;
const LEASE_SECONDS = 86_400;
/** Some clients drop shorter messages: RFC 1542 section 2.1. */
const REPLY_BYTE_LENGTH_MIN = 300;

const OPTION_PAD = 0;
const OPTION_NETMASK = 1;
const OPTION_ROUTER = 3;
const OPTION_DNS = 6;
const OPTION_MTU = 26;
const OPTION_BROADCAST = 28;
const OPTION_REQUESTED_ADDRESS = 50;
const OPTION_LEASE_TIME = 51;
const OPTION_MESSAGE_TYPE = 53;
const OPTION_SERVER = 54;
const OPTION_END = 255;

const DISCOVER = 1;
const OFFER = 2;
const REQUEST = 3;
const ACK = 5;
const NAK = 6;
const INFORM = 8;

/** The server's answer to a guest's message; null when there is none to give. @param mtu told to the guest */
export function answerDhcp(message: Uint8Array, leases: Leases, mtu: number): Uint8Array | null {
  if (message.length < OPTIONS || message[0] !== OP_REQUEST || message[2] !== 6) return null;
  if (read32(message, COOKIE) !== MAGIC_COOKIE) return null;
  const options = parseOptions(message.subarray(OPTIONS));
  const server = options.get(OPTION_SERVER);
  if (server !== undefined && !equalBytes(server, GATEWAY4)) return null;
  const address = leases.address4(message.subarray(CHADDR, MAC_END));
  if (address === null) return null;
  switch (options.get(OPTION_MESSAGE_TYPE)?.[0]) {
    case DISCOVER:
      return reply(message, OFFER, address, mtu);
    case REQUEST: {
      const wanted = options.get(OPTION_REQUESTED_ADDRESS) ?? message.subarray(CIADDR, YIADDR);
      return equalBytes(wanted, address) ? reply(message, ACK, address, mtu) : reply(message, NAK, null, mtu);
    }
    case INFORM:
      return reply(message, ACK, null, mtu);
    default:
      return null;
  }
}

/** Whatever is behind an option that is cut off does not count. */
function parseOptions(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  let offset = 0;
  while (offset < bytes.length && bytes[offset] !== OPTION_END) {
    const code = bytes[offset++]!;
    if (code === OPTION_PAD) continue;
    const end = offset + 1 + (bytes[offset] ?? 0);
    if (end > bytes.length) break;
    options.set(code, bytes.subarray(offset + 1, end));
    offset = end;
  }
  return options;
}

/** @param address the guest's, or null where none is given */
function reply(request: Uint8Array, type: number, address: Uint8Array | null, mtu: number): Uint8Array {
  const options = [OPTION_MESSAGE_TYPE, 1, type, OPTION_SERVER, 4, ...GATEWAY4];
  if (type !== NAK) {
    const mtuBytes = new Uint8Array(2);
    write16(mtuBytes, 0, mtu);
    options.push(OPTION_NETMASK, 4, ...NETMASK4, OPTION_ROUTER, 4, ...GATEWAY4, OPTION_DNS, 4, ...DNS4);
    options.push(OPTION_BROADCAST, 4, ...BROADCAST4, OPTION_MTU, 2, ...mtuBytes);
  }
  if (address !== null) {
    const seconds = new Uint8Array(4);
    write32(seconds, 0, LEASE_SECONDS);
    options.push(OPTION_LEASE_TIME, 4, ...seconds);
  }
  const message = new Uint8Array(Math.max(REPLY_BYTE_LENGTH_MIN, OPTIONS + options.length + 1));
  message.set(request.subarray(0, OPTIONS));
  message.fill(0, 8, 10);
  message.fill(0, YIADDR, SIADDR + 8);
  message.fill(0, CHADDR + 16, OPTIONS);
  message[0] = OP_REPLY;
  message.set(request.subarray(XID, XID + 4), XID);
  if (type === NAK) message.fill(0, CIADDR, YIADDR);
  if (address !== null) message.set(address, YIADDR);
  message.set(type === NAK ? [0, 0, 0, 0] : GATEWAY4, SIADDR);
  write32(message, COOKIE, MAGIC_COOKIE);
  message.set([...options, OPTION_END], OPTIONS);
  return message;
}
