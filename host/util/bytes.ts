import { assert } from "./errors.js";

/** A queue of at most `capacity` bytes, first in, first out. */
export class ByteQueue {
  readonly #ring: Uint8Array;
  #start = 0;
  #length = 0;

  constructor(capacity: number) {
    this.#ring = new Uint8Array(capacity);
  }

  get capacity(): number {
    return this.#ring.length;
  }

  get length(): number {
    return this.#length;
  }

  /** How many bytes can still be pushed. */
  get room(): number {
    return this.capacity - this.#length;
  }

  /** @returns how many of `bytes`, from its start, there was room for */
  push(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, this.room);
    const end = (this.#start + this.#length) % this.capacity;
    const beforeWrap = Math.min(taken, this.capacity - end);
    this.#ring.set(bytes.subarray(0, beforeWrap), end);
    this.#ring.set(bytes.subarray(beforeWrap, taken), 0);
    this.#length += taken;
    return taken;
  }

  /** Takes the oldest byte. */
  shift(): number {
    assert(this.#length > 0, "shift of an empty byte queue");
    const byte = this.#ring[this.#start]!;
    this.#start = (this.#start + 1) % this.capacity;
    this.#length--;
    return byte;
  }

  /** Takes the oldest bytes, at most `maxLength`. */
  take(maxLength: number): Uint8Array {
    const taken = this.#copy(Math.min(maxLength, this.#length));
    this.#start = (this.#start + taken.length) % this.capacity;
    this.#length -= taken.length;
    return taken;
  }

  clear(): void {
    this.#start = 0;
    this.#length = 0;
  }

  /** A copy of the contents, oldest first. */
  toBytes(): Uint8Array {
    return this.#copy(this.#length);
  }

  /** Replaces the contents. */
  assign(bytes: Uint8Array): void {
    assert(bytes.length <= this.capacity, `${bytes.length} bytes for a queue of ${this.capacity}`);
    this.clear();
    this.push(bytes);
  }

  #copy(length: number): Uint8Array {
    const copy = new Uint8Array(length);
    const beforeWrap = Math.min(length, this.capacity - this.#start);
    copy.set(this.#ring.subarray(this.#start, this.#start + beforeWrap));
    copy.set(this.#ring.subarray(0, length - beforeWrap), beforeWrap);
    return copy;
  }
}

/** A little-endian view of `bytes`, for reading and writing structures. */
export function dataView(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A 32-bit integer as four bytes. */
export function littleEndian32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  dataView(bytes).setUint32(0, value, true);
  return bytes;
}

/** Two lower-case digits a byte. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @throws RangeError for a text that is not digits in pairs */
export function fromHex(text: string): Uint8Array {
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(text)) throw new RangeError("expected pairs of hexadecimal digits");
  return Uint8Array.from({ length: text.length / 2 }, (_, index) =>
    Number.parseInt(text.slice(2 * index, 2 * index + 2), 16),
  );
}

/** `text` in UTF-8; a lone surrogate becomes U+FFFD. */
export function utf8(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) pushUtf8(bytes, character.codePointAt(0)!);
  return Uint8Array.from(bytes);
}

function pushUtf8(bytes: number[], point: number): void {
  const isSurrogate = point >= 0xd800 && point <= 0xdfff;
  if (isSurrogate) pushUtf8(bytes, 0xfffd);
  else if (point < 0x80) bytes.push(point);
  else if (point < 0x800) bytes.push(0xc0 | (point >> 6), continuation(point));
  else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), continuation(point >> 6), continuation(point));
  else bytes.push(0xf0 | (point >> 18), continuation(point >> 12), continuation(point >> 6), continuation(point));
}

function continuation(bits: number): number {
  return 0x80 | (bits & 0x3f);
}

/** `bytes` as UTF-8 text; what is not UTF-8 becomes U+FFFD, as the Encoding Standard has it. */
export function fromUtf8(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const { point, byteLength } = readPoint(bytes, at);
    text += String.fromCodePoint(point);
    at += byteLength;
  }
  return text;
}

const REPLACEMENT = 0xfffd;

function readPoint(bytes: Uint8Array, at: number): { readonly point: number; readonly byteLength: number } {
  const first = bytes[at]!;
  if (first < 0x80) return { point: first, byteLength: 1 };
  if (first < 0xc2 || first > 0xf4) return { point: REPLACEMENT, byteLength: 1 };
  const wanted = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
  let point = first & (0x3f >> wanted);
  for (let index = 1; index <= wanted; index++) {
    const next = bytes[at + index];
    const [low, high] = index === 1 ? secondByteRange(first) : [0x80, 0xbf];
    if (next === undefined || next < low! || next > high!) return { point: REPLACEMENT, byteLength: index };
    point = (point << 6) | (next & 0x3f);
  }
  return { point, byteLength: wanted + 1 };
}

/** Which second bytes make no overlong form, no surrogate and nothing above U+10FFFF: Unicode 15, table 3-7. */
function secondByteRange(first: number): readonly [number, number] {
  switch (first) {
    case 0xe0:
      return [0xa0, 0xbf];
    case 0xed:
      return [0x80, 0x9f];
    case 0xf0:
      return [0x90, 0xbf];
    case 0xf4:
      return [0x80, 0x8f];
    default:
      return [0x80, 0xbf];
  }
}

/** Bytes that gather until they are complete. */
export class ByteAccumulator {
  #bytes: Uint8Array;
  #start = 0;
  #end = 0;

  /** @param capacity with which it begins */
  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
  }

  /** What has gathered: valid until the next `push`. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  push(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#bytes.length) this.#makeRoom(bytes.length);
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Forgets the oldest `byteLength` bytes. */
  drop(byteLength: number): void {
    assert(byteLength <= this.#end - this.#start, `${byteLength} bytes dropped of ${this.#end - this.#start}`);
    this.#start += byteLength;
    if (this.#start === this.#end) this.clear();
  }

  clear(): void {
    this.#start = 0;
    this.#end = 0;
  }

  #makeRoom(byteLength: number): void {
    const kept = this.bytes;
    const needed = kept.length + byteLength;
    const target = needed > this.#bytes.length ? new Uint8Array(2 * needed) : this.#bytes;
    target.set(kept);
    this.#bytes = target;
    this.#start = 0;
    this.#end = kept.length;
  }
}

/** `parts` one after the other. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Whether there are only zeros in `bytes`. */
export function isZero(bytes: Uint8Array): boolean {
  const wordCount = bytes.byteOffset % 4 === 0 ? bytes.length >> 2 : 0;
  const words = new Uint32Array(bytes.buffer, wordCount === 0 ? 0 : bytes.byteOffset, wordCount);
  for (let index = 0; index < wordCount; index++) if (words[index] !== 0) return false;
  for (let index = 4 * wordCount; index < bytes.length; index++) if (bytes[index] !== 0) return false;
  return true;
}
