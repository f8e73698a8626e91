/** The float library compiled for the host: its exports called with operands and results as bit patterns. */
import { readdirSync } from "node:fs";
import { instantiate } from "@assemblyscript/loader";
import { compiledOnce } from "../compiled-once.js";

export const RNE = 0;
export const RTZ = 1;
export const RDN = 2;
export const RUP = 3;
export const RMM = 4;
export const ROUNDING_MODES = [RNE, RTZ, RDN, RUP, RMM] as const;

export const NX = 1;
export const UF = 2;
export const OF = 4;
export const DZ = 8;
export const NV = 16;

export type Format = "f32" | "f64";
export const FORMATS = ["f32", "f64"] as const;

/** What an operation leaves: the bits of its result and the accrued flags. */
export interface Outcome {
  readonly bits: bigint;
  readonly flags: number;
}

/** The integer code behind the fast paths, under names of its own so that the two can be compared. */
const SOFT_EXPORTS = `
import { addSoft, divSoft, mulSoft, sqrtSoft, subSoft } from "../assembly/float/soft-arithmetic";
import { f64ToF32Soft as narrow, fromIntegerSoft } from "../assembly/float/soft-convert";
import { mulAddSoft } from "../assembly/float/soft-fma";
export function f64ToF32Soft(flags: usize, a: u64, rm: u32): u32 { return narrow(flags, a, rm); }
${[
  ["f32", "F32", "u32"],
  ["f64", "F64", "u64"],
]
  .map(
    ([f, F, T]) => `
export function ${f}AddSoft(flags: usize, a: ${T}, b: ${T}, rm: u32): ${T} { return addSoft<${T}>(flags, a, b, rm); }
export function ${f}SubSoft(flags: usize, a: ${T}, b: ${T}, rm: u32): ${T} { return subSoft<${T}>(flags, a, b, rm); }
export function ${f}MulSoft(flags: usize, a: ${T}, b: ${T}, rm: u32): ${T} { return mulSoft<${T}>(flags, a, b, rm); }
export function ${f}DivSoft(flags: usize, a: ${T}, b: ${T}, rm: u32): ${T} { return divSoft<${T}>(flags, a, b, rm); }
export function ${f}SqrtSoft(flags: usize, a: ${T}, rm: u32): ${T} { return sqrtSoft<${T}>(flags, a, rm); }
export function ${f}MulAddSoft(flags: usize, a: ${T}, b: ${T}, c: ${T}, rm: u32): ${T} {
  return mulAddSoft<${T}>(flags, a, b, c, rm);
}
export function i64To${F}Soft(flags: usize, v: u64, rm: u32): ${T} {
  return fromIntegerSoft<${T}>(flags, <i64>v < 0, <i64>v < 0 ? -v : v, rm);
}
export function u64To${F}Soft(flags: usize, v: u64, rm: u32): ${T} { return fromIntegerSoft<${T}>(flags, false, v, rm); }
`,
  )
  .join("")}`;
const ENTRY = `export * from "../assembly/float/index";${SOFT_EXPORTS}`;

/** Address of the flags word; the module's own data, if any, starts above it. */
const FLAGS = 64;
const OPTIONS = { runtime: "stub", noAssert: true, optimizeLevel: 3, shrinkLevel: 0, memoryBase: 1024 };
const SOURCES = readdirSync(new URL("../../assembly/float/", import.meta.url)).map((name) => `float/${name}`);
const PART = { name: "float", entry: ENTRY, sources: SOURCES.sort(), options: OPTIONS };

type Exported = (...operands: readonly (number | bigint)[]) => number | bigint;

export class FloatCore {
  readonly #exports: Readonly<Record<string, unknown>>;
  readonly #flags: Uint32Array;

  private constructor(exports: Readonly<Record<string, unknown>>) {
    this.#exports = exports;
    this.#flags = new Uint32Array((exports as { memory: { buffer: ArrayBuffer } }).memory.buffer, FLAGS, 1);
  }

  static async create(): Promise<FloatCore> {
    const { exports } = await instantiate<Record<string, unknown>>(await compiledOnce(PART));
    return new FloatCore(exports);
  }

  /**
   * Calls an export whose first parameter is the flags' address.
   *
   * @param name     such as "f64Add"
   * @param operands bit patterns, of the format or integer type that the name says
   * @param accrued  flags set before the call
   */
  call(name: string, operands: readonly bigint[], rm: number = RNE, accrued = 0): Outcome {
    this.#flags[0] = accrued;
    const values = name.startsWith("f32") ? operands.map(Number) : operands;
    const bits = toBits(this.#exported(name)(FLAGS, ...values, rm));
    return { bits, flags: this.#flags[0] };
  }

  /** Calls an export that can raise no flags and has no such parameter. */
  callPlain(name: string, operand: number | bigint): bigint {
    return toBits(this.#exported(name)(operand));
  }

  #exported(name: string): Exported {
    const found = this.#exports[name];
    if (typeof found !== "function") throw new Error(`the float library has no ${name}`);
    return found as Exported;
  }
}

function toBits(result: number | bigint): bigint {
  return typeof result === "number" ? BigInt(result >>> 0) : BigInt.asUintN(64, result);
}
