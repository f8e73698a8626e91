/**
 * Values in a record, as bytes: a tag, then what it needs. Whole numbers below 2^53 take as few bytes as they can.
 *
 *     0 null | 1 false | 2 true | 3 n | 4 -1 - n | 5 f64 | 6 bigint n | 7 length, UTF-8 | 8 length, bytes
 *     9 count, values | 10 count, pairs of UTF-8 and value
 *
 * n is seven bits a byte, lowest first, the top bit set in all but the last. What is read may be anybody's: nothing is
 * taken on trust, and nothing is made that is longer than what stands there.
 */
import { dataView, fromUtf8, utf8 } from "../../util/bytes.js";
import { VivariumError } from "../../util/errors.js";

export type RecordValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly RecordValue[]
  | { readonly [name: string]: RecordValue };

const NULL = 0;
const FALSE = 1;
const TRUE = 2;
const WHOLE = 3;
const NEGATIVE = 4;
const REAL = 5;
const LARGE = 6;
const TEXT = 7;
const BYTES = 8;
const LIST = 9;
const FIELDS = 10;

/** Values within values: no input has more. */
const DEPTH_MAX = 8;
/** Bytes of a number: 64 bits, seven a byte. */
const VARINT_BYTE_LENGTH_MAX = 10;
const FIRST_CAPACITY = 4096;

/** Bytes that grow as values are written. */
export class RecordWriter {
  #bytes = new Uint8Array(FIRST_CAPACITY);
  #byteLength = 0;

  get byteLength(): number {
    return this.#byteLength;
  }

  /** What was written, which is then forgotten. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#byteLength);
    this.#byteLength = 0;
    return taken;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#byteLength++] = value;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#byteLength);
    this.#byteLength += bytes.length;
  }

  /** @param value a whole number from 0 to 2^53 - 1 */
  number(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.byte((rest % 0x80) | 0x80);
    this.byte(rest);
  }

  /** @param value below 2^64, not negative */
  large(value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    for (; rest >= 0x80n; rest >>= 7n) this.byte(Number(rest & 0x7fn) | 0x80);
    this.byte(Number(rest));
  }

  value(value: RecordValue): void {
    if (value === null) this.byte(NULL);
    else if (typeof value === "boolean") this.byte(value ? TRUE : FALSE);
    else if (typeof value === "number") this.#real(value);
    else if (typeof value === "bigint") {
      this.byte(LARGE);
      this.large(value);
    } else if (typeof value === "string") {
      this.byte(TEXT);
      this.#text(value);
    } else if (value instanceof Uint8Array) {
      this.byte(BYTES);
      this.number(value.length);
      this.raw(value);
    } else this.#several(value);
  }

  #several(value: readonly RecordValue[] | { readonly [name: string]: RecordValue }): void {
    if (isList(value)) {
      this.byte(LIST);
      this.number(value.length);
      for (const item of value) this.value(item);
      return;
    }
    const pairs = Object.entries(value);
    this.byte(FIELDS);
    this.number(pairs.length);
    for (const [name, field] of pairs) {
      this.#text(name);
      this.value(field);
    }
  }

  #real(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      this.byte(value < 0 ? NEGATIVE : WHOLE);
      this.number(value < 0 ? -1 - value : value);
      return;
    }
    const bytes = new Uint8Array(8);
    dataView(bytes).setFloat64(0, value, true);
    this.byte(REAL);
    this.raw(bytes);
  }

  #text(text: string): void {
    const bytes = utf8(text);
    this.number(bytes.length);
    this.raw(bytes);
  }

  #reserve(byteLength: number): void {
    const needed = this.#byteLength + byteLength;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#byteLength));
    this.#bytes = grown;
  }
}

/** Reads what a `RecordWriter` has written. Every method throws VivariumError `file/damaged` when there is no such. */
export class RecordReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  byte(): number {
    return this.raw(1)[0]!;
  }

  raw(byteLength: number): Uint8Array {
    if (byteLength > this.#bytes.length - this.#offset) throw damagedRecord("a value is cut short");
    const start = this.#offset;
    this.#offset += byteLength;
    return this.#bytes.subarray(start, this.#offset);
  }

  number(): number {
    const value = this.large();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damagedRecord(`${value} is no number of anything`);
    return Number(value);
  }

  large(): bigint {
    let value = 0n;
    for (let index = 0; index < VARINT_BYTE_LENGTH_MAX; index++) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << BigInt(7 * index);
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw damagedRecord("a number does not end");
  }

  value(depth = 0): RecordValue {
    if (depth > DEPTH_MAX) throw damagedRecord("values within values do not end");
    const tag = this.byte();
    switch (tag) {
      case NULL:
        return null;
      case FALSE:
        return false;
      case TRUE:
        return true;
      case WHOLE:
        return this.number();
      case NEGATIVE:
        return -1 - this.number();
      case REAL:
        return dataView(this.raw(8)).getFloat64(0, true);
      case LARGE:
        return this.large();
      case TEXT:
        return this.#text();
      case BYTES:
        return this.raw(this.number()).slice();
      case LIST:
        return Array.from({ length: this.#count() }, () => this.value(depth + 1));
      case FIELDS:
        return Object.fromEntries(
          Array.from({ length: this.#count() }, () => [this.#text(), this.value(depth + 1)] as const),
        );
      default:
        throw damagedRecord(`a value of the unknown kind ${tag}`);
    }
  }

  #text(): string {
    return fromUtf8(this.raw(this.number()));
  }

  /** Of things that take at least a byte each. */
  #count(): number {
    const count = this.number();
    if (count > this.#bytes.length - this.#offset) throw damagedRecord("a list is cut short");
    return count;
  }
}

export function isList(value: RecordValue): value is readonly RecordValue[] {
  return Array.isArray(value);
}

/** A value's fields by name; null for a value that has none. */
export function fieldsOf(value: RecordValue): { readonly [name: string]: RecordValue } | null {
  if (typeof value !== "object" || value === null || isList(value) || value instanceof Uint8Array) return null;
  return value as { readonly [name: string]: RecordValue };
}

export function damagedRecord(problem: string): VivariumError {
  return new VivariumError("file/damaged", `the recording is damaged: ${problem}`);
}
