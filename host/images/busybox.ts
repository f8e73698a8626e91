/** Finds out which programs a busybox executable contains, without running it: it is made for another processor. */

import { VivariumError } from "../util/errors.js";
import { decodeAscii } from "./text.js";

/** The names that stand before all others in the order of bytes, each with its NUL. */
const TABLE_START = Uint8Array.from("[\0[[\0", (character) => character.charCodeAt(0));
const APPLET_NAME = /^[a-z0-9[][a-z0-9._+[-]*$/;
const APPLET_NAME_MAX_LENGTH = 32;
/** Programs that any useful busybox has: a list without them is something else. */
const EXPECTED = ["[", "busybox", "cat", "modprobe", "mount", "sh", "time"];

/**
 * The names of the programs in `busybox`, sorted.
 *
 * busybox keeps them as NUL-terminated texts, one after the other in the order of their bytes, because it searches
 * them by bisection.
 *
 * @throws VivariumError "image/busybox" when there is no such table
 */
export function readAppletNames(busybox: Uint8Array): string[] {
  for (let at = indexOf(busybox, TABLE_START, 0); at !== -1; at = indexOf(busybox, TABLE_START, at + 1)) {
    const names = readAscendingNames(busybox, at);
    if (EXPECTED.every((name) => names.includes(name))) return names;
  }
  throw new VivariumError("image/busybox", `busybox: found no table of programs with ${EXPECTED.join(", ")}`);
}

function readAscendingNames(bytes: Uint8Array, start: number): string[] {
  const names: string[] = [];
  for (let at = start; at < bytes.length; ) {
    const length = bytes.subarray(at, at + APPLET_NAME_MAX_LENGTH + 1).indexOf(0);
    const name = decodeAscii(bytes.subarray(at, at + Math.max(length, 0)));
    if (!APPLET_NAME.test(name) || name <= (names.at(-1) ?? "")) break;
    names.push(name);
    at += length + 1;
  }
  return names;
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(wanted[0]!, from); at !== -1; at = bytes.indexOf(wanted[0]!, at + 1)) {
    if (wanted.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
}
