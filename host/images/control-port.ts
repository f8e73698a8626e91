/**
 * What an interactive guest is told by lines on a virtio-console port, because nothing else can say it:
 *
 *     size COLUMNS ROWS    its terminal has this size now, which a serial line does not tell
 *     time SECONDS         so many have passed since 1970: it was saved, and goes on after a while
 *     identity ID [OLD/NEW ...]
 *                          it goes on beside its original: it is now this machine, 32 hexadecimal digits, and its network
 *                          devices have new addresses
 */

import { utf8 } from "../util/bytes.js";

export const PORT_CONTROL = "viv.control";

/** The line that tells how large the terminal has become, in characters. */
export function encodeTerminalSize(columns: number, rows: number): Uint8Array {
  return utf8(`size ${columns} ${rows}\n`);
}

/** @param seconds since 1970 */
export function encodeTime(seconds: number): Uint8Array {
  return utf8(`time ${Math.round(seconds)}\n`);
}

/** A network device's address as its driver knows it, and as it is from now on. */
export interface RenewedAddress {
  readonly mac: Uint8Array;
  readonly ownMac: Uint8Array;
}

/** @param id 16 bytes */
export function encodeIdentity(id: Uint8Array, addresses: readonly RenewedAddress[]): Uint8Array {
  const pairs = addresses.map(({ mac, ownMac }) => ` ${formatMac(mac)}/${formatMac(ownMac)}`);
  return utf8(`identity ${hex(id).join("")}${pairs.join("")}\n`);
}

function formatMac(mac: Uint8Array): string {
  return hex(mac).join(":");
}

function hex(bytes: Uint8Array): readonly string[] {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
}
