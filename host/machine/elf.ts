/** Reader of ELF64 executables for RISC-V (System V gABI, chapters 4 and 5). The file is hostile input. */
import { VivariumError } from "../util/errors.js";

/** A loadable program; every range in it lies inside the file. */
export interface ElfImage {
  /** Virtual address of the first instruction. */
  readonly entry: bigint;
  /** Whether it runs wherever it is put (ET_DYN), such as OpenSBI 1.3 and later: it relocates itself. */
  readonly isPositionIndependent: boolean;
  /** PT_LOAD segments that occupy memory, in the file's order. */
  readonly segments: readonly ElfSegment[];
  /** Value of a symbol, or undefined when the file has no such symbol. */
  symbol(name: string): bigint | undefined;
}

export interface ElfSegment {
  readonly vaddr: bigint;
  readonly paddr: bigint;
  /** What the file holds of the segment; the rest, up to `memoryByteLength`, is zeros. */
  readonly contents: Uint8Array;
  readonly memoryByteLength: number;
}

const IDENT_CLASS = 4;
const IDENT_DATA = 5;
const CLASS_64 = 2;
const DATA_LITTLE_ENDIAN = 1;
const MACHINE_RISCV = 243;
const TYPE_EXEC = 2;
const TYPE_DYN = 3;

const HEADER_BYTE_LENGTH = 64;
const HEADER_TYPE = 16;
const HEADER_MACHINE = 18;
const HEADER_ENTRY = 24;
const HEADER_PROGRAM_OFFSET = 32;
const HEADER_SECTION_OFFSET = 40;
const HEADER_PROGRAM_ENTRY_BYTE_LENGTH = 54;
const HEADER_PROGRAM_COUNT = 56;
const HEADER_SECTION_ENTRY_BYTE_LENGTH = 58;
const HEADER_SECTION_COUNT = 60;

const PROGRAM_BYTE_LENGTH = 56;
const PROGRAM_TYPE = 0;
const PROGRAM_OFFSET = 8;
const PROGRAM_VADDR = 16;
const PROGRAM_PADDR = 24;
const PROGRAM_FILE_BYTE_LENGTH = 32;
const PROGRAM_MEMORY_BYTE_LENGTH = 40;
const PT_LOAD = 1;

const SECTION_BYTE_LENGTH = 64;
const SECTION_TYPE = 4;
const SECTION_OFFSET = 24;
const SECTION_FILE_BYTE_LENGTH = 32;
const SECTION_LINK = 40;
const SHT_SYMTAB = 2;

const SYMBOL_BYTE_LENGTH = 24;
const SYMBOL_NAME = 0;
const SYMBOL_SECTION = 6;
const SYMBOL_VALUE = 8;
const SHN_UNDEF = 0;

/** Whether `bytes` begin as an ELF file does. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/**
 * @param what names the file in error messages: "kernel"
 * @throws VivariumError `elf/unsupported` for a file made for something else, `elf/malformed` for a broken one
 */
export function parseElf(bytes: Uint8Array, what: string): ElfImage {
  const file = new ElfFile(bytes, what);
  return {
    entry: file.u64(HEADER_ENTRY),
    isPositionIndependent: file.u16(HEADER_TYPE) === TYPE_DYN,
    segments: readSegments(file),
    symbol: (name) => findSymbol(file, name),
  };
}

function readSegments(file: ElfFile): ElfSegment[] {
  const count = file.u16(HEADER_PROGRAM_COUNT);
  const table = file.table("program headers", file.u64(HEADER_PROGRAM_OFFSET), count, {
    actual: file.u16(HEADER_PROGRAM_ENTRY_BYTE_LENGTH),
    expected: PROGRAM_BYTE_LENGTH,
  });
  const segments: ElfSegment[] = [];
  for (let index = 0; index < count; index++) {
    const header = table + index * PROGRAM_BYTE_LENGTH;
    if (file.u32(header + PROGRAM_TYPE) !== PT_LOAD) continue;
    const fileByteLength = file.u64(header + PROGRAM_FILE_BYTE_LENGTH);
    const memoryByteLength = file.u64(header + PROGRAM_MEMORY_BYTE_LENGTH);
    if (memoryByteLength === 0n) continue;
    if (fileByteLength > memoryByteLength || memoryByteLength > Number.MAX_SAFE_INTEGER) {
      throw file.malformed(`segment ${index} has ${fileByteLength} bytes for ${memoryByteLength} bytes of memory`);
    }
    segments.push({
      vaddr: file.u64(header + PROGRAM_VADDR),
      paddr: file.u64(header + PROGRAM_PADDR),
      contents: file.slice(`segment ${index}`, file.u64(header + PROGRAM_OFFSET), fileByteLength),
      memoryByteLength: Number(memoryByteLength),
    });
  }
  if (segments.length === 0) throw file.malformed("it has no segment to load");
  return segments;
}

/** Looks a symbol up in the first symbol table; a file without one, as after `strip`, has no symbols. */
function findSymbol(file: ElfFile, name: string): bigint | undefined {
  const sectionCount = file.u16(HEADER_SECTION_COUNT);
  if (sectionCount === 0) return undefined;
  const sections = file.table("section headers", file.u64(HEADER_SECTION_OFFSET), sectionCount, {
    actual: file.u16(HEADER_SECTION_ENTRY_BYTE_LENGTH),
    expected: SECTION_BYTE_LENGTH,
  });
  const contents = (index: number, what: string): Uint8Array => {
    if (index >= sectionCount) throw file.malformed(`the ${what} is section ${index} of ${sectionCount}`);
    const header = sections + index * SECTION_BYTE_LENGTH;
    return file.slice(what, file.u64(header + SECTION_OFFSET), file.u64(header + SECTION_FILE_BYTE_LENGTH));
  };
  for (let index = 0; index < sectionCount; index++) {
    const header = sections + index * SECTION_BYTE_LENGTH;
    if (file.u32(header + SECTION_TYPE) !== SHT_SYMTAB) continue;
    const names = contents(file.u32(header + SECTION_LINK), "symbol names");
    return searchTable(contents(index, "symbol table"), names, name);
  }
  return undefined;
}

function searchTable(table: Uint8Array, names: Uint8Array, name: string): bigint | undefined {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  for (let at = 0; at + SYMBOL_BYTE_LENGTH <= table.length; at += SYMBOL_BYTE_LENGTH) {
    if (view.getUint16(at + SYMBOL_SECTION, true) === SHN_UNDEF) continue;
    if (hasName(names, view.getUint32(at + SYMBOL_NAME, true), name)) return view.getBigUint64(at + SYMBOL_VALUE, true);
  }
  return undefined;
}

/** Whether the string at `offset` is `name`, which is ASCII. */
function hasName(names: Uint8Array, offset: number, name: string): boolean {
  for (let index = 0; index < name.length; index++) {
    if (names[offset + index] !== name.charCodeAt(index)) return false;
  }
  return names[offset + name.length] === 0;
}

/** The file's bytes, with every access checked. */
class ElfFile {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!isElf(bytes)) throw this.#unsupported("not an ELF file");
    if (bytes.length < HEADER_BYTE_LENGTH) throw this.malformed(`it ends after ${bytes.length} bytes, in its header`);
    // The machine's number stands at the same place in the 32-bit format, in the byte order of the file.
    const littleEndian = bytes[IDENT_DATA] === DATA_LITTLE_ENDIAN;
    const machine = this.#view.getUint16(HEADER_MACHINE, littleEndian);
    if (machine !== MACHINE_RISCV) {
      throw this.#unsupported(`not an ELF for RISC-V (machine ${machine}); expected machine ${MACHINE_RISCV}`);
    }
    if (bytes[IDENT_CLASS] !== CLASS_64) throw this.#unsupported("a 32-bit ELF; expected a 64-bit one");
    if (!littleEndian) throw this.#unsupported("a big-endian ELF; expected a little-endian one");
    const type = this.u16(HEADER_TYPE);
    if (type !== TYPE_EXEC && type !== TYPE_DYN) {
      throw this.#unsupported(`an ELF of type ${type}; expected an executable (type ${TYPE_EXEC} or ${TYPE_DYN})`);
    }
  }

  u16(offset: number): number {
    return this.#view.getUint16(offset, true);
  }

  u32(offset: number): number {
    return this.#view.getUint32(offset, true);
  }

  u64(offset: number): bigint {
    return this.#view.getBigUint64(offset, true);
  }

  /** @returns the offset of a table of `count` entries that lies inside the file */
  table(what: string, offset: bigint, count: number, entry: { actual: number; expected: number }): number {
    if (count > 0 && entry.actual !== entry.expected) {
      throw this.malformed(`its ${what} have ${entry.actual} bytes each; expected ${entry.expected}`);
    }
    this.slice(what, offset, BigInt(count * entry.expected));
    return Number(offset);
  }

  slice(what: string, offset: bigint, byteLength: bigint): Uint8Array {
    if (offset + byteLength > BigInt(this.#bytes.length)) {
      throw this.malformed(
        `its ${what} (${byteLength} bytes at offset ${offset}) end past the file's ${this.#bytes.length} bytes`,
      );
    }
    return this.#bytes.subarray(Number(offset), Number(offset + byteLength));
  }

  malformed(problem: string): VivariumError {
    return new VivariumError("elf/malformed", `${this.#what}: broken ELF: ${problem}`, { what: this.#what });
  }

  #unsupported(problem: string): VivariumError {
    return new VivariumError("elf/unsupported", `${this.#what}: ${problem}`, { what: this.#what });
  }
}
