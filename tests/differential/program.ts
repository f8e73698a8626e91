import type { Block } from "./layout.js";

/** What is dropped or kept as a whole when a failing program is made smaller. */
export interface Unit {
  /** Of the first byte, in the program's two pages of code. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** One random program with all that it begins with. */
export interface Program {
  readonly seed: number;
  /** Profile, mode and translation, for reports. */
  readonly title: string;
  readonly units: readonly Unit[];
  /** Whether the second page of code lies before the first in physical memory. */
  readonly isSwapped: boolean;
  /** Which of the data window's contents. */
  readonly window: number;
  /** Fields of the block but for those that say where in the image things are. */
  readonly block: Block;
}

/** C.NOP and NOP (ADDI x0, x0, 0). */
const NOP_2 = [0x01, 0x00];
const NOP_4 = [0x13, 0x00, 0x00, 0x00];

/**
 * The program without some of its units: instructions that do nothing stand in for them, so that all else keeps its
 * address.
 */
export function withoutUnits(program: Program, dropped: ReadonlySet<number>): Program {
  const units = program.units.map((unit, n) => (dropped.has(n) ? { ...unit, bytes: nops(unit.bytes.length) } : unit));
  return { ...program, units };
}

export function isNop(unit: Unit): boolean {
  return nops(unit.bytes.length).every((byte, n) => byte === unit.bytes[n]);
}

function nops(byteLength: number): Uint8Array {
  const bytes: number[] = [];
  while (bytes.length + 4 <= byteLength) bytes.push(...NOP_4);
  while (bytes.length < byteLength) bytes.push(...NOP_2);
  return Uint8Array.from(bytes);
}
