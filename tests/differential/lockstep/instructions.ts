import { encode, encodeCompressed } from "../../../assembly/isa/encode.js";
import type { CompressedInstruction, Instruction } from "../../../assembly/isa/instruction.js";
import { compressedTable, instructionTable } from "../../../assembly/isa/table.js";
import { anyRounding, anyValue, type OperandRange, operandRanges } from "../operands.js";
import type { Random } from "../random.js";
import { kindOf, wideRow } from "../rows.js";

/**
 * Registers with a meaning. x1 and x5 are links; x2, x8, x9 and x15 point into the data, which all offsets of loads and
 * stores stay in; x3 is the hart's number, x4 points to what its trap handlers save; x18 is the stack's; x29 to x31 count
 * loops, inner ones with higher numbers; x17 counts how deep a recursion goes on.
 */
export const RA = 1;
export const HART_NUMBER = 3;
export const SAVED_POINTER = 4;
export const LINK = 5;
export const STACK = 18;
export const RECURSION = 17;
export const COUNTERS: readonly number[] = [31, 30, 29];
/** Pointers to data, the first two to multiples of 8; the last two move. */
export const POINTERS: readonly number[] = [2, 8, 9, 15];
const ALIGNED = [2, 8];

const SPECIAL = new Set([0, RA, HART_NUMBER, SAVED_POINTER, LINK, STACK, RECURSION, ...COUNTERS, ...POINTERS]);
/** What instructions write. */
export const FREE: readonly number[] = Array.from({ length: 32 }, (_, n) => n).filter((n) => !SPECIAL.has(n));

export function free(random: Random): number {
  return random.pick(FREE);
}
export function freeRegisters(random: Random, count: number): number[] {
  const registers: number[] = [];
  while (registers.length < count) {
    const register = free(random);
    if (!registers.includes(register)) registers.push(register);
  }
  return registers;
}

type Row = Instruction | CompressedInstruction;

/** Left to items that know what they do. */
const EXCLUDED = new Set(["c.addi16sp", "fence.i", "cbo.zero"]);

const candidates: readonly { readonly row: Row; readonly ranges: readonly OperandRange[] }[] = [
  ...instructionTable,
  ...compressedTable,
]
  .filter((row) => !["branch", "jump", "system"].includes(kindOf(row)) && !EXCLUDED.has(row.mnemonic))
  .map((row) => ({ row, ranges: operandRanges(row.encoding) }));

const groups: ReadonlyMap<string, typeof candidates> = new Map(
  ["integer", "relative", "memory", "atomic", "float", "compressed"].map((group) => [
    group,
    candidates.filter(({ row }) => ("kind" in row ? row.kind : "compressed") === group),
  ]),
);

/** How often which kind of instruction is picked. */
export type Mix = readonly (readonly [weight: number, group: string])[];

export const MIXES: readonly Mix[] = [
  [
    [10, "integer"],
    [1, "relative"],
    [4, "memory"],
    [1, "atomic"],
    [2, "float"],
    [6, "compressed"],
  ],
  [
    [3, "integer"],
    [10, "memory"],
    [2, "atomic"],
    [1, "float"],
    [5, "compressed"],
  ],
  [
    [2, "integer"],
    [2, "memory"],
    [14, "float"],
    [2, "compressed"],
  ],
  [
    [4, "integer"],
    [16, "compressed"],
  ],
];

/** An instruction that computes, loads or stores, as its bits. */
export function anyInstruction(random: Random, mix: Mix): string {
  for (;;) {
    const { row, ranges } = random.pick(groups.get(random.weighted(mix))!);
    try {
      const operands = Object.fromEntries(ranges.map((range) => [range.name, operand(random, row, range)]));
      if ("kind" in row) return `.word ${encode(row.mnemonic, operands)}`;
      return `.half ${encodeCompressed(row.mnemonic, operands)}`;
    } catch (error) {
      // Some operands make a compressed instruction another one.
      if (!(error instanceof RangeError)) throw error;
    }
  }
}

function operand(random: Random, row: Row, range: OperandRange): number {
  const kind = kindOf(row);
  const within = (registers: readonly number[]) => registers.filter((r) => r >= range.low && r <= range.high);
  switch (range.name) {
    case "rd":
      return random.chance(3) && range.low === 0 ? 0 : random.pick(within(FREE));
    case "rs1": {
      if (kind !== "memory" && kind !== "atomic" && wideRow(row).file !== "cacheblock") return anySource(random, range);
      // A misaligned atomic traps.
      const pointers = kind === "atomic" && random.chance(90) ? ALIGNED : POINTERS;
      return random.pick(within(pointers).length > 0 ? within(pointers) : within(POINTERS));
    }
    case "rs2":
      return anySource(random, range);
    case "rm":
      return random.chance(90) ? random.pick([7, 7, 7, 0, 1, 2, 3, 4]) : anyRounding(random);
    case "imm":
      if (kind === "memory" && random.chance(60)) {
        return Math.min(Math.max(range.step * random.between(-16, 16), range.low), range.high);
      }
      return anyValue(random, range);
    default:
      return anyValue(random, range);
  }
}

function anySource(random: Random, range: OperandRange): number {
  return random.between(range.low, range.high);
}
