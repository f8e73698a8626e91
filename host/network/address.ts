/** IP and Ethernet addresses as text. An address itself is its 4, 16 or 6 bytes. */
import { equalBytes, read16, write16 } from "./octets.js";

export const IPV4_BYTE_LENGTH = 4;
export const IPV6_BYTE_LENGTH = 16;
export const MAC_BYTE_LENGTH = 6;

/** @returns the address's bytes, or null for anything but an IPv4 or IPv6 address */
export function parseAddress(text: string): Uint8Array | null {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/** @returns the address's 4 bytes; null unless it is four decimal numbers */
export function parseIpv4(text: string): Uint8Array | null {
  const parts = text.split(".");
  if (parts.length !== IPV4_BYTE_LENGTH) return null;
  const numbers = parts.map((part) => (/^(0|[1-9]\d{0,2})$/.test(part) ? Number(part) : Number.NaN));
  return numbers.every((number) => number <= 255) ? Uint8Array.from(numbers) : null;
}

/** @returns the address's 16 bytes, or null. RFC 4291 section 2.2, with `::` and a dotted end, without a zone */
export function parseIpv6(text: string): Uint8Array | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const groups = halves.map(parseGroups);
  const [head, tail] = groups;
  if (head === undefined || head === null || tail === null) return null;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return null;
  const all = [...head, ...new Array<number>(missing).fill(0), ...(tail ?? [])];
  const bytes = new Uint8Array(IPV6_BYTE_LENGTH);
  for (const [index, group] of all.entries()) write16(bytes, 2 * index, group);
  return bytes;
}

function parseGroups(text: string): number[] | null {
  if (text === "") return [];
  const parts = text.split(":");
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    const dotted = index === parts.length - 1 && part.includes(".") ? parseIpv4(part) : null;
    if (dotted !== null) groups.push(read16(dotted, 0), read16(dotted, 2));
    else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else return null;
  }
  return groups;
}

/** @param address 4 or 16 bytes */
export function formatAddress(address: Uint8Array): string {
  return address.length === IPV4_BYTE_LENGTH ? address.join(".") : formatIpv6(address);
}

/** RFC 5952: the longest run of two or more zero groups is `::`. */
function formatIpv6(address: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, index) => read16(address, 2 * index));
  let start = -1;
  let length = 1;
  for (let first = 0; first < 8; first++) {
    let end = first;
    while (end < 8 && groups[end] === 0) end++;
    if (end - first > length) [start, length] = [first, end - first];
  }
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (start < 0) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

/** @returns the address's 6 bytes, or null unless it is six hexadecimal pairs between colons */
export function parseMac(text: string): Uint8Array | null {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)) return null;
  return Uint8Array.from(text.split(":"), (pair) => Number.parseInt(pair, 16));
}

export function formatMac(address: Uint8Array): string {
  return Array.from(address, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** Addresses that begin with the same bits. */
export interface Cidr {
  readonly address: Uint8Array;
  readonly prefixBitCount: number;
}

/** @returns null for anything but ADDRESS or ADDRESS/BITS */
export function parseCidr(text: string): Cidr | null {
  const [addressText = "", bits, ...rest] = text.split("/");
  const address = parseAddress(addressText);
  if (address === null || rest.length > 0) return null;
  const all = 8 * address.length;
  const prefixBitCount = bits === undefined ? all : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  return prefixBitCount <= all ? { address, prefixBitCount } : null;
}

/** Whether an address is one of them; never for one of the other version of IP. */
export function cidrContains({ address, prefixBitCount }: Cidr, candidate: Uint8Array): boolean {
  if (candidate.length !== address.length) return false;
  const wholeBytes = prefixBitCount >> 3;
  if (!equalBytes(address.subarray(0, wholeBytes), candidate.subarray(0, wholeBytes))) return false;
  const restBits = prefixBitCount & 7;
  if (restBits === 0) return true;
  return ((address[wholeBytes]! ^ candidate[wholeBytes]!) & (0xff00 >> restBits) & 0xff) === 0;
}
