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

/** The bits of the instruction at virtual address `pc`, two bytes or four; undefined when the program has none there. */
export function instructionAt(program: Program, pc: bigint): number | undefined {
  const at = Number(BigInt.asUintN(64, pc - program.block.codeBase!));
  const unit = program.units.find(({ offset, bytes }) => at >= offset && at + 2 <= offset + bytes.length);
  if (!unit) return undefined;
  const view = new DataView(unit.bytes.buffer, unit.bytes.byteOffset, unit.bytes.length);
  const low = view.getUint16(at - unit.offset, true);
  if ((low & 3) !== 3) return low;
  return at + 4 <= unit.offset + unit.bytes.length ? view.getUint32(at - unit.offset, true) : undefined;
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
