import { bitsOf, compressedRowOf, rowOf } from "./encode.js";
import { immediateOf, operandName } from "./notation.js";
import { fName, xName } from "./registers.js";
import {
  csrName,
  FENCE_SET,
  immediateStyle,
  operandSyntax,
  ROUNDING_MODES,
  type Row,
  usualRounding,
} from "./syntax.js";

/**
 * The instruction in assembly language, as `objdump -M no-aliases` of GNU binutils writes it: no pseudo-instructions,
 * and compressed instructions under their own names, so that the text assembles to the same bytes. Only addresses differ:
 * they have their 0x.
 *
 * What is no instruction, or has reserved fields that assembly language cannot express, is `.word` or `.half`.
 *
 * @param word the 32 bits at pc; when the two low bits are not 11, the upper half is not looked at
 * @param pc for the targets of branches and jumps
 */
export function disassemble(word: number, pc = 0n): string {
  const isCompressed = (word & 3) !== 3;
  const bits = isCompressed ? word & 0xffff : word >>> 0;
  const row = isCompressed ? compressedRowOf(bits) : rowOf(bits);
  const text = row && instructionText(row, bits, pc);
  return text ?? `${isCompressed ? ".half" : ".word"} 0x${bits.toString(16).padStart(isCompressed ? 4 : 8, "0")}`;
}

/** Undefined when a reserved field is not as the text implies. */
function instructionText(row: Row, word: number, pc: bigint): string | undefined {
  const value = (name: string) => fieldValue(row, word, name);
  if (row.mnemonic === "fence" && value("fm") === 8 && value("pred") === 3 && value("succ") === 3) {
    return value("rd") === 0 && value("rs1") === 0 ? "fence.tso" : undefined;
  }
  const shown = operandSyntax(row);
  const names = new Set(shown.flatMap((operand) => operand.split(/[()]/)));
  for (const { field } of row.encoding.slices) {
    const name = operandName(field);
    if (!names.has(name) && !["rm", "aq", "rl"].includes(name) && value(name) !== 0) return undefined;
  }
  const operands = shown.map((operand) => operandText(row, word, pc, operand));
  const mode = value("rm");
  if (mode !== undefined && mode !== usualRounding(row.mnemonic)) {
    if (ROUNDING_MODES[mode] === undefined) return undefined;
    operands.push(ROUNDING_MODES[mode]);
  }
  const suffix = `${value("aq") ? "aq" : ""}${value("rl") ? "rl" : ""}`;
  const mnemonic = suffix ? `${row.mnemonic}.${suffix}` : row.mnemonic;
  return operands.length === 0 ? mnemonic : `${mnemonic} ${operands.join(",")}`;
}

function operandText(row: Row, word: number, pc: bigint, operand: string): string {
  const memory = /^(.*)\((.+)\)$/.exec(operand);
  if (memory) {
    const offset = memory[1] === "" ? "" : immediateOf(row.encoding, word);
    return `${offset}(${operandText(row, word, pc, memory[2]!)})`;
  }
  if (/^x\d+$/.test(operand)) return xName(Number(operand.slice(1)));
  const value = fieldValue(row, word, operand)!;
  switch (operand) {
    case "rd":
    case "rs1":
    case "rs2":
      return xName(value);
    case "fd":
    case "fs1":
    case "fs2":
    case "fs3":
      return fName(value);
    case "csr":
      return csrName(value);
    case "pred":
    case "succ":
      return fenceSetText(value);
    case "shamt5":
    case "shamt6":
      return hex(BigInt(value));
    case "imm":
      return immediateText(row, value, pc);
    default:
      return String(value);
  }
}

function immediateText(row: Row, value: number, pc: bigint): string {
  switch (immediateStyle(row)) {
    case "target":
      return hex(BigInt.asUintN(64, pc + BigInt(value)));
    case "upper":
      return hex(BigInt((value >>> 12) & 0xfffff));
    case "shift":
      return hex(BigInt(value));
    case "plain":
      return String(value);
  }
}

/** Undefined when the row has no such field. */
function fieldValue(row: Row, word: number, name: string): number | undefined {
  if (name === "imm") return immediateOf(row.encoding, word);
  const slice = row.encoding.slices.find((s) => operandName(s.field) === name);
  if (!slice) return undefined;
  return slice.field.endsWith("'") ? 8 | bitsOf(slice, word) : bitsOf(slice, word);
}

function fenceSetText(set: number): string {
  const letters = [...FENCE_SET].filter((_, n) => (set >> (3 - n)) & 1).join("");
  return letters === "" ? "0" : letters;
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
