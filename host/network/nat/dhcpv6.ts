/**
 * DHCPv6: RFC 8415. Gives an address to guests that ask for one rather than make their own, and the name server to all.
 *
 *     type u8 | transaction (3) | options: code u16, length u16, ...
 *
 *     IA_NA: id u32 | T1 s u32 | T2 s u32 | options      IA address: address (16) | preferred s u32 | valid s u32
 */
import { equalBytes, joinBytes, read16, read32, write16, write32 } from "../octets.js";
import { DNS6, ROUTER_MAC } from "./addresses.js";

export const DHCPV6_SERVER_PORT = 547;
export const DHCPV6_CLIENT_PORT = 546;

const SOLICIT = 1;
const ADVERTISE = 2;
const REQUEST = 3;
const CONFIRM = 4;
const RENEW = 5;
const REBIND = 6;
const REPLY = 7;
const RELEASE = 8;
const INFORMATION_REQUEST = 11;

const OPTION_CLIENT_ID = 1;
const OPTION_SERVER_ID = 2;
const OPTION_IA_NA = 3;
const OPTION_IA_ADDRESS = 5;
const OPTION_STATUS = 13;
const OPTION_RAPID_COMMIT = 14;
const OPTION_DNS = 23;

const HEADER_BYTE_LENGTH = 4;
const LIFETIME_SECONDS = 86_400;
const STATUS_SUCCESS = 0;
/** Link-layer address (3) of Ethernet (1): RFC 8415 section 11.4. */
const SERVER_DUID = Uint8Array.of(0, 3, 0, 1, ...ROUTER_MAC);

/** The server's answer; null when there is none to give. @param address the guest's */
export function answerDhcpv6(message: Uint8Array, address: Uint8Array | null): Uint8Array | null {
  if (message.length < HEADER_BYTE_LENGTH) return null;
  const options = parseOptions(message.subarray(HEADER_BYTE_LENGTH));
  const server = options.get(OPTION_SERVER_ID);
  if (server !== undefined && !equalBytes(server, SERVER_DUID)) return null;
  const client = options.get(OPTION_CLIENT_ID);
  const type = message[0]!;
  const parts = [
    option(OPTION_SERVER_ID, SERVER_DUID),
    option(OPTION_DNS, DNS6),
    ...(client === undefined ? [] : [option(OPTION_CLIENT_ID, client)]),
  ];
  const association = options.get(OPTION_IA_NA);
  const given = association !== undefined && association.length >= 12 && address !== null;
  switch (type) {
    case SOLICIT:
      if (client === undefined || !given) return null;
      parts.push(associationOption(association, address));
      if (!options.has(OPTION_RAPID_COMMIT)) return reply(ADVERTISE, message, parts);
      parts.push(option(OPTION_RAPID_COMMIT, new Uint8Array()));
      return reply(REPLY, message, parts);
    case REQUEST:
    case RENEW:
    case REBIND:
      if (client === undefined || !given) return null;
      return reply(REPLY, message, [...parts, associationOption(association, address)]);
    case CONFIRM:
    case RELEASE:
      if (client === undefined) return null;
      return reply(REPLY, message, [...parts, option(OPTION_STATUS, Uint8Array.of(0, STATUS_SUCCESS))]);
    case INFORMATION_REQUEST:
      return reply(REPLY, message, parts);
    default:
      return null;
  }
}

function parseOptions(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  let offset = 0;
  while (offset + 4 <= bytes.length) {
    const end = offset + 4 + read16(bytes, offset + 2);
    if (end > bytes.length) break;
    options.set(read16(bytes, offset), bytes.subarray(offset + 4, end));
    offset = end;
  }
  return options;
}

function associationOption(request: Uint8Array, address: Uint8Array): Uint8Array {
  const times = new Uint8Array(12);
  write32(times, 0, read32(request, 0));
  write32(times, 4, LIFETIME_SECONDS / 2);
  write32(times, 8, (LIFETIME_SECONDS / 5) * 4);
  const lease = new Uint8Array(24);
  lease.set(address);
  write32(lease, 16, LIFETIME_SECONDS);
  write32(lease, 20, LIFETIME_SECONDS);
  return option(OPTION_IA_NA, joinBytes(times, option(OPTION_IA_ADDRESS, lease)));
}

function option(code: number, value: Uint8Array): Uint8Array {
  const head = new Uint8Array(4);
  write16(head, 0, code);
  write16(head, 2, value.length);
  return joinBytes(head, value);
}

function reply(type: number, request: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  return joinBytes(Uint8Array.of(type, ...request.subarray(1, HEADER_BYTE_LENGTH)), ...parts);
}
