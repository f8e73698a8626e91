import { RESERVED_ZERO } from "./encode.js";
import type { Instruction, Kind } from "./instruction.js";
import { functionName, operationName } from "./operations.js";
import { instructionTable } from "./table.js";

/** Kinds whose functions are generic over the target and make a value or an effect by themselves. */
const FORMULA_KINDS: readonly Kind[] = ["integer", "relative", "memory", "atomic"];
/** Kinds for which it matters how wide their operands and results are. */
const MEASURED_KINDS: readonly Kind[] = ["integer", "branch", "memory"];

/** A flag an operand field stands for in what operandsOf gives. */
const OPERAND_BITS: readonly (readonly [string, number, string])[] = [
  ["WRITES_RD", 0x10, "rd"],
  ["READS_RS1", 0x20, "rs1"],
  ["READS_RS2", 0x40, "rs2"],
  ["WRITES_FD", 0x80, "fd"],
  ["READS_FS1", 0x100, "fs1"],
  ["READS_FS2", 0x200, "fs2"],
  ["READS_FS3", 0x400, "fs3"],
  ["ROUNDS", 0x800, "rm"],
];

/** Text of generated/translate.ts: the semantics with the translator as their target, and what a region's flow needs. */
export function generateTranslator(): string {
  const formulas = instructionTable.filter((row) => FORMULA_KINDS.includes(row.kind));
  const branches = instructionTable.filter((row) => row.kind === "branch");
  const floats = instructionTable.filter(isFloatHelper);
  const jumps = instructionTable.filter((row) => row.kind === "jump");
  return `import { Translator } from "../jit/translator";
import * as op from "./operations";
${importsOf([...formulas, ...branches, ...floats, ...jumps])}

export const KIND_INTEGER: u32 = 0;
export const KIND_RELATIVE: u32 = 1;
export const KIND_BRANCH: u32 = 2;
export const KIND_JUMP: u32 = 3;
export const KIND_MEMORY: u32 = 4;
export const KIND_ATOMIC: u32 = 5;
export const KIND_FLOAT: u32 = 6;
export const KIND_PLAIN: u32 = 7;
export const KIND_SYSTEM: u32 = 8;

/** In what operandsOf gives, above the kind: which register operands there are, and whether there is a rounding mode. */
export const KIND_MASK: u32 = 0xf;
${OPERAND_BITS.map(([name, bit]) => `export const ${name}: u32 = ${hex(bit)};`).join("\n")}
/** Any floating-point register. */
export const USES_FLOATS: u32 = WRITES_FD | READS_FS1 | READS_FS2 | READS_FS3;

/** Kind and register operands of an operation, variants excluded. */
export function operandsOf(operation: u32): u32 {
  return load<u16>(OPERANDS + (<usize>operation << 1));
}

/** Instructions of kind float that regions call as functions of hart and instruction, in the order of floatHelperOf. */
export const FLOAT_HELPER_COUNT: u32 = ${floats.length};

/** Which of them an operation is. */
export function floatHelperOf(operation: u32): u32 {
  return load<u8>(FLOAT_HELPERS + <usize>operation);
}

/** Emits an instruction of kind integer, relative, memory or atomic. */
export function translateFormula(t: Translator, operation: u32, i: u64): void {
  switch (operation) {
${formulas.map((row) => call(row, "Translator")).join("\n")}
    default:
      unreachable();
  }
}

/** Emits an instruction of kind float. */
export function translateFloat(t: Translator, operation: u32, i: u64): void {
  switch (operation) {
${floats.map((row) => call(row, "Translator")).join("\n")}
    default:
      unreachable();
  }
}

/** Emits a branch's condition. */
export function translateCondition(t: Translator, operation: u32, i: u64): void {
  switch (operation) {
${branches.map((row) => call(row, "Translator")).join("\n")}
    default:
      unreachable();
  }
}

/** Emits a jump: its link register is set and its target is on the stack. */
export function translateJump(t: Translator, operation: u32, i: u64): void {
  switch (operation) {
${jumps.map((row) => call(row, "Translator")).join("\n")}
    default:
      unreachable();
  }
}

const FLOAT_HELPERS: usize = memory.data<u8>([
  0, 0, 0, 0, 0,
${instructionTable.map((row) => `  ${Math.max(0, floats.indexOf(row))}, // ${row.mnemonic}`).join("\n")}
]);

const OPERANDS: usize = memory.data<u16>([
  0, 0, 0, 0, 0,
${instructionTable.map((row) => `  0x${operandBits(row).toString(16)}, // ${row.mnemonic}`).join("\n")}
]);
`;
}

/** Text of generated/measure.ts: the semantics with the width meter as their target. */
export function generateMeter(): string {
  const measured = instructionTable.filter((row) => MEASURED_KINDS.includes(row.kind));
  return `import { WidthMeter } from "../jit/width";
import * as op from "./operations";
${importsOf(measured)}

/** Measures an instruction of kind integer, branch or memory. @returns false when it is of another kind */
export function measure(t: WidthMeter, operation: u32, i: u64): bool {
  switch (operation) {
${measured.map((row) => call(row, "WidthMeter")).join("\n")}
    default:
      return false;
  }
  return true;
}
`;
}

/** Text of generated/float-helpers.ts: the functions regions import, for the core to export. */
export function generateFloatHelpers(): string {
  return `import { Interpreter } from "../interpreter/target";
import * as float from "../semantics/float";

${floatHelperNames()
  .map((name) => `export function ${name}(t: Interpreter, i: u64): void {\n  float.${name}<Interpreter>(t, i);\n}`)
  .join("\n")}
`;
}

/** Text of generated/float-helper-names.ts: their names, in the order of their imports. */
export function generateFloatHelperNames(): string {
  return `\nexport const FLOAT_HELPERS: readonly string[] = [\n${floatHelperNames()
    .map((name) => `  "${name}",`)
    .join("\n")}\n];\n`;
}

function floatHelperNames(): string[] {
  return instructionTable.filter(isFloatHelper).map((row) => functionName(row.mnemonic));
}

function isFloatHelper(row: Instruction): boolean {
  return row.kind === "float";
}

function call(row: Instruction, target: string): string {
  return `    case op.${operationName(row.mnemonic)}:
      ${functionName(row.mnemonic)}<${target}>(t, i);
      break;`;
}

function importsOf(rows: readonly Instruction[]): string {
  const files = new Map<string, string[]>();
  for (const row of rows) files.set(row.file, [...(files.get(row.file) ?? []), functionName(row.mnemonic)]);
  return [...files].map(([file, names]) => `import { ${names.join(", ")} } from "../semantics/${file}";`).join("\n");
}

function operandBits(row: Instruction): number {
  const kinds: readonly Kind[] = [
    "integer",
    "relative",
    "branch",
    "jump",
    "memory",
    "atomic",
    "float",
    "plain",
    "system",
  ];
  // Register fields that mean nothing are no operands.
  const slices = RESERVED_ZERO.has(row.mnemonic) ? [] : row.encoding.slices;
  const fields = new Set(slices.map((slice) => slice.field));
  const bits = OPERAND_BITS.filter(([, , field]) => fields.has(field)).map(([, bit]) => bit);
  return bits.reduce((all, bit) => all | bit, kinds.indexOf(row.kind));
}

const hex = (value: number) => `0x${value.toString(16)}`;
