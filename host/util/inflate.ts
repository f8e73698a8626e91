/**
 * DEFLATE, the way back: RFC 1951.
 *
 * The data may come from anywhere: the result is never longer than the room the caller gives, and what breaks the
 * format is refused.
 */

const MAX_CODE_LENGTH = 15;
const END_OF_BLOCK = 256;
const LITERAL_COUNT_MAX = 286;
const DISTANCE_COUNT_MAX = 30;

/** Section 3.2.5: the lengths that the codes 257 to 285 begin with, and how many bits add to each. */
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const LENGTH_BASE = [...bases(3, LENGTH_EXTRA).slice(0, -1), 258];
/** The same for distances. */
const DISTANCE_EXTRA = Array.from({ length: DISTANCE_COUNT_MAX }, (_, code) => Math.max(0, (code >> 1) - 1));
const DISTANCE_BASE = bases(1, DISTANCE_EXTRA);
/** Section 3.2.7: the order in which the lengths of the code length codes stand. */
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/**
 * Decompresses a raw DEFLATE stream; what follows it in `data` is left alone.
 *
 * @param into receives the result
 * @returns bytes written to `into`
 * @throws Error when the stream is broken, ends early, or has more bytes than there is room
 */
export function inflateRaw(data: Uint8Array, into: Uint8Array): number {
  return new Inflater(data, into).run();
}

/** As `inflateRaw`, for a stream in zlib's wrapping (RFC 1950). Its checksum is not looked at. */
export function inflateZlib(data: Uint8Array, into: Uint8Array): number {
  const [method = 0, flags = 0] = data;
  const isZlib = (method & 0x0f) === 8 && ((method << 8) | flags) % 31 === 0 && (flags & 0x20) === 0;
  if (!isZlib) throw new Error("deflate: no zlib stream");
  return inflateRaw(data.subarray(2), into);
}

class Inflater {
  readonly #data: Uint8Array;
  readonly #into: Uint8Array;
  #position = 0;
  #written = 0;
  /** Bits read ahead, the next one lowest. */
  #bits = 0;
  #bitCount = 0;

  constructor(data: Uint8Array, into: Uint8Array) {
    this.#data = data;
    this.#into = into;
  }

  run(): number {
    for (let isLast = false; !isLast; ) {
      isLast = this.#take(1) === 1;
      switch (this.#take(2)) {
        case 0:
          this.#stored();
          break;
        case 1:
          this.#compressed(FIXED_LITERALS, FIXED_DISTANCES);
          break;
        case 2:
          this.#dynamic();
          break;
        default:
          throw broken("a block of type 3");
      }
    }
    return this.#written;
  }

  #stored(): void {
    this.#bits = 0;
    this.#position -= this.#bitCount >> 3;
    this.#bitCount = 0;
    const byteLength = this.#take(16);
    if (this.#take(16) !== (byteLength ^ 0xffff)) throw broken("a stored block whose lengths differ");
    // Nothing is read ahead: the two lengths were whole bytes.
    const end = this.#position + byteLength;
    if (end > this.#data.length) throw broken("it ends early");
    this.#makeRoom(byteLength);
    this.#into.set(this.#data.subarray(this.#position, end), this.#written);
    this.#written += byteLength;
    this.#position = end;
  }

  #dynamic(): void {
    const literalCount = 257 + this.#take(5);
    const distanceCount = 1 + this.#take(5);
    const codeLengthCount = 4 + this.#take(4);
    if (literalCount > LITERAL_COUNT_MAX || distanceCount > DISTANCE_COUNT_MAX) throw broken("too many codes");
    const codeLengths = new Uint8Array(CODE_LENGTH_ORDER.length);
    for (let index = 0; index < codeLengthCount; index++) codeLengths[CODE_LENGTH_ORDER[index]!] = this.#take(3);
    const lengths = this.#lengths(new HuffmanCode(codeLengths, 0), literalCount + distanceCount);
    if (lengths[END_OF_BLOCK] === 0) throw broken("a block without a code for its end");
    this.#compressed(
      new HuffmanCode(lengths.subarray(0, literalCount), 1),
      new HuffmanCode(lengths.subarray(literalCount), 1),
    );
  }

  /** The lengths of the literal and distance codes, run-length coded (section 3.2.7). */
  #lengths(code: HuffmanCode, count: number): Uint8Array {
    const lengths = new Uint8Array(count);
    for (let index = 0; index < count; ) {
      const symbol = this.#symbol(code);
      if (symbol < 16) {
        lengths[index++] = symbol;
        continue;
      }
      if (symbol === 16 && index === 0) throw broken("nothing to repeat");
      const value = symbol === 16 ? lengths[index - 1]! : 0;
      const repeat = symbol === 16 ? 3 + this.#take(2) : symbol === 17 ? 3 + this.#take(3) : 11 + this.#take(7);
      if (index + repeat > count) throw broken("too many code lengths");
      lengths.fill(value, index, index + repeat);
      index += repeat;
    }
    return lengths;
  }

  #compressed(literals: HuffmanCode, distances: HuffmanCode): void {
    for (;;) {
      const symbol = this.#symbol(literals);
      if (symbol < END_OF_BLOCK) {
        this.#makeRoom(1);
        this.#into[this.#written++] = symbol;
        continue;
      }
      if (symbol === END_OF_BLOCK) return;
      const lengthCode = symbol - END_OF_BLOCK - 1;
      if (lengthCode >= LENGTH_BASE.length) throw broken("an unknown length");
      const length = LENGTH_BASE[lengthCode]! + this.#take(LENGTH_EXTRA[lengthCode]!);
      const distanceCode = this.#symbol(distances);
      if (distanceCode >= DISTANCE_BASE.length) throw broken("an unknown distance");
      const distance = DISTANCE_BASE[distanceCode]! + this.#take(DISTANCE_EXTRA[distanceCode]!);
      this.#repeat(length, distance);
    }
  }

  #repeat(length: number, distance: number): void {
    if (distance > this.#written) throw broken("a distance to before the start");
    this.#makeRoom(length);
    const into = this.#into;
    let position = this.#written;
    const end = position + length;
    // Byte by byte: the copy may overlap what it copies.
    for (; position < end; position++) into[position] = into[position - distance]!;
    this.#written = end;
  }

  #makeRoom(byteLength: number): void {
    if (this.#written + byteLength > this.#into.length) throw broken("it is longer than it should be");
  }

  #take(count: number): number {
    while (this.#bitCount < count) {
      if (this.#position >= this.#data.length) throw broken("it ends early");
      this.#bits |= this.#data[this.#position++]! << this.#bitCount;
      this.#bitCount += 8;
    }
    const value = this.#bits & ((1 << count) - 1);
    this.#bits >>>= count;
    this.#bitCount -= count;
    return value;
  }

  #symbol(code: HuffmanCode): number {
    // As many bits ahead as the longest code has; near the end there may be fewer, which read as zeros.
    while (this.#bitCount < MAX_CODE_LENGTH && this.#position < this.#data.length) {
      this.#bits |= this.#data[this.#position++]! << this.#bitCount;
      this.#bitCount += 8;
    }
    const entry = code.table[this.#bits & code.mask]!;
    const length = entry & 0x0f;
    if (length === 0) throw broken("an unknown code");
    if (length > this.#bitCount) throw broken("it ends early");
    this.#bits >>>= length;
    this.#bitCount -= length;
    return entry >> 4;
  }
}

/** A canonical Huffman code (section 3.2.2) as a table of all that its longest code may look like. */
class HuffmanCode {
  /** By the next bits of the stream: the symbol << 4 | the length of its code; 0 where there is no code. */
  readonly table: Uint16Array;
  readonly mask: number;

  /**
   * @param lengths of each symbol's code, 0 for those without
   * @param longestIncomplete a code with unused bit patterns is broken if its longest is longer: section 3.2.7 has a
   *   single distance in one bit, and no other such code
   */
  constructor(lengths: Uint8Array, longestIncomplete: number) {
    const counts = new Uint16Array(MAX_CODE_LENGTH + 1);
    for (const length of lengths) if (length > 0) counts[length]!++;
    const nextCode = new Uint32Array(MAX_CODE_LENGTH + 2);
    let longest = 0;
    let unused = 1;
    for (let length = 1; length <= MAX_CODE_LENGTH; length++) {
      unused = 2 * unused - counts[length]!;
      if (unused < 0) throw broken("more codes than there can be");
      if (counts[length]! > 0) longest = length;
      nextCode[length + 1] = (nextCode[length]! + counts[length]!) << 1;
    }
    if (unused > 0 && longest > longestIncomplete) throw broken("fewer codes than there must be");
    this.table = new Uint16Array(1 << longest);
    this.mask = this.table.length - 1;
    for (const [symbol, length] of lengths.entries()) {
      if (length === 0) continue;
      // Codes stand in the stream from their highest bit on.
      const first = reversed(nextCode[length]!++, length);
      for (let index = first; index < this.table.length; index += 1 << length)
        this.table[index] = (symbol << 4) | length;
    }
  }
}

const FIXED_LITERALS = new HuffmanCode(
  Uint8Array.from({ length: 288 }, (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8)),
  0,
);
const FIXED_DISTANCES = new HuffmanCode(new Uint8Array(32).fill(5), 0);

function bases(first: number, extraBits: readonly number[]): readonly number[] {
  let base = first;
  return extraBits.map((extra) => {
    const own = base;
    base += 1 << extra;
    return own;
  });
}

function reversed(code: number, length: number): number {
  let result = 0;
  for (let bit = 0; bit < length; bit++) result |= ((code >> bit) & 1) << (length - 1 - bit);
  return result;
}

function broken(what: string): Error {
  return new Error(`deflate: ${what}`);
}
