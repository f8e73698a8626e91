/**
 * The bytes of 9P messages: integers are little-endian, a string is its length as u16 and its bytes.
 *
 *     message: size u32, all of it | type u8 | tag u16 | fields
 *     qid:     type u8 | version u32 | path u64
 *
 * Strings are byte strings: one character a byte.
 */
import { dataView } from "../util/bytes.js";
import { EMSGSIZE, EPROTO, FolderError } from "./errno.js";

export const HEADER_BYTE_LENGTH = 7;
const TYPE_OFFSET = 4;
const TAG_OFFSET = 5;
const TWO_TO_32 = 2 ** 32;

export interface MessageHeader {
  readonly byteLength: number;
  readonly type: number;
  readonly tag: number;
}

/** @param bytes at least HEADER_BYTE_LENGTH */
export function readHeader(bytes: Uint8Array): MessageHeader {
  const view = dataView(bytes);
  return {
    byteLength: view.getUint32(0, true),
    type: view.getUint8(TYPE_OFFSET),
    tag: view.getUint16(TAG_OFFSET, true),
  };
}

/** Reads a message's fields. What goes beyond its end throws FolderError EPROTO. */
export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #position = HEADER_BYTE_LENGTH;

  /** @param message with its header */
  constructor(message: Uint8Array) {
    this.#bytes = message;
    this.#view = dataView(message);
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#advance(8), true);
  }

  /** A u64 as a number; Infinity where a number is not exact. */
  u53(): number {
    const low = this.u32();
    const value = this.u32() * TWO_TO_32 + low;
    return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY;
  }

  string(): string {
    const length = this.u16();
    const start = this.#advance(length);
    let text = "";
    for (let index = start; index < start + length; index++) text += String.fromCharCode(this.#bytes[index]!);
    return text;
  }

  /** Bytes of the message itself, not a copy. */
  bytes(byteLength: number): Uint8Array {
    const start = this.#advance(byteLength);
    return this.#bytes.subarray(start, start + byteLength);
  }

  #advance(byteLength: number): number {
    const start = this.#position;
    if (start + byteLength > this.#bytes.length) throw new FolderError(EPROTO);
    this.#position = start + byteLength;
    return start;
  }
}

/** What a client knows a file by. */
export interface Qid {
  /** QT_DIR, QT_SYMLINK or QT_FILE. */
  readonly type: number;
  /** Changes with the file's contents. */
  readonly version: number;
  readonly path: bigint;
}

const QID_BYTE_LENGTH = 13;
const INITIAL_CAPACITY = 192;

/** Writes a message's fields, and its header at the end. What goes beyond `limit` throws FolderError EMSGSIZE. */
export class WireWriter {
  readonly #limit: number;
  #bytes: Uint8Array;
  #view: DataView;
  #length = HEADER_BYTE_LENGTH;

  /** @param limit bytes that the message may have, header included */
  constructor(limit: number) {
    this.#limit = limit;
    this.#bytes = new Uint8Array(INITIAL_CAPACITY);
    this.#view = dataView(this.#bytes);
  }

  /** Bytes that can still be written. */
  get room(): number {
    return this.#limit - this.#length;
  }

  u8(value: number): void {
    const start = this.#extend(1);
    this.#view.setUint8(start, value);
  }

  u16(value: number): void {
    const start = this.#extend(2);
    this.#view.setUint16(start, value, true);
  }

  u32(value: number): void {
    const start = this.#extend(4);
    this.#view.setUint32(start, value, true);
  }

  u64(value: bigint): void {
    const start = this.#extend(8);
    this.#view.setBigUint64(start, value, true);
  }

  /** A number up to 2^53 as u64. */
  u53(value: number): void {
    this.u32(value % TWO_TO_32);
    this.u32(Math.floor(value / TWO_TO_32));
  }

  string(text: string): void {
    const start = this.#extend(2 + text.length);
    this.#view.setUint16(start, text.length, true);
    for (let index = 0; index < text.length; index++) this.#bytes[start + 2 + index] = text.charCodeAt(index);
  }

  qid({ type, version, path }: Qid): void {
    const start = this.#extend(QID_BYTE_LENGTH);
    this.#view.setUint8(start, type);
    this.#view.setUint32(start + 1, version, true);
    this.#view.setBigUint64(start + 5, path, true);
  }

  /** Room for so many bytes, to be filled in before anything else is written. */
  reserve(byteLength: number): Uint8Array {
    const start = this.#extend(byteLength);
    return this.#bytes.subarray(start, start + byteLength);
  }

  /** Takes the last `byteLength` bytes back. */
  unreserve(byteLength: number): void {
    this.#length -= byteLength;
  }

  /** Writes over what stands at `offset`, counted from the end of the header. */
  patchU32(offset: number, value: number): void {
    this.#view.setUint32(HEADER_BYTE_LENGTH + offset, value, true);
  }

  message(type: number, tag: number): Uint8Array {
    this.#view.setUint32(0, this.#length, true);
    this.#view.setUint8(TYPE_OFFSET, type);
    this.#view.setUint16(TAG_OFFSET, tag, true);
    return this.#bytes.subarray(0, this.#length);
  }

  #extend(byteLength: number): number {
    const start = this.#length;
    const end = start + byteLength;
    if (end > this.#limit) throw new FolderError(EMSGSIZE);
    if (end > this.#bytes.length) this.#grow(end);
    this.#length = end;
    return start;
  }

  #grow(byteLength: number): void {
    const grown = new Uint8Array(Math.min(Math.max(byteLength, 2 * this.#bytes.length), this.#limit));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = dataView(grown);
  }
}
