/** Executes single instructions and gives what they left: for tables of operands and results. */
import { assemble } from "../../../assembly/isa/assemble.js";
import { fNumber, xNumber } from "../../../assembly/isa/registers.js";
import { csrNumber } from "../../../assembly/isa/syntax.js";
import type { Core } from "../../../host/core/core.js";
import { MACHINE, MSTATUS_FS, makeCore, RAM } from "../fixture.js";

const MIN = 1n << 63n;

/** Names in tables: M is -1, X a pattern in which every nibble differs. */
const VALUES: ReadonlyMap<string, bigint> = new Map([
  ["M", 2n * MIN - 1n],
  ["MIN", MIN],
  ["MAX", MIN - 1n],
  ["MIN32", 0xffff_ffff_8000_0000n],
  ["MAX32", 0x7fff_ffffn],
  ["X", 0x0123_4567_89ab_cdefn],
]);

export interface Row {
  readonly name: string;
  readonly operands: string;
  readonly result: string;
  /** The operands, then the result. */
  readonly values: readonly bigint[];
}

/** The rows of a table: a name, then cases `operand operand = result` between bars; 64-bit patterns. */
export function rows(table: string): Row[] {
  return table
    .trim()
    .split("\n")
    .flatMap((line) => {
      const [name, cases] = line.trim().split(/\s+(.*)/) as [string, string];
      return cases.split("|").map((text) => {
        const [operands, result] = text.trim().split(/\s*=\s*/) as [string, string];
        return { name, operands, result, values: [...operands.split(/\s+/), result].map(value) };
      });
    });
}

/** A named value, a number, their complement with `~`, or either with `+`, `-`, `<<` or `>>` and a number. */
function value(text: string): bigint {
  const [, left, operator, right] = /^(\w+)(<<|>>|\+|-)(\d+)$/.exec(text) ?? [];
  if (text.startsWith("~")) return u64(~value(text.slice(1)));
  if (text.startsWith("-")) return u64(-value(text.slice(1)));
  if (left === undefined) return VALUES.get(text) ?? BigInt(text.replaceAll("_", ""));
  const by = BigInt(right!);
  switch (operator) {
    case "<<":
      return u64(value(left) << by);
    case ">>":
      return value(left) >> by;
    case "+":
      return u64(value(left) + by);
    default:
      return u64(value(left) - by);
  }
}

/** Two's complement of a number in 64 bits. */
export const u64 = (number: bigint) => BigInt.asUintN(64, number);
export const hex = (number: bigint) => `0x${number.toString(16)}`;

/** A hart that executes one instruction at a time, with whatever operands. */
export class Bench {
  readonly core: Core;

  private constructor(core: Core) {
    this.core = core;
  }

  static async create(): Promise<Bench> {
    return new Bench((await makeCore()).core);
  }

  /**
   * Executes one instruction at RAM's start in machine mode. Registers not given are 0.
   *
   * @throws Error when it traps
   */
  execute(text: string, registers: Readonly<Record<string, bigint>> = {}): void {
    const hart = this.core.harts[0]!;
    this.core.ram.write(Number(RAM), assemble(text, RAM).bytes);
    for (let r = 1; r < 32; r++) hart.setX(r, 0n);
    hart.start(RAM, MACHINE, 0n, 0n);
    hart.setCsr(csrNumber("mstatus")!, MSTATUS_FS);
    hart.setCsr(csrNumber("fcsr")!, 0n);
    for (const [name, value] of Object.entries(registers)) {
      const r = xNumber(name);
      if (r !== undefined) hart.setX(r, u64(value));
      else hart.setF(fNumber(name)!, u64(value));
    }
    const retired = hart.retired;
    this.core.run(1);
    if (hart.retired !== retired + 1n) throw new Error(`${text}: did not retire`);
  }

  /** The value `rd` has after an instruction whose operands are given by register name. */
  result(text: string, registers: Readonly<Record<string, bigint>>, rd = "a0"): bigint {
    this.execute(text, registers);
    return this.x(rd);
  }

  x(name: string): bigint {
    return this.core.harts[0]!.x(xNumber(name)!);
  }
  f(name: string): bigint {
    return this.core.harts[0]!.f(fNumber(name)!);
  }
  csr(name: string): bigint {
    return this.core.harts[0]!.csr(csrNumber(name)!);
  }
}
