/** Code unit that stands for an unpaired surrogate. */
const REPLACEMENT_CHARACTER = 0xfffd;

/** UTF-8 of `text`; an unpaired surrogate becomes U+FFFD. (TextEncoder is no part of ECMAScript.) */
export function encodeUtf8(text: string): Uint8Array {
  const out: number[] = [];
  for (const character of text) {
    let code = character.codePointAt(0)!;
    if (code >= 0xd800 && code < 0xe000) code = REPLACEMENT_CHARACTER;
    if (code < 0x80) out.push(code);
    else if (code < 0x800) out.push(0xc0 | (code >> 6), tail(code));
    else if (code < 0x1_0000) out.push(0xe0 | (code >> 12), tail(code >> 6), tail(code));
    else out.push(0xf0 | (code >> 18), tail(code >> 12), tail(code >> 6), tail(code));
  }
  return Uint8Array.from(out);
}

function tail(bits: number): number {
  return 0x80 | (bits & 0x3f);
}
