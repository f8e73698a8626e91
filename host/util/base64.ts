/** RFC 4648, section 4. */
import { VivariumError } from "./errors.js";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const VALUES: ReadonlyMap<string, number> = new Map([...ALPHABET].map((letter, value) => [letter, value]));

export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const group = (bytes[at]! << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    for (let letter = 0; letter < 4; letter++) {
      text += at + letter > bytes.length ? "=" : ALPHABET[(group >> (18 - 6 * letter)) & 63];
    }
  }
  return text;
}

/** @throws VivariumError `base64/invalid` */
export function fromBase64(text: string): Uint8Array {
  const letters = text.replace(/={1,2}$/, "");
  if (text.length % 4 !== 0 || letters.length % 4 === 1) throw invalid();
  const bytes = new Uint8Array(Math.floor((letters.length * 3) / 4));
  let group = 0;
  let at = 0;
  for (let index = 0; index < letters.length; index++) {
    const value = VALUES.get(letters[index]!);
    if (value === undefined) throw invalid();
    group = ((group << 6) | value) & 0xffffff;
    const bitCount = 6 * ((index % 4) + 1);
    if (index % 4 > 0) bytes[at++] = (group >> (bitCount % 8)) & 0xff;
  }
  return bytes;
}

function invalid(): VivariumError {
  return new VivariumError("base64/invalid", "this is no base64 text");
}
