/** The UTF-8 bytes of `text`. Half a surrogate pair becomes U+FFFD, as the Encoding standard has it. */
export function encodeUtf8(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    const codePoint = character.codePointAt(0)!;
    const isLoneSurrogate = codePoint >= 0xd800 && codePoint <= 0xdfff;
    appendUtf8(bytes, isLoneSurrogate ? 0xfffd : codePoint);
  }
  return Uint8Array.from(bytes);
}

function appendUtf8(bytes: number[], codePoint: number): void {
  const continuation = (shift: number): number => 0x80 | ((codePoint >> shift) & 0x3f);
  if (codePoint < 0x80) bytes.push(codePoint);
  else if (codePoint < 0x800) bytes.push(0xc0 | (codePoint >> 6), continuation(0));
  else if (codePoint < 0x10000) bytes.push(0xe0 | (codePoint >> 12), continuation(6), continuation(0));
  else bytes.push(0xf0 | (codePoint >> 18), continuation(12), continuation(6), continuation(0));
}

/** One character a byte: for text that is ASCII by definition. */
export function decodeAscii(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
