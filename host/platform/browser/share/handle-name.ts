import { EILSEQ, FolderError } from "../../../share/errno.js";

/**
 * Characters that a browser lets no file name have go to a private place of Unicode and back, as in Cygwin and in
 * Samba's "fruit" and "catia": U+F000 and the character.
 */
const PRIVATE = 0xf000;
const REFUSED = /[\p{Cc}"*:<>?\\|]|[ .~]$|^[ ~]/gu;
const MOVED = /[\uf001-\uf09f]/g;

/** What a name of a guest's, a character for each byte, is in the browser. @throws FolderError EILSEQ unless it is UTF-8 */
export function toBrowserName(name: string): string {
  const bytes = Uint8Array.from(name, (character) => character.charCodeAt(0));
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new FolderError(EILSEQ);
  }
  return text.replace(REFUSED, (character) => String.fromCharCode(PRIVATE + character.charCodeAt(0)));
}

/** What a browser's name is to a guest. */
export function toGuestName(name: string): string {
  const text = name.replace(MOVED, (character) => String.fromCharCode(character.charCodeAt(0) - PRIVATE));
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}
