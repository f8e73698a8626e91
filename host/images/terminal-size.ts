/**
 * How an interactive guest learns that its terminal has another size, which a serial line cannot say: lines
 * `size COLUMNS ROWS` on a virtio-console port.
 */

import { utf8 } from "../util/bytes.js";

export const PORT_CONTROL = "viv.control";

/** The line that tells an interactive guest how large its terminal has become. */
export function encodeTerminalSize(columns: number, rows: number): Uint8Array {
  return utf8(`size ${columns} ${rows}\n`);
}
