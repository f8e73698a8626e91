import type { Instruction } from "./instruction.js";
import { compressedTable, instructionTable } from "./table.js";

/**
 * Operation numbers: what the low bits of a decoded instruction hold and the interpreter's switch takes.
 *
 * An instruction has one number, and in the decode cache perhaps another for a variant of it: *compressed* (two bytes
 * long, so that the step to the next entry is a constant), *near* (its target is on the same page, so that the jump is
 * an addition) and *backward* (near, and the turns of the loop are counted). All numbers are dense, which is what makes asc emit a `br_table`.
 */
export const SPECIAL_OPERATIONS = [
  "UNDECODED", // nothing is known of this halfword yet; zero, so that clearing a page forgets it
  "ILLEGAL",
  "PAGE_END", // stands behind a page's last entry
  "CROSSING", // a 32-bit instruction that begins in a page's last halfword
  "REGION", // an instruction that a translated region begins with; its immediate is the region's number
] as const;

export interface Operation {
  readonly constant: string;
  readonly number: number;
  readonly instruction: Instruction;
  readonly isCompressed: boolean;
  readonly isNear: boolean;
  /** Near, and its target is not further on: a loop, of which the turns are counted. */
  readonly isBackward: boolean;
}

/** The constant's name: `OP_FADD_S` for `fadd.s`. */
export function operationName(mnemonic: string): string {
  return `OP_${mnemonic.toUpperCase().replaceAll(".", "_")}`;
}

/** The function in `semantics/` that says what the instruction means: `fadd_s` for `fadd.s`. */
export function functionName(mnemonic: string): string {
  const name = mnemonic.replaceAll(".", "_");
  return RESERVED_WORDS.has(name) ? `${name}_` : name;
}

const RESERVED_WORDS = new Set(["and", "or", "xor", "add", "sub", "mul", "div", "rem", "clz", "ctz", "min", "max"]);

/** Whether an instruction names its target relative to pc, so that it can be near. */
export function hasRelativeTarget(instruction: Instruction): boolean {
  return instruction.kind === "branch" || instruction.mnemonic === "jal";
}

/** Every operation number in use, plain instructions first, in table order. */
export const operations: readonly Operation[] = numberOperations();

function numberOperations(): Operation[] {
  const expansions = new Set(compressedTable.map((row) => row.expansion.split(" ")[0]!));
  const compressed = instructionTable.filter((row) => expansions.has(row.mnemonic));
  const near = instructionTable.filter(hasRelativeTarget);
  const plain = (instruction: Instruction) => ({
    suffix: "",
    instruction,
    isCompressed: false,
    isNear: false,
    isBackward: false,
  });
  const nearVariants = (instructions: readonly Instruction[], suffix: string, length: { isCompressed?: true }) => [
    ...instructions.map((i) => ({ ...plain(i), suffix: `${suffix}__NEAR`, isNear: true, ...length })),
    ...instructions.map((i) => ({ ...plain(i), suffix: `${suffix}__BACK`, isNear: true, isBackward: true, ...length })),
  ];
  const all = [
    ...instructionTable.map(plain),
    ...compressed.map((i) => ({ ...plain(i), suffix: "__C", isCompressed: true })),
    ...nearVariants(near, "", {}),
    ...nearVariants(
      near.filter((i) => expansions.has(i.mnemonic)),
      "__C",
      { isCompressed: true },
    ),
  ];
  return all.map(({ suffix, ...operation }, index) => ({
    ...operation,
    constant: operationName(operation.instruction.mnemonic) + suffix,
    number: SPECIAL_OPERATIONS.length + index,
  }));
}

/** Text of generated/operations.ts, which the host imports too. */
export function generateOperations(): string {
  const numbers = [
    ...SPECIAL_OPERATIONS.map((name, number) => `export const OP_${name}: u32 = ${number};`),
    ...operations.map((o) => {
      const comment = o.isCompressed || o.isNear ? "" : ` // ${o.instruction.bits}`;
      return `export const ${o.constant}: u32 = ${o.number};${comment}`;
    }),
  ];
  return `
${numbers.join("\n")}

/** The same instruction in two bytes; every instruction RVC expands to has one. */
${variantFunction(
  "compressedVariant",
  (o) => o.isCompressed && !o.isNear,
  (o) => !o.isCompressed && !o.isNear,
)}

/** The same instruction with its target on the same page; \`operation\` itself when it has no such variant. */
${variantFunction(
  "nearVariant",
  (o) => o.isNear && !o.isBackward,
  (o) => !o.isNear,
)}

/** The same instruction counting the turns of its loop; \`operation\` itself when it has no such variant. */
${variantFunction(
  "backwardVariant",
  (o) => o.isBackward,
  (o) => !o.isNear,
)}
`;
}

function variantFunction(
  name: string,
  isVariant: (o: Operation) => boolean,
  isBase: (o: Operation) => boolean,
): string {
  const cases = operations.filter(isVariant).map((variant) => {
    const base = operations.find(
      (o) =>
        isBase(o) &&
        o.instruction === variant.instruction &&
        (!variant.isNear || o.isCompressed === variant.isCompressed),
    )!;
    return `    case ${base.constant}:\n      return ${variant.constant};`;
  });
  return `export function ${name}(operation: u32): u32 {
  switch (operation) {
${cases.join("\n")}
    default:
      return operation;
  }
}`;
}
