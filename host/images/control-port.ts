/**
 * What an interactive guest is told by lines on a virtio-console port, because nothing else can say it:
 *
 *     size COLUMNS ROWS    its terminal has this size now, which a serial line does not tell
 *     time SECONDS         so many have passed since 1970: it was saved, and goes on after a while
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
