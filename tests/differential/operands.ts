import type { Encoding } from "../../assembly/isa/notation.js";
import { operandName } from "../../assembly/isa/notation.js";
import type { Random } from "./random.js";

/**
 * Registers that hold addresses of data while a program runs, so that loads and stores reach something. Compressed
 * loads and stores can name the last three and have the first implied.
 */
export const POINTERS: readonly number[] = [2, 8, 9, 15];
/** Of those, the ones whose addresses are multiples of 8. */
export const ALIGNED_POINTERS: readonly number[] = [2, 8];
/** Counts loops. */
export const COUNTER = 31;

/** An operand's range, as the fields that carry it allow. */
export interface OperandRange {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  readonly step: number;
}

/** The operands of a row. */
export function operandRanges(encoding: Encoding): OperandRange[] {
  const names = [...new Set(encoding.slices.map((slice) => operandName(slice.field)))];
  return names.map((name) => {
    const slices = encoding.slices.filter((slice) => operandName(slice.field) === name);
    const field = slices[0]!.field;
    const top = Math.max(...slices.map((slice) => slice.to + slice.width));
    const step = 2 ** Math.min(...slices.map((slice) => slice.to));
    if (field.endsWith("'")) return { name, low: 8, high: 15, step };
    if (field.endsWith("!0")) return { name, low: 1, high: 2 ** top - 1, step };
    if (name === "imm" && encoding.signedImmediate)
      return { name, low: -(2 ** (top - 1)), high: 2 ** (top - 1) - step, step };
    return { name, low: name === "imm" && encoding.nonzeroImmediate ? step : 0, high: 2 ** top - step, step };
  });
}

/** Any value of a range; its ends and what is near zero more often than the rest. */
export function anyValue(random: Random, { low, high, step }: OperandRange): number {
  const count = (high - low) / step + 1;
  if (count > 32 && random.chance(40)) {
    const edges = [low, low + step, -step, 0, step, high - step, high].filter((value) => value >= low && value <= high);
    return random.pick(edges);
  }
  return low + step * random.below(count);
}

/** A register of the range; a destination is no pointer unless `mayHitPointers`. */
export function anyRegister(
  random: Random,
  range: OperandRange,
  isDestination: boolean,
  mayHitPointers: boolean,
): number {
  for (;;) {
    const register = random.between(range.low, range.high);
    if (!isDestination) return register;
    if (register === COUNTER) continue;
    if (!POINTERS.includes(register) || (mayHitPointers && random.chance(10))) return register;
  }
}

/** Rounding modes: all five, dynamic, and at times the reserved ones. */
export function anyRounding(random: Random): number {
  return random.weighted([
    [10, 7],
    [4, 0],
    [3, 1],
    [3, 2],
    [3, 3],
    [3, 4],
    [1, 5],
    [1, 6],
  ]);
}

/** A register that idioms may use: not one of those with a meaning. */
export function scratch(random: Random, others: readonly number[] = []): number {
  for (;;) {
    const register = random.between(1, 30);
    if (!POINTERS.includes(register) && !others.includes(register)) return register;
  }
}

export function scratches(random: Random, count: number): number[] {
  const registers: number[] = [];
  while (registers.length < count) registers.push(scratch(random, registers));
  return registers;
}
