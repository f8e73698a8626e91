/**
 * Decompression at once: the browser's own answers only later, and a guest waits for the chunk it touches.
 *
 * Source: RFC 1951.
 */

/** Longest Huffman code. */
const CODE_BITS_MAX = 15;
const END_OF_BLOCK = 256;
const FIRST_LENGTH_SYMBOL = 257;
const LITERAL_COUNT_MAX = 286;
const DISTANCE_COUNT_MAX = 30;

const STORED = 0;
const FIXED = 1;
const DYNAMIC = 2;

/** Section 3.2.5: base and extra bits of match lengths, by symbol from 257. */
const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
];
const DISTANCE_EXTRA = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];
/** Section 3.2.7: the order in which the lengths of the code length codes stand. */
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const REPEAT_PREVIOUS = 16;
const REPEAT_ZERO = 17;
const REPEAT_ZERO_LONG = 18;

/**
 * Decompresses raw DEFLATE.
 *
 * @throws RangeError when `bytes` is not that, or does not become exactly `byteLength` bytes
 */
export function inflate(bytes: Uint8Array, byteLength: number): Uint8Array {
  const input = new BitReader(bytes);
  const output = new Uint8Array(byteLength);
  let length = 0;
  for (let isLast = false; !isLast; ) {
    isLast = input.bits(1) === 1;
    switch (input.bits(2)) {
      case STORED:
        length = copyStored(input, output, length);
        break;
      case FIXED:
        length = decodeBlock(input, FIXED_LITERALS, FIXED_DISTANCES, output, length);
        break;
      case DYNAMIC: {
        const { literals, distances } = readCodes(input);
        length = decodeBlock(input, literals, distances, output, length);
        break;
      }
      default:
        throw malformed("a block of the reserved type");
    }
  }
  if (length !== byteLength) throw malformed(`${length} bytes in place of ${byteLength}`);
  return output;
}

/** A Huffman code as a table: the next `bits` bits of input give a symbol and the length of its code. */
interface Code {
  readonly bits: number;
  /** Symbol << 4 | length; 0 where no code is. */
  readonly entries: Uint16Array;
}

class BitReader {
  readonly #bytes: Uint8Array;
  #offset = 0;
  /** Bits read from `bytes` but not used, the next one lowest. */
  #held = 0;
  #heldCount = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The next `count` bits as a number, at most 16. */
  bits(count: number): number {
    this.#fill();
    if (count > this.#heldCount) throw malformed("it ends too early");
    const value = this.#held & ((1 << count) - 1);
    this.#drop(count);
    return value;
  }

  symbol({ bits, entries }: Code): number {
    this.#fill();
    const entry = entries[this.#held & ((1 << bits) - 1)]!;
    const length = entry & 15;
    if (length === 0) throw malformed("a code that stands for nothing");
    if (length > this.#heldCount) throw malformed("it ends too early");
    this.#drop(length);
    return entry >>> 4;
  }

  /** `count` bytes from the next byte boundary on. */
  take(count: number): Uint8Array {
    const start = this.#offset - (this.#heldCount >>> 3);
    if (start + count > this.#bytes.length) throw malformed("it ends too early");
    this.#offset = start + count;
    this.#held = 0;
    this.#heldCount = 0;
    return this.#bytes.subarray(start, this.#offset);
  }

  /** Holds as many bits as there are, from 17 to 24 if there are as many. */
  #fill(): void {
    while (this.#heldCount <= 16 && this.#offset < this.#bytes.length) {
      this.#held |= this.#bytes[this.#offset++]! << this.#heldCount;
      this.#heldCount += 8;
    }
  }

  #drop(count: number): void {
    this.#held >>>= count;
    this.#heldCount -= count;
  }
}

function copyStored(input: BitReader, output: Uint8Array, start: number): number {
  const header = input.take(4);
  const length = header[0]! | (header[1]! << 8);
  if ((length ^ 0xffff) !== (header[2]! | (header[3]! << 8))) throw malformed("a stored block of unclear length");
  if (start + length > output.length) throw malformed("more bytes than expected");
  output.set(input.take(length), start);
  return start + length;
}

/** @returns how long the output is afterwards */
function decodeBlock(input: BitReader, literals: Code, distances: Code, output: Uint8Array, start: number): number {
  let length = start;
  for (;;) {
    const symbol = input.symbol(literals);
    if (symbol === END_OF_BLOCK) return length;
    if (symbol < END_OF_BLOCK) {
      if (length === output.length) throw malformed("more bytes than expected");
      output[length++] = symbol;
      continue;
    }
    const index = symbol - FIRST_LENGTH_SYMBOL;
    if (index >= LENGTH_BASE.length) throw malformed("a match of reserved length");
    const count = LENGTH_BASE[index]! + input.bits(LENGTH_EXTRA[index]!);
    const distanceSymbol = input.symbol(distances);
    if (distanceSymbol >= DISTANCE_BASE.length) throw malformed("a match of reserved distance");
    const distance = DISTANCE_BASE[distanceSymbol]! + input.bits(DISTANCE_EXTRA[distanceSymbol]!);
    if (distance > length) throw malformed("a match before the beginning");
    if (length + count > output.length) throw malformed("more bytes than expected");
    // A match may reach into itself: byte by byte, then, unless it does not.
    if (distance >= count) output.copyWithin(length, length - distance, length - distance + count);
    else for (let n = 0; n < count; n++) output[length + n] = output[length + n - distance]!;
    length += count;
  }
}

/** Section 3.2.7: the two codes of a dynamic block, themselves encoded. */
function readCodes(input: BitReader): { readonly literals: Code; readonly distances: Code } {
  const literalCount = input.bits(5) + FIRST_LENGTH_SYMBOL;
  const distanceCount = input.bits(5) + 1;
  const codeLengthCount = input.bits(4) + 4;
  if (literalCount > LITERAL_COUNT_MAX || distanceCount > DISTANCE_COUNT_MAX) throw malformed("too many codes");
  const codeLengths = new Uint8Array(CODE_LENGTH_ORDER.length);
  for (let n = 0; n < codeLengthCount; n++) codeLengths[CODE_LENGTH_ORDER[n]!] = input.bits(3);
  const lengths = readLengths(input, codeOf(codeLengths, false), literalCount + distanceCount);
  if (lengths[END_OF_BLOCK] === 0) throw malformed("a block without end");
  return {
    literals: codeOf(lengths.subarray(0, literalCount), true),
    distances: codeOf(lengths.subarray(literalCount), true),
  };
}

function readLengths(input: BitReader, code: Code, count: number): Uint8Array {
  const lengths = new Uint8Array(count);
  for (let n = 0; n < count; ) {
    const symbol = input.symbol(code);
    if (symbol < REPEAT_PREVIOUS) {
      lengths[n++] = symbol;
      continue;
    }
    if (symbol === REPEAT_PREVIOUS && n === 0) throw malformed("a repetition of nothing");
    const times = repetitions(input, symbol);
    if (n + times > count) throw malformed("too many codes");
    lengths.fill(symbol === REPEAT_PREVIOUS ? lengths[n - 1]! : 0, n, n + times);
    n += times;
  }
  return lengths;
}

function repetitions(input: BitReader, symbol: number): number {
  switch (symbol) {
    case REPEAT_PREVIOUS:
      return 3 + input.bits(2);
    case REPEAT_ZERO:
      return 3 + input.bits(3);
    case REPEAT_ZERO_LONG:
      return 11 + input.bits(7);
    default:
      throw malformed("a reserved code");
  }
}

/**
 * Section 3.2.2: the code whose symbols have these lengths, 0 for those that do not occur.
 *
 * @param canBeSingle whether one code of one bit will do; others have to use up all there are
 */
function codeOf(lengths: Uint8Array, canBeSingle: boolean): Code {
  const counts = new Uint16Array(CODE_BITS_MAX + 1);
  for (const length of lengths) counts[length]!++;
  counts[0] = 0;
  const next = new Uint16Array(CODE_BITS_MAX + 1);
  let bits = 0;
  let room = 1;
  for (let length = 1, code = 0; length <= CODE_BITS_MAX; length++) {
    code = (code + counts[length - 1]!) << 1;
    next[length] = code;
    room = room * 2 - counts[length]!;
    if (room < 0) throw malformed("more codes than there can be");
    if (counts[length]! > 0) bits = length;
  }
  if (room > 0 && bits > 0 && !(canBeSingle && bits === 1)) throw malformed("fewer codes than there must be");
  const entries = new Uint16Array(1 << bits);
  for (const [symbol, length] of lengths.entries()) {
    if (length === 0) continue;
    const step = 1 << length;
    for (let at = reversed(next[length]!++, length); at < entries.length; at += step) {
      entries[at] = (symbol << 4) | length;
    }
  }
  return { bits, entries };
}

/** Codes are read from their highest bit on, everything else from the lowest. */
function reversed(code: number, length: number): number {
  let result = 0;
  for (let n = 0; n < length; n++) result |= ((code >>> n) & 1) << (length - 1 - n);
  return result;
}

/** Section 3.2.6. */
const FIXED_LITERALS = codeOf(
  Uint8Array.from({ length: 288 }, (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8)),
  false,
);
const FIXED_DISTANCES = codeOf(new Uint8Array(32).fill(5), false);

function malformed(problem: string): RangeError {
  return new RangeError(`not DEFLATE: ${problem}`);
}
