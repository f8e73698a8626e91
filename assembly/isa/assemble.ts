import { encode, encodeCompressed, type Operands } from "./encode.js";
import { Scope } from "./expression.js";
import { operandName } from "./notation.js";
import { constantSteps, expandPseudo } from "./pseudo.js";
import { fNumber, xNumber } from "./registers.js";
import {
  csrNumber,
  FENCE_SET,
  immediateStyle,
  operandSyntax,
  ROUNDING_MODES,
  type Row,
  usualRounding,
} from "./syntax.js";
import { compressedTable, instructionTable } from "./table.js";

export { encode, encodeCompressed, type Operands } from "./encode.js";

export interface Program {
  /** Address of the first byte. */
  readonly origin: bigint;
  readonly bytes: Uint8Array;
  /** Addresses of labels and values of `.equ`. */
  readonly symbols: ReadonlyMap<string, bigint>;
}

/** Where RAM begins on the `virt` board. */
const USUAL_ORIGIN = 0x8000_0000n;

/**
 * Assembles a listing in GNU syntax: one statement a line or between semicolons, comments from # or //.
 *
 * Labels: `name:`, and numbers as in `1:`, reached by `1b` and `1f`. Operands are sums of numbers and labels; `.` is the
 * statement's own address. Directives: .byte .half .word .dword (lists), .zero LENGTH, .align POWER, .org ADDRESS,
 * .equ NAME, VALUE. Pseudo-instructions: those of pseudo.ts, and li, la, call and tail. Nothing is compressed unless it
 * is written with its `c.` name.
 *
 * @throws RangeError naming the line
 */
export function assemble(text: string, origin = USUAL_ORIGIN): Program {
  const scope = new Scope(origin);
  const items: { readonly item: Item; readonly address: bigint; readonly line: number }[] = [];
  text.split("\n").forEach((lineText, index) => {
    const line = index + 1;
    located(line, () => {
      for (const statement of lineText.replace(/(#|\/\/).*/, "").split(";")) {
        const item = parseStatement(statement.trim(), scope);
        if (!item) continue;
        items.push({ item, address: scope.here, line });
        scope.here += BigInt(item.byteLength);
      }
    });
  });
  const bytes = new Uint8Array(Number(scope.here - origin));
  for (const { item, address, line } of items) {
    scope.here = address;
    located(line, () => bytes.set(item.emit(scope), Number(address - origin)));
  }
  return { origin, bytes, symbols: scope.symbols };
}

/** What a statement puts into memory: how much is known at once, what only when all labels are. */
interface Item {
  readonly byteLength: number;
  emit(scope: Scope): Uint8Array;
}

function located(line: number, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (error instanceof RangeError) throw new RangeError(`line ${line}: ${error.message}`);
    throw error;
  }
}

function parseStatement(statement: string, scope: Scope): Item | undefined {
  let rest = statement;
  for (;;) {
    const label = /^([\w.$]+):\s*/.exec(rest);
    if (!label) break;
    scope.defineLabel(label[1]!);
    rest = rest.slice(label[0].length);
  }
  if (rest === "") return undefined;
  const [mnemonic, operandText = ""] = rest.split(/\s+(.*)/) as [string, string?];
  const operands = operandText === "" ? [] : operandText.split(",").map((operand) => operand.trim());
  return mnemonic.startsWith(".")
    ? parseDirective(mnemonic, operands, scope)
    : parseInstruction(mnemonic.toLowerCase(), operands, scope);
}

// ---- directives ----

const DATA_BYTE_LENGTHS: Readonly<Record<string, number>> = { ".byte": 1, ".half": 2, ".word": 4, ".dword": 8 };

function parseDirective(name: string, operands: readonly string[], scope: Scope): Item | undefined {
  const unit = DATA_BYTE_LENGTHS[name];
  if (unit !== undefined) {
    return {
      byteLength: unit * operands.length,
      emit: (s) => concatenate(operands.map((operand) => littleEndian(s.evaluate(operand), unit))),
    };
  }
  const value = (index: number) => {
    const operand = operands[index];
    if (operand === undefined) throw new RangeError(`${name}: operand is missing`);
    return scope.evaluate(operand);
  };
  switch (name) {
    case ".zero":
      return zeros(value(0));
    case ".align": {
      const unitLength = 1n << value(0);
      return zeros((unitLength - (scope.here % unitLength)) % unitLength);
    }
    case ".org":
      if (value(0) < scope.here) throw new RangeError(`.org: 0x${value(0).toString(16)} lies behind`);
      return zeros(value(0) - scope.here);
    case ".equ":
      scope.define(operands[0] ?? "", value(1));
      return undefined;
    default:
      throw new RangeError(`"${name}" is no directive`);
  }
}

function zeros(byteLength: bigint): Item {
  const bytes = new Uint8Array(Number(byteLength));
  return { byteLength: bytes.length, emit: () => bytes };
}

function littleEndian(value: bigint, byteLength: number): Uint8Array {
  const bits = 8 * byteLength;
  if (BigInt.asUintN(bits, value) !== value && BigInt.asIntN(bits, value) !== value) {
    throw new RangeError(`${value} does not fit ${byteLength} bytes`);
  }
  return Uint8Array.from({ length: byteLength }, (_, n) => Number((value >> BigInt(8 * n)) & 0xffn));
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

// ---- instructions ----

/** Registers that the calling convention gives to `call` and `tail`. */
const RA = 1;
const T1 = 6;

const rows: ReadonlyMap<string, Row> = new Map(
  [...instructionTable, ...compressedTable].map((row) => [row.mnemonic, row]),
);

function parseInstruction(mnemonic: string, operands: readonly string[], scope: Scope): Item {
  switch (`${mnemonic}/${operands.length}`) {
    case "li/2":
      return sequence(
        constantSteps(scope.evaluate(operands[1]!)).map((step, n) => constantWord(operands[0]!, step, n)),
      );
    case "la/2": {
      const rd = integer(operands[0]!);
      return pcRelativePair(operands[1]!, rd, (imm) => encode("addi", { rd, rs1: rd, imm }));
    }
    case "call/1":
      return pcRelativePair(operands[0]!, RA, (imm) => encode("jalr", { rd: RA, rs1: RA, imm }));
    case "tail/1":
      return pcRelativePair(operands[0]!, T1, (imm) => encode("jalr", { rd: 0, rs1: T1, imm }));
    case "fence.tso/0":
      return sequence([encode("fence", { fm: 8, pred: 3, succ: 3 })]);
  }
  const pseudo = expandPseudo(mnemonic, operands);
  if (pseudo) return parseInstruction(pseudo.mnemonic, pseudo.operands, scope);
  const { row, ordering } = findRow(mnemonic);
  const byteLength = row.encoding.bitLength / 8;
  return {
    byteLength,
    emit: (s) => littleEndian(encodeRow(row, { ...parseOperands(row, operands, s), ...ordering }), byteLength),
  };
}

function encodeRow(row: Row, operands: Operands): bigint {
  return BigInt(
    row.encoding.bitLength === 16 ? encodeCompressed(row.mnemonic, operands) : encode(row.mnemonic, operands),
  );
}

/** The row of a mnemonic that may end in .aq, .rl or .aqrl. */
function findRow(mnemonic: string): { readonly row: Row; readonly ordering: Operands } {
  const plain = rows.get(mnemonic);
  if (plain) return { row: plain, ordering: {} };
  const suffixed = /^(.+)\.(aq)?(rl)?$/.exec(mnemonic);
  const row = suffixed && rows.get(suffixed[1]!);
  if (!row?.encoding.slices.some((slice) => slice.field === "aq"))
    throw new RangeError(`"${mnemonic}" is no instruction`);
  return { row, ordering: { aq: suffixed?.[2] ? 1 : 0, rl: suffixed?.[3] ? 1 : 0 } };
}

function constantWord(register: string, step: ReturnType<typeof constantSteps>[number], index: number): number {
  const rd = integer(register);
  const { mnemonic, immediate } = step;
  switch (mnemonic) {
    case "lui":
      return encode("lui", { rd, imm: immediate });
    case "slli":
      return encode("slli", { rd, rs1: rd, shamt6: immediate });
    case "addi":
    case "addiw":
      return encode(mnemonic, { rd, rs1: index === 0 ? 0 : rd, imm: immediate });
  }
}

/** auipc with the upper part of the distance to `target`, then an instruction that adds the lower part to it. */
function pcRelativePair(target: string, register: number, second: (low: bigint) => number): Item {
  return {
    byteLength: 8,
    emit: (scope) => {
      const distance = scope.evaluate(target) - scope.here;
      const low = BigInt.asIntN(12, distance);
      return words([encode("auipc", { rd: register, imm: distance - low }), second(low)]);
    },
  };
}

function sequence(encoded: readonly number[]): Item {
  return { byteLength: 4 * encoded.length, emit: () => words(encoded) };
}

function words(encoded: readonly number[]): Uint8Array {
  return concatenate(encoded.map((word) => littleEndian(BigInt(word), 4)));
}

// ---- operands ----

function parseOperands(row: Row, given: readonly string[], scope: Scope): Operands {
  const syntax = operandSyntax(row);
  const fields: Record<string, bigint> = {};
  const hasRounding = row.encoding.slices.some((slice) => slice.field === "rm");
  if (hasRounding) fields.rm = BigInt(usualRounding(row.mnemonic));
  const mode = hasRounding && given.length === syntax.length + 1 ? given.at(-1) : undefined;
  if (mode !== undefined) fields.rm = roundingMode(mode);
  else if (given.length !== syntax.length) {
    throw new RangeError(`${row.mnemonic}: ${given.length} operands, expected ${syntax.join(",") || "none"}`);
  }
  for (const [n, wanted] of syntax.entries()) parseOperand(row, wanted, given[n]!, scope, fields);
  return fields;
}

function parseOperand(row: Row, wanted: string, text: string, scope: Scope, fields: Record<string, bigint>): void {
  const memory = /^(.*)\((.+)\)$/.exec(wanted);
  if (memory) {
    const [, offset = "", base = ""] = /^(.*)\((.+)\)$/.exec(text) ?? [];
    if (base === "") throw new RangeError(`${row.mnemonic}: "${text}", expected ${wanted}`);
    parseOperand(row, memory[2]!, base, scope, fields);
    if (memory[1] !== "") parseOperand(row, "imm", offset || "0", scope, fields);
    else if (offset !== "" && scope.evaluate(offset) !== 0n) throw new RangeError(`${row.mnemonic}: takes no offset`);
    return;
  }
  switch (operandName(wanted)) {
    case "rd":
    case "rs1":
    case "rs2":
      fields[wanted] = BigInt(integer(text));
      break;
    case "fd":
    case "fs1":
    case "fs2":
    case "fs3":
      fields[wanted] = BigInt(named(text, fNumber(text), "a floating-point register"));
      break;
    case "csr":
      fields[wanted] = BigInt(csrNumber(text) ?? scope.evaluate(text));
      break;
    case "pred":
    case "succ":
      fields[wanted] = fenceSet(text);
      break;
    case "imm":
      fields[wanted] = immediate(row, text, scope);
      break;
    case "shamt5":
    case "shamt6":
    case "uimm5":
      fields[wanted] = scope.evaluate(text);
      break;
    default:
      // A fixed register, such as the sp of c.addi16sp.
      if (xNumber(text) !== xNumber(wanted)) throw new RangeError(`${row.mnemonic}: "${text}", expected ${wanted}`);
  }
}

function immediate(row: Row, text: string, scope: Scope): bigint {
  const value = scope.evaluate(text);
  switch (immediateStyle(row)) {
    case "target":
      return BigInt.asIntN(64, value - scope.here);
    case "upper":
      if (value < -0x80000n || value > 0xfffffn) throw new RangeError(`${row.mnemonic}: ${text}, expected 20 bits`);
      return BigInt.asIntN(32, value << 12n);
    case "shift":
    case "plain":
      return value;
  }
}

function integer(name: string): number {
  return named(name, xNumber(name), "an integer register");
}

function named(text: string, number: number | undefined, what: string): number {
  if (number === undefined) throw new RangeError(`"${text}" is not ${what}`);
  return number;
}

function roundingMode(name: string): bigint {
  const mode = ROUNDING_MODES.indexOf(name);
  if (mode < 0) throw new RangeError(`"${name}" is no rounding mode`);
  return BigInt(mode);
}

function fenceSet(text: string): bigint {
  if (text === "0") return 0n;
  let set = 0n;
  for (const letter of text) {
    const place = FENCE_SET.indexOf(letter);
    if (place < 0) throw new RangeError(`"${text}" is no set of ${FENCE_SET}`);
    set |= 8n >> BigInt(place);
  }
  return set;
}
