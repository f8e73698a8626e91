import { csrs } from "./csrs.js";
import type { CompressedInstruction, Instruction } from "./instruction.js";
import { hasRelativeTarget } from "./operations.js";
import { instructionTable } from "./table.js";

/** A row of either table. */
export type Row = Instruction | CompressedInstruction;

/**
 * How an immediate is written.
 *
 *   target  the address pc + imm           shift  hexadecimal
 *   upper   imm >> 12, 20 bits unsigned    plain  decimal
 */
export type ImmediateStyle = "target" | "upper" | "shift" | "plain";

/** Assembly language's names of the rounding modes, by number; 5 and 6 are reserved. */
export const ROUNDING_MODES: readonly (string | undefined)[] = [
  "rne",
  "rtz",
  "rdn",
  "rup",
  "rmm",
  undefined,
  undefined,
  "dyn",
];
export const DYNAMIC_ROUNDING = 7;

/** The sets of FENCE, most significant bit first. */
export const FENCE_SET = "iorw";

/** These cannot round: the assembler's habit is to encode them with mode 0. */
const EXACT_CONVERSIONS: ReadonlySet<string> = new Set(["fcvt.d.s", "fcvt.d.w", "fcvt.d.wu"]);

const SHIFTS: ReadonlySet<string> = new Set(["slli", "srli", "srai"]);

/**
 * The operands of an instruction as assembly language writes them: field names, `imm(rs1)`, `(rs1)`, or a fixed register
 * such as `x2`. `rm`, `aq`, `rl` and what is reserved are not among them.
 */
export function operandSyntax(row: Row): readonly string[] {
  return "expansion" in row ? compressedSyntax(row) : wideSyntax(row);
}

export function immediateStyle(row: Row): ImmediateStyle {
  const wide = "expansion" in row ? instructionNamed(row.expansion.split(" ")[0]!) : row;
  if (hasRelativeTarget(wide)) return "target";
  if (row.encoding.slices.some((slice) => slice.field === "imm") && lowestBit(row) === 12) return "upper";
  return SHIFTS.has(wide.mnemonic) ? "shift" : "plain";
}

/** The rounding mode an instruction has when none is written. */
export function usualRounding(mnemonic: string): number {
  return EXACT_CONVERSIONS.has(mnemonic) ? 0 : DYNAMIC_ROUNDING;
}

const CSR_NAMES: ReadonlyMap<number, string> = new Map(csrs.map((csr) => [csr.number, csr.name]));
const CSR_NUMBERS: ReadonlyMap<string, number> = new Map(csrs.map((csr) => [csr.name, csr.number]));

/** The name of a CSR, or its number in hexadecimal when the machine has none of that number. */
export function csrName(number: number): string {
  return CSR_NAMES.get(number) ?? `0x${number.toString(16)}`;
}
export function csrNumber(name: string): number | undefined {
  return CSR_NUMBERS.get(name);
}

function instructionNamed(mnemonic: string): Instruction {
  return instructionTable.find((row) => row.mnemonic === mnemonic)!;
}

function lowestBit(row: Row): number {
  return Math.min(...row.encoding.slices.filter((slice) => slice.field === "imm").map((slice) => slice.to));
}

function wideSyntax(row: Instruction): readonly string[] {
  const fields = new Set(row.encoding.slices.map((slice) => slice.field));
  const present = (...names: string[]) => names.filter((name) => fields.has(name));
  if (fields.has("pred")) return ["pred", "succ"];
  if (row.mnemonic === "fence.i") return [];
  if (fields.has("csr")) return ["rd", "csr", ...present("rs1", "uimm5")];
  if (row.kind === "atomic") return [...present("rd", "rs2"), "(rs1)"];
  if (row.file === "cacheblock") return fields.has("imm") ? ["imm(rs1)"] : ["(rs1)"];
  if (row.kind === "memory" || row.mnemonic === "jalr") return [...present("rd", "fd", "rs2", "fs2"), "imm(rs1)"];
  return present("rd", "fd", "rs1", "fs1", "rs2", "fs2", "fs3", "shamt6", "shamt5", "imm");
}

/** What the expansion says, without what the mnemonic implies: x0, the link register, rs1 when it is rd. */
function compressedSyntax(row: CompressedInstruction): readonly string[] {
  const [, text = ""] = row.expansion.replaceAll("'", "").split(/ (.*)/);
  const operands = text.split(", ").filter((operand) => operand !== "" && operand !== "x0" && operand !== "x1");
  return [...new Set(operands)].map((operand) => operand.replace(/^0\((.+)\)$/, "$1"));
}
