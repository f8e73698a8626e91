/**
 * Writes an executable file for 64-bit RISC-V Linux: ELF-64 object file format 1.5, and the RISC-V psABI's chapter on
 * ELF for the machine's number.
 */
import { dataView } from "../util/bytes.js";

/** Code and constants, which begin with the entry point. */
export interface TextSegment {
  /** A multiple of PAGE. */
  readonly vaddr: number;
  readonly contents: Uint8Array;
}

/** Memory that the program finds zeroed. */
export interface DataSegment {
  /** A multiple of PAGE. */
  readonly vaddr: number;
  readonly byteLength: number;
}

const PAGE = 4096;
const ELF_HEADER_LENGTH = 64;
const PROGRAM_HEADER_LENGTH = 56;
const IDENTIFICATION = [0x7f, 0x45, 0x4c, 0x46, /* 64 bits */ 2, /* little endian */ 1, /* version */ 1];
const ET_EXEC = 2;
const EM_RISCV = 243;
const EV_CURRENT = 1;
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;
const PF_X = 1;
const PF_W = 2;
const PF_R = 4;

/** The file: headers, then the text on a page of its own, as its address is. */
export function elfProgram(text: TextSegment, data: DataSegment): Uint8Array {
  const file = new Uint8Array(PAGE + text.contents.length);
  const view = dataView(file);
  const segments = [
    { type: PT_LOAD, flags: PF_R | PF_X, offset: PAGE, vaddr: text.vaddr, stored: text.contents.length },
    { type: PT_LOAD, flags: PF_R | PF_W, offset: 0, vaddr: data.vaddr, stored: 0, byteLength: data.byteLength },
    // Without it the stack would be executable.
    { type: PT_GNU_STACK, flags: PF_R | PF_W, offset: 0, vaddr: 0, stored: 0 },
  ];

  file.set(IDENTIFICATION);
  view.setUint16(16, ET_EXEC, true);
  view.setUint16(18, EM_RISCV, true);
  view.setUint32(20, EV_CURRENT, true);
  view.setBigUint64(24, BigInt(text.vaddr), true);
  view.setBigUint64(32, BigInt(ELF_HEADER_LENGTH), true);
  view.setUint16(52, ELF_HEADER_LENGTH, true);
  view.setUint16(54, PROGRAM_HEADER_LENGTH, true);
  view.setUint16(56, segments.length, true);

  for (const [index, { type, flags, offset, vaddr, stored, byteLength }] of segments.entries()) {
    const header = ELF_HEADER_LENGTH + index * PROGRAM_HEADER_LENGTH;
    view.setUint32(header, type, true);
    view.setUint32(header + 4, flags, true);
    view.setBigUint64(header + 8, BigInt(offset), true);
    view.setBigUint64(header + 16, BigInt(vaddr), true);
    view.setBigUint64(header + 24, BigInt(vaddr), true);
    view.setBigUint64(header + 32, BigInt(stored), true);
    view.setBigUint64(header + 40, BigInt(byteLength ?? stored), true);
    view.setBigUint64(header + 48, BigInt(PAGE), true);
  }
  file.set(text.contents, PAGE);
  return file;
}
