import { RESERVED_ZERO } from "./encode.js";
import type { Instruction, Kind } from "./instruction.js";
import { functionName, operationName } from "./operations.js";
import { instructionTable } from "./table.js";

/** Kinds whose functions are generic over the target and make a value or an effect by themselves. */
const FORMULA_KINDS: readonly Kind[] = ["integer", "relative", "memory"];

/** Text of generated/translate.ts: the semantics with the translator as their target, and what a region's flow needs. */
export function generateTranslator(): string {
  const formulas = instructionTable.filter((row) => FORMULA_KINDS.includes(row.kind));
  const branches = instructionTable.filter((row) => row.kind === "branch");
  const floats = instructionTable.filter(isFloatHelper);
  const jumps = instructionTable.filter((row) => row.kind === "jump");
  return `import { Translator } from "../jit/translator";
import * as op from "./operations";
${importsOf([...formulas, ...branches, ...jumps])}

export const KIND_INTEGER: u32 = 0;
export const KIND_RELATIVE: u32 = 1;
export const KIND_BRANCH: u32 = 2;
export const KIND_JUMP: u32 = 3;
export const KIND_MEMORY: u32 = 4;
export const KIND_ATOMIC: u32 = 5;
export const KIND_FLOAT: u32 = 6;
export const KIND_SYSTEM: u32 = 7;

/** In what operandsOf gives, above the kind: which operands are integer registers, and whether any is a float one. */
export const KIND_MASK: u32 = 0xff;
export const WRITES_RD: u32 = 0x100;
export const READS_RS1: u32 = 0x200;
export const READS_RS2: u32 = 0x400;
export const USES_FLOATS: u32 = 0x800;

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

/** Emits an instruction of kind integer, relative or memory. */
export function translateFormula(t: Translator, operation: u32, i: u64): void {
  switch (operation) {
${formulas.map((row) => translation(row, "")).join("\n")}
    default:
      unreachable();
  }
}

/** Emits a branch's condition. */
export function translateCondition(t: Translator, operation: u32, i: u64): void {
  switch (operation) {
${branches.map((row) => translation(row, "")).join("\n")}
    default:
      unreachable();
  }
}

/** Emits a jump: its link register is set and its target is on the stack. */
export function translateJump(t: Translator, operation: u32, i: u64): void {
  switch (operation) {
${jumps.map((row) => translation(row, "")).join("\n")}
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

/** Text of generated/float-helpers.ts: the functions regions import, for the core to export. */
export function generateFloatHelpers(): string {
  return `\nexport {\n${floatHelperNames()
    .map((name) => `  ${name},`)
    .join("\n")}\n} from "../semantics/float";\n`;
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
  return row.kind === "float" && row.file === "float";
}

function translation(row: Instruction, indent: string): string {
  return `${indent}    case op.${operationName(row.mnemonic)}:
${indent}      ${functionName(row.mnemonic)}<Translator>(t, i);
${indent}      break;`;
}

function importsOf(rows: readonly Instruction[]): string {
  const files = new Map<string, string[]>();
  for (const row of rows) files.set(row.file, [...(files.get(row.file) ?? []), functionName(row.mnemonic)]);
  return [...files].map(([file, names]) => `import { ${names.join(", ")} } from "../semantics/${file}";`).join("\n");
}

function operandBits(row: Instruction): number {
  const kinds: readonly Kind[] = ["integer", "relative", "branch", "jump", "memory", "atomic", "float", "system"];
  // Register fields that mean nothing are no operands.
  const slices = RESERVED_ZERO.has(row.mnemonic) ? [] : row.encoding.slices;
  const fields = new Set(slices.map((slice) => slice.field));
  const floats = ["fd", "fs1", "fs2", "fs3"].some((field) => fields.has(field));
  return (
    kinds.indexOf(row.kind) |
    (fields.has("rd") ? 0x100 : 0) |
    (fields.has("rs1") ? 0x200 : 0) |
    (fields.has("rs2") ? 0x400 : 0) |
    (floats ? 0x800 : 0)
  );
}
