import type { CompressedInstruction, Instruction } from "./instruction.js";
import { type Encoding, operandName, type Slice } from "./notation.js";
import { functionName, operationName } from "./operations.js";
import { compressedTable, instructionTable } from "./table.js";

/** Text of generated/decode.ts: `decode(word)` and `expand(halfword)`. */
export function generateDecoder(): string {
  const formats = collectFormats();
  return `import * as op from "./operations";
import { IMM_SHIFT, RD_SHIFT, RS1_SHIFT, RS2_SHIFT, RS3_IN_IMM } from "../shared/decoded";

/** The decoded form (shared/decoded.ts) of a 32-bit instruction; operation OP_ILLEGAL when it is none. */
export function decode(w: u32): u64 {
  switch ((w >> 2) & 31) {
${majorOpcodes()
  .map(([major, rows]) => `    case ${binary(major, 5)}: {\n${decodeRows(rows, formats)}\n    }`)
  .join("\n")}
    default:
      return op.OP_ILLEGAL;
  }
}

/** The 32-bit instruction a 16-bit one stands for, or 0, which is illegal. */
export function expand(h: u32): u32 {
${[...compressedTable].sort(bySpecificity).map(expandRow).join("\n")}
  return 0;
}

// What the instructions of one format carry besides their operation.
${[...formats.values()].map((f) => f.text).join("\n")}
@inline function destination(r: u32): u32 {
  return r == 0 ? 32 : r;
}
`;
}

interface Format {
  readonly name: string;
  readonly text: string;
}

function majorOpcodes(): [number, Instruction[]][] {
  const majors = new Map<number, Instruction[]>();
  for (const row of instructionTable) {
    const major = (row.encoding.match >>> 2) & 31;
    majors.set(major, [...(majors.get(major) ?? []), row]);
  }
  return [...majors].sort(([a], [b]) => a - b);
}

function decodeRows(rows: readonly Instruction[], formats: ReadonlyMap<string, Format>): string {
  const fixesFunct3 = rows.every((row) => ((row.encoding.mask >>> 12) & 7) === 7) && rows.length > 2;
  if (!fixesFunct3) return tests(rows, formats, "      ");
  const groups = new Map<number, Instruction[]>();
  for (const row of rows) {
    const funct3 = (row.encoding.match >>> 12) & 7;
    groups.set(funct3, [...(groups.get(funct3) ?? []), row]);
  }
  const cases = [...groups]
    .sort(([a], [b]) => a - b)
    .map(([funct3, group]) => `        case ${funct3}:\n${tests(group, formats, "          ")}`);
  return `      switch ((w >> 12) & 7) {\n${cases.join("\n")}\n        default:\n          return op.OP_ILLEGAL;\n      }`;
}

function tests(rows: readonly Instruction[], formats: ReadonlyMap<string, Format>, indent: string): string {
  const lines = [...rows].sort(bySpecificity).map((row) => {
    const { mask, match } = row.encoding;
    const packed = `${formats.get(formatKey(row))!.name}(op.${operationName(row.mnemonic)}, w)`;
    return `${indent}if ((w & ${hex(mask)}) == ${hex(match)}) return ${packed};`;
  });
  return [...lines, `${indent}return op.OP_ILLEGAL;`].join("\n");
}

/** More fixed bits first, so that a special case of another row is found before it. */
function bySpecificity(a: { encoding: Encoding }, b: { encoding: Encoding }): number {
  return bitCount(b.encoding.mask) - bitCount(a.encoding.mask);
}

// ---- formats ----

function formatKey(row: Instruction): string {
  return row.encoding.slices.map((s) => `${s.field}@${s.from}>${s.to}`).join(" ") + row.encoding.signedImmediate;
}

function collectFormats(): Map<string, Format> {
  const formats = new Map<string, Format>();
  for (const row of instructionTable) {
    const key = formatKey(row);
    if (formats.has(key)) continue;
    const name = `like_${functionName(row.mnemonic)}`;
    const parts = ["<u64>operation", ...formatParts(row.encoding)];
    formats.set(key, {
      name,
      text: `@inline function ${name}(operation: u32, w: u32): u64 {\n  return ${parts.join(" | ")};\n}`,
    });
  }
  return formats;
}

function formatParts(encoding: Encoding): string[] {
  const parts: string[] = [];
  for (const slice of encoding.slices) {
    const bits = field("w", slice);
    switch (slice.field) {
      case "rd":
        parts.push(`(<u64>destination(${bits}) << RD_SHIFT)`);
        break;
      case "fd":
        parts.push(`(<u64>(${bits}) << RD_SHIFT)`);
        break;
      case "rs1":
      case "fs1":
      case "uimm5":
        parts.push(`(<u64>(${bits}) << RS1_SHIFT)`);
        break;
      case "rs2":
      case "fs2":
        parts.push(`(<u64>(${bits}) << RS2_SHIFT)`);
        break;
      case "fs3":
        parts.push(`(<u64>(${bits}) << (IMM_SHIFT + RS3_IN_IMM))`);
        break;
      case "rm":
      case "csr":
      case "shamt5":
      case "shamt6":
        parts.push(`(<u64>(${bits}) << IMM_SHIFT)`);
        break;
      case "imm":
      case "aq":
      case "rl":
      case "fm":
      case "pred":
      case "succ":
        break;
      default:
        throw new Error(`no place for "${slice.field}" in a decoded instruction`);
    }
  }
  if (encoding.slices.some((s) => s.field === "imm"))
    parts.push(`(<u64><u32>(${immediate("w", encoding)}) << IMM_SHIFT)`);
  return parts;
}

/** An expression of type i32 or u32 for the immediate that variable `word` carries. */
function immediate(word: string, encoding: Encoding): string {
  const slices = encoding.slices.filter((s) => s.field === "imm");
  const top = Math.max(...slices.map((s) => s.to + s.width));
  const bits = slices.map((s) => (s.to ? `(${field(word, s)} << ${s.to})` : field(word, s))).join(" | ");
  if (!encoding.signedImmediate || top === 32) return bits;
  return `<i32>((${bits}) << ${32 - top}) >> ${32 - top}`;
}

function field(word: string, slice: Slice): string {
  return `((${word} >> ${slice.from}) & ${hex(2 ** slice.width - 1)})`;
}

// ---- compressed ----

function expandRow(row: CompressedInstruction): string {
  const [mnemonic, operandText = ""] = row.expansion.split(/ (.*)/) as [string, string?];
  const target = instructionTable.find((i) => i.mnemonic === mnemonic)!;
  const fields = operandFields(target, operandText.includes("("));
  const parts = [hex(target.encoding.match)];
  let immediateText = "";
  operandText
    .split(/, |\(|\)/)
    .filter((operand) => operand !== "")
    .forEach((operand, index) => {
      const name = fields[index]!;
      if (operand === "imm") {
        immediateText = `    const imm = <u32>(${immediate("h", row.encoding)});\n`;
        parts.push(scatterImmediate(target.encoding, name));
      } else if (operand !== "0" && operand !== "x0") {
        const slice = target.encoding.slices.find((s) => s.field === name)!;
        parts.push(`(${registerNumber(row.encoding, operand)} << ${slice.from})`);
      }
    });
  const guards = [`(h & ${hex(row.encoding.mask)}) == ${hex(row.encoding.match)}`, ...constraints(row.encoding)];
  return `  // ${row.mnemonic}: ${row.bits} => ${row.expansion}
  if (${guards.join(" && ")}) {
${immediateText}    return ${parts.join(" | ")};
  }`;
}

/** The operands of an instruction in the order assembly language writes them. */
export function operandFields(instruction: Instruction, isMemoryOperand: boolean): string[] {
  const present = new Set(instruction.encoding.slices.map((s) => s.field));
  const isStore = !present.has("rd") && !present.has("fd");
  const order = isMemoryOperand
    ? [isStore ? (present.has("fs2") ? "fs2" : "rs2") : present.has("fd") ? "fd" : "rd", "imm", "rs1"]
    : ["rd", "fd", "rs1", "fs1", "rs2", "fs2", "fs3", "shamt6", "shamt5", "imm"];
  return order.filter((name) => present.has(name));
}

function registerNumber(encoding: Encoding, operand: string): string {
  const fixed = /^x(\d+)$/.exec(operand);
  if (fixed) return fixed[1]!;
  const name = operandName(operand);
  const slice = encoding.slices.find((s) => operandName(s.field) === name)!;
  return slice.width === 3 ? `(8 | ${field("h", slice)})` : field("h", slice);
}

function scatterImmediate(encoding: Encoding, name: string): string {
  return encoding.slices
    .filter((s) => s.field === name)
    .map((s) => `(((imm >> ${s.to}) & ${hex(2 ** s.width - 1)}) << ${s.from})`)
    .join(" | ");
}

function constraints(encoding: Encoding): string[] {
  const guards = encoding.slices.filter((s) => s.field.endsWith("!0")).map((s) => `${field("h", s)} != 0`);
  if (encoding.nonzeroImmediate) {
    const mask = encoding.slices
      .filter((s) => s.field === "imm")
      .reduce((bits, s) => bits | ((2 ** s.width - 1) << s.from), 0);
    guards.push(`(h & ${hex(mask)}) != 0`);
  }
  return guards;
}

function bitCount(bits: number): number {
  return bits.toString(2).replaceAll("0", "").length;
}

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}

function binary(value: number, width: number): string {
  return `0b${value.toString(2).padStart(width, "0")}`;
}
