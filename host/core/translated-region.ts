import { HART_FIELDS } from "../../assembly/generated/hart-fields.js";
import { disassemble } from "../../assembly/isa/disassemble.js";
import { fName, xName } from "../../assembly/isa/registers.js";
import { SOURCES_BASE } from "../../assembly/shared/jit-layout.js";
import { HARTS_BASE } from "../../assembly/shared/layout.js";
import { fieldNamed, type LinearMemory } from "./linear-memory.js";
import { functionText, indented, readRegionModule, type WasmLine } from "./wasm-text.js";

/** A guest instruction and where its translation begins. */
export interface RegionSource {
  readonly pc: bigint;
  readonly bits: number;
  /** In the body. */
  readonly offset: number;
}

/** What the translator made of a part of the guest's code. */
export interface TranslatedRegion {
  /** Its slot in the core's table of functions. */
  readonly slot: number;
  /** Of the function: from the declaration of locals to the last `end`. */
  readonly body: Uint8Array;
  /** In the order of their translations, the region's first instruction first. */
  readonly sources: readonly RegionSource[];
  /** What the module imports, by function index. */
  readonly imports: readonly string[];
}

/** Bytes that hold a body's length, and those of an entry of assembly/jit/sources.ts. */
const LENGTH_BYTE_LENGTH = 5;
const ENTRY_BYTE_LENGTH = 16;

/** The regions of the module that the core has just written, but for those without an instruction. */
export function readTranslation(
  memory: LinearMemory,
  module: Uint8Array,
  imports: readonly string[],
): TranslatedRegion[] {
  const { firstSlot, bodies } = readRegionModule(module);
  const sources = readSources(memory);
  const regions: TranslatedRegion[] = [];
  let start = 0;
  for (const [n, body] of bodies.entries()) {
    const from = start + LENGTH_BYTE_LENGTH;
    start = from + body.length;
    const own = sources.filter(({ offset }) => offset >= from && offset < start);
    if (own.length === 0) continue;
    const placed = own.map((source) => ({ ...source, offset: source.offset - from }));
    regions.push({ slot: firstSlot + n, body, sources: placed, imports });
  }
  return regions;
}

/** With offsets from the beginning of the first body's length. */
function readSources({ data }: LinearMemory): RegionSource[] {
  return Array.from({ length: data.getUint32(SOURCES_BASE, true) }, (_, n) => {
    const entry = SOURCES_BASE + (n + 1) * ENTRY_BYTE_LENGTH;
    return {
      offset: data.getUint32(entry, true),
      bits: data.getUint32(entry + 4, true),
      pc: data.getBigUint64(entry + 8, true),
    };
  });
}

/** Whether the region has the instruction at `pc`. */
export function regionHas({ sources }: TranslatedRegion, pc: bigint): boolean {
  return sources.some((source) => source.pc === pc);
}

/** The region's Wasm with each guest instruction above what was made of it. */
export function regionText({ body, sources, imports }: TranslatedRegion): string {
  const lines = functionText(body, { function: (index) => importName(imports, index), local: namesOfLocals(body) });
  const texts = indented(lines);
  const out: string[] = [];
  let next = 0;
  for (const [n, { offset }] of lines.entries()) {
    for (; next < sources.length && sources[next]!.offset <= offset; next++) out.push(sourceText(sources[next]!));
    out.push(`  ${texts[n]}`);
  }
  return out.join("\n");
}

function importName(imports: readonly string[], index: number): string {
  return `$${imports[index] ?? `region${index - imports.length}`}`;
}

function sourceText({ pc, bits }: RegionSource): string {
  const digits = (bits & 3) === 3 ? 8 : 4;
  return `${pc.toString(16).padStart(8, "0")}  ${bits.toString(16).padStart(digits, "0").padEnd(8)}  ${disassemble(bits, pc)}`;
}

// ---- names of locals ----

const place = (name: string) => fieldNamed(HART_FIELDS, name).offset;
const X = place("x");
const F = place("f");
const REGISTER_COUNT = 32;
const OTHERS: ReadonlyMap<number, string> = new Map([
  [place("countdown"), "count"],
  [place("pc"), "pc"],
]);
const OTHER_NAMES: ReadonlySet<string> = new Set(OTHERS.values());
const PARAMETERS = ["hart", "depth"] as const;

/**
 * Locals are called what they hold of the hart, which the instructions that load and store them tell; those with the low
 * half of a register, like the register and ".w".
 */
function namesOfLocals(body: Uint8Array): (index: number) => string | undefined {
  const names = new Map<number, string>(PARAMETERS.map((name, index) => [index, name]));
  const taken = new Set<string>(PARAMETERS);
  const lines = functionText(body);
  for (const [n, line] of lines.entries()) {
    const field = fieldOf(line);
    if (field === undefined) continue;
    const isLoad = line.text.includes(".load");
    const before = lines[n - 1]?.text ?? "";
    const isExtended = !isLoad && before === "i64.extend_i32_s";
    const other = isLoad ? lines[n + 1]?.text : isExtended ? lines[n - 2]?.text : before;
    const local = (isLoad ? /^local\.(?:set|tee) (\d+)$/ : /^local\.get (\d+)$/).exec(other ?? "");
    const isHalf = isExtended || (line.text.startsWith("i32.store") && !OTHER_NAMES.has(field));
    // What is loaded first from ra is where the function will return to.
    const name = field === "ra" && isLoad && !taken.has("return") ? "return" : isHalf ? `${field}.w` : field;
    if (!local || names.has(Number(local[1])) || taken.has(name)) continue;
    names.set(Number(local[1]), name);
    taken.add(name);
  }
  return (index) => {
    const name = names.get(index);
    return name === undefined ? undefined : `$${name}`;
  };
}

/** The hart's field that an instruction loads or stores: by offset, or by address where there is only one hart. */
function fieldOf({ text }: WasmLine): string | undefined {
  const access = /^(?:i32|i64|f32|f64)\.(?:load|store) offset=0x([0-9a-f]+)/.exec(text);
  if (!access) return undefined;
  const at = Number.parseInt(access[1]!, 16);
  const offset = at >= HARTS_BASE ? at - HARTS_BASE : at;
  if (offset >= X && offset < X + 8 * REGISTER_COUNT) return xName((offset - X) / 8);
  if (offset >= F && offset < F + 8 * REGISTER_COUNT) return fName((offset - F) / 8);
  return OTHERS.get(offset);
}
