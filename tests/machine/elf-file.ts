/** Makes ELF64 files for tests, right by default and wrong where asked to be. */

export interface TestSegment {
  readonly vaddr: bigint;
  readonly paddr?: bigint;
  readonly contents: Uint8Array;
  readonly memoryByteLength?: number;
}

export interface TestElf {
  readonly entry: bigint;
  readonly segments: readonly TestSegment[];
  readonly symbols?: Readonly<Record<string, bigint>>;
  readonly machine?: number;
  /** ET_EXEC (2) unless given. */
  readonly type?: number;
}

const HEADER = 64;
const PROGRAM = 56;
const SECTION = 64;
const SYMBOL = 24;

/** Layout: header, program headers, contents, symbol names, symbols, section headers. */
export function elfFile(elf: TestElf): Uint8Array {
  const symbols = Object.entries(elf.symbols ?? {});
  const contentsOffset = HEADER + elf.segments.length * PROGRAM;
  const contentsByteLength = elf.segments.reduce((sum, each) => sum + each.contents.length, 0);
  const names = Buffer.from(`\0${symbols.map(([name]) => `${name}\0`).join("")}`);
  const namesOffset = contentsOffset + contentsByteLength;
  const symbolsOffset = namesOffset + names.length;
  const symbolsByteLength = (symbols.length + 1) * SYMBOL;
  const sectionsOffset = symbolsOffset + symbolsByteLength;
  const out = Buffer.alloc(sectionsOffset + 3 * SECTION);

  out.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  out.writeUInt16LE(elf.type ?? 2, 16);
  out.writeUInt16LE(elf.machine ?? 243, 18);
  out.writeUInt32LE(1, 20);
  out.writeBigUInt64LE(elf.entry, 24);
  out.writeBigUInt64LE(BigInt(HEADER), 32);
  out.writeBigUInt64LE(BigInt(sectionsOffset), 40);
  out.writeUInt16LE(HEADER, 52);
  out.writeUInt16LE(PROGRAM, 54);
  out.writeUInt16LE(elf.segments.length, 56);
  out.writeUInt16LE(SECTION, 58);
  out.writeUInt16LE(3, 60);

  let offset = contentsOffset;
  for (const [index, segment] of elf.segments.entries()) {
    const header = HEADER + index * PROGRAM;
    out.writeUInt32LE(1, header);
    out.writeBigUInt64LE(BigInt(offset), header + 8);
    out.writeBigUInt64LE(segment.vaddr, header + 16);
    out.writeBigUInt64LE(segment.paddr ?? segment.vaddr, header + 24);
    out.writeBigUInt64LE(BigInt(segment.contents.length), header + 32);
    out.writeBigUInt64LE(BigInt(segment.memoryByteLength ?? segment.contents.length), header + 40);
    out.set(segment.contents, offset);
    offset += segment.contents.length;
  }

  out.set(names, namesOffset);
  let nameOffset = 1;
  for (const [index, [name, value]] of symbols.entries()) {
    const at = symbolsOffset + (index + 1) * SYMBOL;
    out.writeUInt32LE(nameOffset, at);
    out.writeUInt16LE(1, at + 6);
    out.writeBigUInt64LE(value, at + 8);
    nameOffset += name.length + 1;
  }
  const section = (index: number, type: number, start: number, byteLength: number, link: number): void => {
    const at = sectionsOffset + index * SECTION;
    out.writeUInt32LE(type, at + 4);
    out.writeBigUInt64LE(BigInt(start), at + 24);
    out.writeBigUInt64LE(BigInt(byteLength), at + 32);
    out.writeUInt32LE(link, at + 40);
  };
  section(1, 2, symbolsOffset, symbolsByteLength, 2);
  section(2, 3, namesOffset, names.length, 0);
  return new Uint8Array(out);
}

/** A copy of `bytes` with `value` written over it at `offset`, little-endian. */
export function patched(bytes: Uint8Array, offset: number, value: bigint, byteLength: 1 | 2 | 4 | 8): Uint8Array {
  const out = Uint8Array.from(bytes);
  for (let index = 0; index < byteLength; index++) out[offset + index] = Number((value >> BigInt(index * 8)) & 0xffn);
  return out;
}
