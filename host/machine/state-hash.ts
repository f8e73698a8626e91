/**
 * A hash over a machine's state, to tell whether two runs came to the same point: 128 bits, fast, stable across
 * hosts. It finds accidents; it does not withstand an attacker.
 */
import type { GuestRam } from "../devices/device.js";
import { isZero, utf8 } from "../util/bytes.js";
import type { SavedValue } from "../util/schema.js";

const PAGE_BYTE_LENGTH = 4096;
const WORD_BYTE_LENGTH = 4;

/** Odd constants with well-mixed bits: the fractional parts of the square roots of 2, 3, 5 and 7. */
const LANE_SEEDS = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a] as const;
const MULTIPLIERS = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f] as const;

/** Takes words one after the other; each of the four lanes sees every word, mixed its own way. */
export class StateHash {
  #a: number = LANE_SEEDS[0];
  #b: number = LANE_SEEDS[1];
  #c: number = LANE_SEEDS[2];
  #d: number = LANE_SEEDS[3];

  /** @param words unsigned or signed, 32 bits */
  words(words: Uint32Array): void {
    let a = this.#a;
    let b = this.#b;
    let c = this.#c;
    let d = this.#d;
    for (let index = 0; index < words.length; index++) {
      const word = words[index]!;
      a = Math.imul(a ^ word, MULTIPLIERS[0]);
      a ^= a >>> 15;
      b = Math.imul(b + word, MULTIPLIERS[1]) ^ (a >>> 7);
      c = Math.imul(c ^ b ^ word, MULTIPLIERS[2]);
      c ^= c >>> 13;
      d = (Math.imul(d + word, MULTIPLIERS[3]) + c) | 0;
    }
    this.#a = a;
    this.#b = b;
    this.#c = c;
    this.#d = d;
  }

  number(value: number): void {
    this.words(Uint32Array.of(value % 2 ** 32, Math.floor(value / 2 ** 32)));
  }

  /** Bytes and their length, so that what follows cannot be mistaken for them. */
  bytes(bytes: Uint8Array): void {
    const padded = new Uint8Array(Math.ceil(bytes.length / WORD_BYTE_LENGTH) * WORD_BYTE_LENGTH);
    padded.set(bytes);
    this.number(bytes.length);
    this.words(littleEndianWords(padded));
  }

  text(text: string): void {
    this.bytes(utf8(text));
  }

  /** A saved state: names count, their order does not. */
  value(value: SavedValue): void {
    if (value instanceof Uint8Array) {
      this.text("bytes");
      this.bytes(value);
    } else if (Array.isArray(value)) {
      this.text("list");
      this.number(value.length);
      for (const item of value) this.value(item);
    } else if (typeof value === "object" && value !== null) {
      const names = Object.keys(value).sort();
      this.text("object");
      this.number(names.length);
      for (const name of names) {
        this.text(name);
        this.value((value as Readonly<Record<string, SavedValue>>)[name]!);
      }
    } else {
      this.text(`${typeof value} ${value}`);
    }
  }

  /** All of RAM: pages of zeros are skipped, the others count with their address. */
  ram(ram: GuestRam): void {
    this.text("ram");
    this.number(ram.byteLength);
    for (let offset = 0; offset < ram.byteLength; offset += PAGE_BYTE_LENGTH) {
      const page = ram.view(ram.base + offset, Math.min(PAGE_BYTE_LENGTH, ram.byteLength - offset));
      if (isZero(page)) continue;
      this.number(offset);
      this.words(littleEndianWords(page));
    }
  }

  /** 32 hexadecimal digits. */
  toString(): string {
    return [this.#a, this.#b, this.#c, this.#d]
      .map((lane, index) => avalanche(lane ^ this.#a ^ Math.imul(this.#d, index + 1)))
      .map((lane) => (lane >>> 0).toString(16).padStart(8, "0"))
      .join("");
  }
}

/** Spreads every bit over the whole word. */
function avalanche(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), MULTIPLIERS[1]);
  mixed = Math.imul(mixed ^ (mixed >>> 13), MULTIPLIERS[2]);
  return mixed ^ (mixed >>> 16);
}

/** The bytes as little-endian words, whatever the host's byte order; in place where possible. */
function littleEndianWords(bytes: Uint8Array): Uint32Array {
  const isLittleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
  if (isLittleEndian && bytes.byteOffset % WORD_BYTE_LENGTH === 0) {
    return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / WORD_BYTE_LENGTH);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Uint32Array.from({ length: bytes.length / WORD_BYTE_LENGTH }, (_, index) =>
    view.getUint32(index * WORD_BYTE_LENGTH, true),
  );
}
