/**
 * Writer of flattened device trees (DTB), Devicetree Specification 0.4, chapter 5: all integers big-endian.
 *
 *     header | memory reservation block | structure block | strings block
 */
import { utf8 } from "../util/bytes.js";

/** A node: properties in their encoded form, children by node name (`serial@10000000`). */
export interface FdtNode {
  readonly properties: Readonly<Record<string, Uint8Array>>;
  readonly children?: Readonly<Record<string, FdtNode>>;
}

const MAGIC = 0xd00d_feed;
const VERSION = 17;
const LAST_COMPATIBLE_VERSION = 16;
const HEADER_BYTE_LENGTH = 40;
/** An entry is address and length; the one that ends the block is all zeros. */
const RESERVATION_BYTE_LENGTH = 16;

const FDT_BEGIN_NODE = 1;
const FDT_END_NODE = 2;
const FDT_PROP = 3;
const FDT_END = 9;

/** A property without a value: being there says it all. */
export const EMPTY: Uint8Array = new Uint8Array();

/** A property of 32-bit cells. */
export function cells(...values: readonly number[]): Uint8Array {
  const out = new Uint8Array(values.length * 4);
  const view = new DataView(out.buffer);
  for (const [index, value] of values.entries()) view.setUint32(index * 4, value);
  return out;
}

/** A property of one 64-bit number, high cell first. */
export function cell64(value: number): Uint8Array {
  return cells(high(value), low(value));
}

/** A `reg` of one region, with #address-cells and #size-cells of 2. */
export function region(base: number, byteLength: number): Uint8Array {
  return cells(high(base), low(base), high(byteLength), low(byteLength));
}

/** A property of one or more strings, each ended by a zero byte. */
export function strings(...values: readonly string[]): Uint8Array {
  return utf8(values.map((value) => `${value}\0`).join(""));
}

/** @returns the tree as a DTB of version 17 */
export function writeFdt(root: FdtNode): Uint8Array {
  const names = new StringsBlock();
  const structure = new CellWriter();
  writeNode(structure, names, "", root);
  structure.cell(FDT_END);

  const reservationOffset = HEADER_BYTE_LENGTH;
  const structureOffset = reservationOffset + RESERVATION_BYTE_LENGTH;
  const stringsOffset = structureOffset + structure.byteLength;
  const totalByteLength = stringsOffset + names.byteLength;
  const header = cells(
    MAGIC,
    totalByteLength,
    structureOffset,
    stringsOffset,
    reservationOffset,
    VERSION,
    LAST_COMPATIBLE_VERSION,
    0, // boot_cpuid_phys
    names.byteLength,
    structure.byteLength,
  );
  const out = new Uint8Array(totalByteLength);
  out.set(header, 0);
  out.set(structure.bytes(), structureOffset);
  out.set(names.bytes(), stringsOffset);
  return out;
}

function writeNode(out: CellWriter, names: StringsBlock, name: string, node: FdtNode): void {
  out.cell(FDT_BEGIN_NODE);
  out.padded(strings(name));
  for (const [property, value] of Object.entries(node.properties)) {
    out.cell(FDT_PROP);
    out.cell(value.length);
    out.cell(names.offsetOf(property));
    out.padded(value);
  }
  for (const [child, subtree] of Object.entries(node.children ?? {})) writeNode(out, names, child, subtree);
  out.cell(FDT_END_NODE);
}

/** The structure block as it grows: cells and bytes, padded to whole cells. */
class CellWriter {
  readonly #parts: Uint8Array[] = [];
  #byteLength = 0;

  get byteLength(): number {
    return this.#byteLength;
  }

  cell(value: number): void {
    this.#push(cells(value));
  }

  padded(value: Uint8Array): void {
    this.#push(value);
    this.#push(new Uint8Array(-value.length & 3));
  }

  bytes(): Uint8Array {
    return concatBytes(this.#parts, this.#byteLength);
  }

  #push(part: Uint8Array): void {
    this.#parts.push(part);
    this.#byteLength += part.length;
  }
}

/** The strings block: every property name once. */
class StringsBlock {
  readonly #offsets = new Map<string, number>();
  readonly #parts: Uint8Array[] = [];
  #byteLength = 0;

  get byteLength(): number {
    return this.#byteLength;
  }

  offsetOf(name: string): number {
    const known = this.#offsets.get(name);
    if (known !== undefined) return known;
    const offset = this.#byteLength;
    const part = strings(name);
    this.#offsets.set(name, offset);
    this.#parts.push(part);
    this.#byteLength += part.length;
    return offset;
  }

  bytes(): Uint8Array {
    return concatBytes(this.#parts, this.#byteLength);
  }
}

function concatBytes(parts: readonly Uint8Array[], byteLength: number): Uint8Array {
  const out = new Uint8Array(byteLength);
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

function high(value: number): number {
  return Math.floor(value / 2 ** 32);
}

function low(value: number): number {
  return value % 2 ** 32;
}
