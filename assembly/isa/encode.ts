import { type Encoding, operandName, type Slice } from "./notation.js";
import { compressedTable, instructionTable } from "./table.js";

/** Operands by field name: rd rs1 rs2 fd fs1 fs2 fs3 imm rm csr uimm5 shamt5 shamt6 aq rl fm pred succ. */
export type Operands = Readonly<Record<string, number | bigint>>;

/** What an operand is when it is not given: those that assembly language may leave out. */
const DEFAULTS: Readonly<Record<string, number>> = { rm: 7, aq: 0, rl: 0, fm: 0, pred: 15, succ: 15 };

/** FENCE and FENCE.I have register and immediate fields that are reserved and that assembly language has no place for. */
export const RESERVED_ZERO: ReadonlySet<string> = new Set(["fence", "fence.i"]);

const instructionsByName = new Map(instructionTable.map((row) => [row.mnemonic, row]));
const compressedByName = new Map(compressedTable.map((row) => [row.mnemonic, row]));

/**
 * The 32-bit encoding of an instruction of the table.
 *
 * An immediate is what it means, in bytes where it is an offset and already shifted for lui and auipc. Left out, `rm` is
 * dynamic, `aq` and `rl` are 0, and `fence` orders everything.
 *
 * @throws RangeError naming the instruction and the operand: unknown, missing, out of range or not aligned
 */
export function encode(mnemonic: string, operands: Operands = {}): number {
  const row = instructionsByName.get(mnemonic);
  if (!row) throw new RangeError(`"${mnemonic}" is no 32-bit instruction of this machine`);
  const defaults = RESERVED_ZERO.has(mnemonic) ? { ...DEFAULTS, rd: 0, rs1: 0, imm: 0 } : DEFAULTS;
  return pack(mnemonic, row.encoding, operands, defaults);
}

/**
 * The 16-bit encoding of a row of RVC.
 *
 * @param operands those of the row, registers by their full numbers
 * @throws RangeError as `encode` does, and when the result would be another row's
 */
export function encodeCompressed(mnemonic: string, operands: Operands = {}): number {
  const row = compressedByName.get(mnemonic);
  if (!row) throw new RangeError(`"${mnemonic}" is no 16-bit instruction of this machine`);
  const halfword = pack(mnemonic, row.encoding, operands, {});
  const owner = compressedRowOf(halfword);
  if (owner !== row) throw new RangeError(`${mnemonic}: these operands make it ${owner ? owner.mnemonic : "reserved"}`);
  return halfword;
}

/** The row of the table that `word` is an instruction of: of two that match, the one with more fixed bits. */
export function rowOf(word: number) {
  return mostSpecific(instructionTable.filter((row) => matches(row.encoding, word)));
}

/** The RVC row that `halfword` is an instruction of. */
export function compressedRowOf(halfword: number) {
  return mostSpecific(compressedTable.filter((row) => matches(row.encoding, halfword)));
}

/** Whether `word` has the row's fixed bits and breaks none of its constraints. */
export function matches(encoding: Encoding, word: number): boolean {
  if ((word & encoding.mask) >>> 0 !== encoding.match) return false;
  if (encoding.slices.some((slice) => slice.field.endsWith("!0") && bitsOf(slice, word) === 0)) return false;
  return !encoding.nonzeroImmediate || encoding.slices.some((s) => s.field === "imm" && bitsOf(s, word) !== 0);
}

/** The bits of one slice of `word`, from bit 0 up. */
export function bitsOf(slice: Slice, word: number): number {
  return (word >>> slice.from) & (2 ** slice.width - 1);
}

function mostSpecific<Row extends { readonly encoding: Encoding }>(rows: readonly Row[]): Row | undefined {
  return [...rows].sort((a, b) => fixedBits(b) - fixedBits(a))[0];
}

function fixedBits(row: { readonly encoding: Encoding }): number {
  return row.encoding.mask.toString(2).replaceAll("0", "").length;
}

function pack(
  mnemonic: string,
  encoding: Encoding,
  operands: Operands,
  defaults: Readonly<Record<string, number>>,
): number {
  const names = new Set(encoding.slices.map((slice) => operandName(slice.field)));
  for (const name of Object.keys(operands)) {
    if (!names.has(name)) throw new RangeError(`${mnemonic}: has no operand "${name}", only ${[...names].join(", ")}`);
  }
  let word = BigInt(encoding.match);
  for (const name of names) {
    const given = operands[name] ?? defaults[name];
    if (given === undefined) throw new RangeError(`${mnemonic}: operand "${name}" is missing`);
    const value = integer(mnemonic, name, given);
    const slices = encoding.slices.filter((slice) => operandName(slice.field) === name);
    checkRange(mnemonic, name, value, slices, encoding);
    for (const { from, to, width } of slices)
      word |= ((value >> BigInt(to)) & ((1n << BigInt(width)) - 1n)) << BigInt(from);
  }
  return Number(word);
}

function integer(mnemonic: string, name: string, value: number | bigint): bigint {
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new RangeError(`${mnemonic}: ${name} = ${value} is no integer`);
  }
  return BigInt(value);
}

function checkRange(mnemonic: string, name: string, value: bigint, slices: readonly Slice[], encoding: Encoding): void {
  const field = slices[0]!.field;
  const top = Math.max(...slices.map((slice) => slice.to + slice.width));
  const step = 2 ** Math.min(...slices.map((slice) => slice.to));
  let low = 0;
  let high = 2 ** top - step;
  if (name === "imm" && encoding.signedImmediate) [low, high] = [-(2 ** (top - 1)), 2 ** (top - 1) - step];
  // Three bits name the registers x8 to x15.
  if (field.endsWith("'")) [low, high] = [8, 15];
  if (field.endsWith("!0")) low = 1;
  if (value < low || value > high || value % BigInt(step) !== 0n) {
    const multiple = step === 1 ? "" : `, a multiple of ${step}`;
    throw new RangeError(`${mnemonic}: ${name} = ${value}, expected ${low} to ${high}${multiple}`);
  }
  if (name === "imm" && encoding.nonzeroImmediate && value === 0n) {
    throw new RangeError(`${mnemonic}: imm = 0 is reserved`);
  }
}
