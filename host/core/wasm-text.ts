/**
 * WebAssembly in its text format, as far as the translator emits it: functions' bodies of MVP instructions, saturating
 * truncation and a few of SIMD. Core specification 2.0, "Binary Format" and "Text Format".
 */

/** What indices are called; without a name they stand as they are. */
export interface WasmNames {
  local?(index: number): string | undefined;
  function?(index: number): string | undefined;
}

/** One instruction, or the declaration of locals. */
export interface WasmLine {
  /** In the body, where the instruction begins. */
  readonly offset: number;
  /** Of structured instructions around it. */
  readonly depth: number;
  readonly text: string;
}

/** The parts of a module that the translator wrote. */
export interface RegionModule {
  /** Table slot of the first function that the module defines, and its index among all functions. */
  readonly firstSlot: number;
  readonly firstFunction: number;
  /** From the declaration of locals to the last `end`. */
  readonly bodies: readonly Uint8Array[];
}

/** Numeric instructions from opcode 0x45 to 0xc4 and memory instructions from 0x28 to 0x3e, in order. */
const NUMERIC = [
  ..."eqz eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u".split(" ").map((name) => `i32.${name}`),
  ..."eqz eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u".split(" ").map((name) => `i64.${name}`),
  ..."eq ne lt gt le ge".split(" ").map((name) => `f32.${name}`),
  ..."eq ne lt gt le ge".split(" ").map((name) => `f64.${name}`),
  ...["i32", "i64"].flatMap((type) =>
    "clz ctz popcnt add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr"
      .split(" ")
      .map((name) => `${type}.${name}`),
  ),
  ...["f32", "f64"].flatMap((type) =>
    "abs neg ceil floor trunc nearest sqrt add sub mul div min max copysign"
      .split(" ")
      .map((name) => `${type}.${name}`),
  ),
  ..."i32.wrap_i64 i32.trunc_f32_s i32.trunc_f32_u i32.trunc_f64_s i32.trunc_f64_u".split(" "),
  ..."i64.extend_i32_s i64.extend_i32_u i64.trunc_f32_s i64.trunc_f32_u i64.trunc_f64_s i64.trunc_f64_u".split(" "),
  ..."f32.convert_i32_s f32.convert_i32_u f32.convert_i64_s f32.convert_i64_u f32.demote_f64".split(" "),
  ..."f64.convert_i32_s f64.convert_i32_u f64.convert_i64_s f64.convert_i64_u f64.promote_f32".split(" "),
  ..."i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64".split(" "),
  ..."i32.extend8_s i32.extend16_s i64.extend8_s i64.extend16_s i64.extend32_s".split(" "),
] as const;
const FIRST_NUMERIC = 0x45;

const MEMORY = [
  ..."i32.load i64.load f32.load f64.load i32.load8_s i32.load8_u i32.load16_s i32.load16_u".split(" "),
  ..."i64.load8_s i64.load8_u i64.load16_s i64.load16_u i64.load32_s i64.load32_u".split(" "),
  ..."i32.store i64.store f32.store f64.store i32.store8 i32.store16 i64.store8 i64.store16 i64.store32".split(" "),
] as const;
const FIRST_MEMORY = 0x28;

const SATURATING = ["i32", "i64"].flatMap((type) =>
  "f32_s f32_u f64_s f64_u".split(" ").map((from) => `${type}.trunc_sat_${from}`),
);

/** By opcode behind the prefix: what is written, and bytes of immediates that are shown as numbers. */
const SIMD: Readonly<Record<number, readonly [name: string, immediates: number]>> = {
  19: ["f32x4.splat", 0],
  20: ["f64x2.splat", 0],
  31: ["f32x4.extract_lane", 1],
  33: ["f64x2.extract_lane", 1],
  261: ["f32x4.relaxed_madd", 0],
  263: ["f64x2.relaxed_madd", 0],
};

const VALUE_TYPES: Readonly<Record<number, string>> = {
  127: "i32",
  126: "i64",
  125: "f32",
  124: "f64",
  123: "v128",
};
const TYPE_EMPTY = 0x40;

const UNREACHABLE = 0x00;
const NOP = 0x01;
const BLOCK = 0x02;
const LOOP = 0x03;
const IF = 0x04;
const ELSE = 0x05;
const END = 0x0b;
const BR = 0x0c;
const BR_IF = 0x0d;
const BR_TABLE = 0x0e;
const RETURN = 0x0f;
const CALL = 0x10;
const CALL_INDIRECT = 0x11;
const DROP = 0x1a;
const SELECT = 0x1b;
const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const LOCAL_TEE = 0x22;
const I32_CONST = 0x41;
const I64_CONST = 0x42;
const F32_CONST = 0x43;
const F64_CONST = 0x44;
const PREFIX_SATURATING = 0xfc;
const PREFIX_SIMD = 0xfd;

const PLAIN: Readonly<Record<number, string>> = {
  [UNREACHABLE]: "unreachable",
  [NOP]: "nop",
  [RETURN]: "return",
  [DROP]: "drop",
  [SELECT]: "select",
};

/** Reads numbers as modules hold them. */
class Reader {
  readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length;
  }
  /** @throws RangeError at the end */
  byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new RangeError("wasm: the bytes end too soon");
    return value;
  }
  /** Unsigned LEB128. */
  unsigned(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }
  /** Signed LEB128. */
  signed(): bigint {
    let value = 0n;
    for (let shift = 0n; ; ) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte < 0x80) return BigInt.asIntN(Number(shift), value);
    }
  }
  take(byteLength: number): Uint8Array {
    const taken = this.bytes.subarray(this.at, this.at + byteLength);
    if (taken.length !== byteLength) throw new RangeError("wasm: the bytes end too soon");
    this.at += byteLength;
    return taken;
  }
  name(): string {
    return String.fromCharCode(...this.take(this.unsigned()));
  }
}

// ---- functions ----

/**
 * The lines of a function's body, one an instruction.
 *
 * @param body from the declaration of locals on
 * @throws RangeError when there is an instruction that the translator does not emit
 */
export function functionText(body: Uint8Array, names: WasmNames = {}): WasmLine[] {
  const reader = new Reader(body);
  const lines: WasmLine[] = [{ offset: 0, depth: 0, text: localsText(reader) }];
  /** Labels of the structured instructions around, outermost first; the function's own is the first. */
  const labels = ["$end"];
  let made = 0;
  while (labels.length > 0) {
    const offset = reader.at;
    const opcode = reader.byte();
    if (opcode === END || opcode === ELSE) {
      const label = opcode === END ? labels.pop()! : labels.at(-1)!;
      const depth = labels.length - (opcode === END ? 0 : 1);
      lines.push({ offset, depth, text: `${opcode === END ? "end" : "else"} ${label}` });
      continue;
    }
    const depth = labels.length;
    if (opcode === BLOCK || opcode === LOOP || opcode === IF) {
      const label = `$${opcode === LOOP ? "loop" : opcode === IF ? "if" : "block"}${made++}`;
      labels.push(label);
      const type = reader.byte();
      const result = type === TYPE_EMPTY ? "" : ` (result ${valueType(type)})`;
      lines.push({ offset, depth, text: `${label.replace(/[$\d]/g, "")} ${label}${result}` });
    } else lines.push({ offset, depth, text: instructionText(reader, opcode, labels, names) });
  }
  // The last `end` is the function's.
  return lines;
}

/** Lines with their depth as indentation. */
export function indented(lines: readonly WasmLine[]): string[] {
  return lines.map(({ depth, text }) => "  ".repeat(depth) + text);
}

function localsText(reader: Reader): string {
  const groups: string[] = [];
  for (let left = reader.unsigned(); left > 0; left--) {
    const count = reader.unsigned();
    groups.push(`${valueType(reader.byte())} * ${count}`);
  }
  return `;; locals ${groups.join(", ")}`;
}

function valueType(code: number): string {
  const name = VALUE_TYPES[code];
  if (name === undefined) throw new RangeError(`wasm: 0x${code.toString(16)} is no value type`);
  return name;
}

function instructionText(reader: Reader, opcode: number, labels: readonly string[], names: WasmNames): string {
  const plain = PLAIN[opcode] ?? NUMERIC[opcode - FIRST_NUMERIC];
  if (plain !== undefined) return plain;
  const memory = MEMORY[opcode - FIRST_MEMORY];
  if (memory !== undefined) return memoryText(reader, memory);
  const label = () => labels[labels.length - 1 - reader.unsigned()] ?? "?";
  switch (opcode) {
    case BR:
      return `br ${label()}`;
    case BR_IF:
      return `br_if ${label()}`;
    case BR_TABLE:
      return `br_table ${Array.from({ length: reader.unsigned() + 1 }, label).join(" ")}`;
    case CALL: {
      const index = reader.unsigned();
      return `call ${names.function?.(index) ?? index}`;
    }
    case CALL_INDIRECT: {
      const type = reader.unsigned();
      const table = reader.unsigned();
      return `call_indirect ${table} (type ${type})`;
    }
    case LOCAL_GET:
    case LOCAL_SET:
    case LOCAL_TEE: {
      const index = reader.unsigned();
      const name = opcode === LOCAL_GET ? "get" : opcode === LOCAL_SET ? "set" : "tee";
      return `local.${name} ${names.local?.(index) ?? index}`;
    }
    case I32_CONST:
      return `i32.const ${integerText(reader.signed())}`;
    case I64_CONST:
      return `i64.const ${integerText(reader.signed())}`;
    case F32_CONST:
    case F64_CONST:
      return floatText(reader, opcode === F32_CONST ? 4 : 8);
    case PREFIX_SATURATING:
      return known(SATURATING[reader.unsigned()], opcode);
    case PREFIX_SIMD: {
      const [name, immediates] = SIMD[reader.unsigned()] ?? [undefined, 0];
      return [known(name, opcode), ...reader.take(immediates)].join(" ");
    }
    default:
      return known(undefined, opcode);
  }
}

function known(name: string | undefined, opcode: number): string {
  if (name === undefined) throw new RangeError(`wasm: no text for opcode 0x${opcode.toString(16)}`);
  return name;
}

function memoryText(reader: Reader, name: string): string {
  const align = reader.unsigned();
  const offset = reader.unsigned();
  return `${name}${offset === 0 ? "" : ` offset=0x${offset.toString(16)}`} align=${2 ** align}`;
}

/** Small numbers as they are, others, which are mostly addresses and masks, in hexadecimal. */
function integerText(value: bigint): string {
  const magnitude = value < 0n ? -value : value;
  return magnitude < 4096n ? `${value}` : `${value < 0n ? "-" : ""}0x${magnitude.toString(16)}`;
}

function floatText(reader: Reader, byteLength: 4 | 8): string {
  const bytes = reader.take(byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, byteLength);
  const value = byteLength === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true);
  const text = Object.is(value, -0) ? "-0" : `${value}`.replace("Infinity", "inf").replace("NaN", "nan");
  return `f${byteLength * 8}.const ${text}`;
}

// ---- modules ----

const MAGIC_BYTE_LENGTH = 8;
const SECTION_IMPORT = 2;
const SECTION_ELEMENT = 9;
const SECTION_CODE = 10;
const IMPORT_FUNCTION = 0;
const IMPORT_TABLE = 1;
const IMPORT_MEMORY = 2;

/** Takes a module of the translator's apart. @throws RangeError when it is none */
export function readRegionModule(bytes: Uint8Array): RegionModule {
  const reader = new Reader(bytes);
  reader.take(MAGIC_BYTE_LENGTH);
  let [firstFunction, firstSlot] = [0, 0];
  let bodies: readonly Uint8Array[] = [];
  while (!reader.isAtEnd) {
    const section = reader.byte();
    const content = new Reader(reader.take(reader.unsigned()));
    if (section === SECTION_IMPORT) firstFunction = countFunctions(content);
    else if (section === SECTION_ELEMENT) firstSlot = readFirstSlot(content);
    else if (section === SECTION_CODE) bodies = readBodies(content);
  }
  return { firstSlot, firstFunction, bodies };
}

function countFunctions(reader: Reader): number {
  let functions = 0;
  for (let left = reader.unsigned(); left > 0; left--) {
    reader.name();
    reader.name();
    const kind = reader.byte();
    if (kind === IMPORT_FUNCTION) {
      reader.unsigned();
      functions++;
    } else {
      if (kind === IMPORT_TABLE) reader.byte();
      else if (kind !== IMPORT_MEMORY) throw new RangeError(`wasm: an import of kind ${kind}`);
      const hasMaximum = (reader.byte() & 1) !== 0;
      reader.unsigned();
      if (hasMaximum) reader.unsigned();
    }
  }
  return functions;
}

/** One segment for table 0: kind, then an i32.const as its offset. */
function readFirstSlot(reader: Reader): number {
  reader.unsigned();
  reader.unsigned();
  if (reader.byte() !== I32_CONST) throw new RangeError("wasm: an element segment without a constant offset");
  return Number(reader.signed());
}

function readBodies(reader: Reader): Uint8Array[] {
  return Array.from({ length: reader.unsigned() }, () => reader.take(reader.unsigned()));
}
