/**
 * Named, versioned, validated state: what a component saves, how it is written, read back and checked.
 *
 * A component declares its fields once; the type of its state follows, so it cannot save what it has not declared.
 * Saved data comes from files that strangers can send: `decode` takes nothing on trust.
 */
import { assert, VivariumError } from "./errors.js";

/** What a saved state is made of: JSON values and bytes. A `bigint` is saved as a hexadecimal string. */
export type SavedValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly SavedValue[]
  | { readonly [name: string]: SavedValue };

/** The saved fields of one component, by name. */
export type SavedFields = { readonly [name: string]: SavedValue };

/** One component's state as it goes to a file. */
export type SavedState = {
  readonly name: string;
  readonly version: number;
  readonly fields: SavedFields;
};

/** One saved value of type T. */
export interface Field<T> {
  readonly doc: string;
  /** What a value must be, with its article: `an unsigned 16-bit integer`. */
  readonly expects: string;
  encode(value: T): SavedValue;
  /**
   * @param path where the value stands, for the message: `ns16550a.divisor`
   * @throws VivariumError `bad-state` when `raw` is not a value this field can hold
   */
  decode(raw: unknown, path: string): T;
}

export type Fields = Readonly<Record<string, Field<unknown>>>;

/** The state that a set of fields describes. */
export type StateOf<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never;
};

/** A state while its component lives: the same fields, assignable. */
export type LiveStateOf<F extends Fields> = { -readonly [K in keyof F]: StateOf<F>[K] };

/** The fields one component saves. */
export interface Schema<F extends Fields = Fields> {
  readonly name: string;
  /** Counts from 1; grows with every change of the fields. */
  readonly version: number;
  readonly fields: F;
  readonly upgrade: Upgrades;
}

/** `upgrade[v]` turns the fields that version v saved into those of version v + 1. It may assume version v's fields. */
export type Upgrades = Readonly<Record<number, (old: SavedFields) => SavedFields>>;

/** Declares the state of the component `name`. Every version before the present one needs its upgrade. */
export function schema<const F extends Fields>(
  name: string,
  version: number,
  fields: F,
  upgrade: Upgrades = {},
): Schema<F> {
  assert(Number.isInteger(version) && version >= 1, `${name}: versions count from 1, got ${version}`);
  for (let old = 1; old < version; old++) {
    assert(upgrade[old] !== undefined, `${name}: no upgrade from version ${old}`);
  }
  return { name, version, fields, upgrade };
}

/** @param state shared with the result where it holds bytes */
export function encode<F extends Fields>(schema: Schema<F>, state: StateOf<F>): SavedState {
  return { name: schema.name, version: schema.version, fields: encodeFields(schema.fields, state) };
}

/**
 * Reads a saved state of this or an earlier version.
 *
 * @param saved anything at all; nothing of it is shared with the result
 * @throws VivariumError `bad-state`, naming component and field: of another component, too new, a field that is
 *   unknown, missing or out of range
 */
export function decode<F extends Fields>(schema: Schema<F>, saved: unknown): StateOf<F> {
  const { name, version } = schema;
  if (!isRecord(saved)) throw badState(name, `${name}: expected a saved state, got ${describe(saved)}`);
  if (saved.name !== name) {
    throw badState(name, `${name}: expected the state of ${name}, got that of ${describe(saved.name)}`);
  }
  const savedVersion = saved.version;
  if (!isUnsigned(savedVersion, version) || savedVersion === 0) {
    throw badState(name, `${name}: expected a state of version 1 to ${version}, got version ${describe(savedVersion)}`);
  }
  return decodeFields(schema.fields, upgraded(schema, savedVersion, saved.fields), name);
}

/** An unsigned integer of 8 bits. */
export const u8 = (doc: string): Field<number> => bits(doc, 8);
/** An unsigned integer of 16 bits. */
export const u16 = (doc: string): Field<number> => bits(doc, 16);
/** An unsigned integer of 32 bits. */
export const u32 = (doc: string): Field<number> => bits(doc, 32);

/** An unsigned integer from 0 to `max`, which is at most 2^53 - 1. */
export function uint(doc: string, max: number): Field<number> {
  return unsigned(doc, max, `an integer from 0 to ${max}`);
}

/** A number that is not negative, with its fraction. */
export function amount(doc: string): Field<number> {
  return field(
    doc,
    "a number from 0 up",
    (value) => value,
    (raw) => (typeof raw === "number" && Number.isFinite(raw) && raw >= 0 ? raw : undefined),
  );
}

/** An unsigned integer of 64 bits, as a bigint. */
export function u64(doc: string): Field<bigint> {
  return field(
    doc,
    "an unsigned 64-bit integer as a hexadecimal string",
    (value) => `0x${value.toString(16)}`,
    (raw) => (typeof raw === "string" && /^0x[0-9a-f]{1,16}$/.test(raw) ? BigInt(raw) : undefined),
  );
}

/** True or false. */
export function flag(doc: string): Field<boolean> {
  return field(
    doc,
    "true or false",
    (value) => value,
    (raw) => (typeof raw === "boolean" ? raw : undefined),
  );
}

/** One of the given words. */
export function choice<const T extends string>(doc: string, words: readonly T[]): Field<T> {
  return field(
    doc,
    `one of ${words.join(", ")}`,
    (value) => value,
    (raw) => words.find((word) => word === raw),
  );
}

/** @param maxLength in UTF-16 code units */
export function text(doc: string, maxLength: number): Field<string> {
  return field(
    doc,
    `a text of at most ${maxLength} characters`,
    (value) => value,
    (raw) => (typeof raw === "string" && raw.length <= maxLength ? raw : undefined),
  );
}

/** At most `maxLength` bytes. */
export function bytes(doc: string, maxLength: number): Field<Uint8Array> {
  return field(
    doc,
    `at most ${maxLength} bytes`,
    (value) => value,
    (raw) => (raw instanceof Uint8Array && raw.length <= maxLength ? Uint8Array.from(raw) : undefined),
  );
}

/** At most `maxLength` items. */
export function list<T>(doc: string, item: Field<T>, maxLength: number): Field<readonly T[]> {
  return listOf(doc, item, `a list of at most ${maxLength} items`, (length) => length <= maxLength);
}

/** Exactly `length` items, such as one for each hart. */
export function table<T>(doc: string, item: Field<T>, length: number): Field<readonly T[]> {
  return listOf(doc, item, `a list of ${length} items`, (found) => found === length);
}

/** Fields within a field. */
export function struct<const F extends Fields>(doc: string, fields: F): Field<StateOf<F>> {
  return {
    doc,
    expects: `an object with ${Object.keys(fields).join(", ")}`,
    encode: (state) => encodeFields(fields, state),
    decode: (raw, path) => decodeFields(fields, raw, path),
  };
}

/** The state of a component that is part of this one and counts its own versions. */
export function component<F extends Fields>(doc: string, part: Schema<F>): Field<StateOf<F>> {
  return {
    doc,
    expects: `the saved state of ${part.name}`,
    encode: (state) => encode(part, state),
    decode: (raw) => decode(part, raw),
  };
}

/** A value that may be absent, which is `null`. */
export function optional<T>(item: Field<T>): Field<T | null> {
  return {
    doc: item.doc,
    expects: `${item.expects}, or null`,
    encode: (value) => (value === null ? null : item.encode(value)),
    decode: (raw, path) => (raw === null ? null : item.decode(raw, path)),
  };
}

function bits(doc: string, bitCount: number): Field<number> {
  return unsigned(doc, 2 ** bitCount - 1, `an unsigned ${bitCount}-bit integer`);
}

function unsigned(doc: string, max: number, expects: string): Field<number> {
  return field(
    doc,
    expects,
    (value) => value,
    (raw) => (isUnsigned(raw, max) ? raw : undefined),
  );
}

function listOf<T>(
  doc: string,
  item: Field<T>,
  expects: string,
  fits: (length: number) => boolean,
): Field<readonly T[]> {
  return {
    doc,
    expects,
    encode: (items) => items.map((value) => item.encode(value)),
    decode(raw, path) {
      if (!Array.isArray(raw) || !fits(raw.length)) throw unexpected(path, expects, raw);
      // Array.from, unlike map, visits holes: they are missing items.
      return Array.from(raw, (value: unknown, index) => item.decode(value, `${path}[${index}]`));
    },
  };
}

/** A field whose values are parsed as a whole: `parse` answers undefined for what it does not accept. */
function field<T>(
  doc: string,
  expects: string,
  encodeValue: (value: T) => SavedValue,
  parse: (raw: unknown) => T | undefined,
): Field<T> {
  return {
    doc,
    expects,
    encode: encodeValue,
    decode(raw, path) {
      const value = parse(raw);
      if (value === undefined) throw unexpected(path, expects, raw);
      return value;
    },
  };
}

function upgraded(schema: Schema, savedVersion: number, fields: unknown): unknown {
  let current = fields;
  for (let version = savedVersion; version < schema.version; version++) {
    if (!isRecord(current)) throw unexpected(`${schema.name} version ${version}`, "an object", current);
    current = schema.upgrade[version]!(current as SavedFields);
  }
  return current;
}

function encodeFields<F extends Fields>(fields: F, state: StateOf<F>): SavedFields {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.encode(state[name])]));
}

function decodeFields<F extends Fields>(fields: F, raw: unknown, path: string): StateOf<F> {
  if (!isRecord(raw)) throw unexpected(path, "an object", raw);
  for (const name of Object.keys(raw)) {
    if (!Object.hasOwn(fields, name)) {
      throw badState(path, `${path}: unknown field ${describe(name)}; known are ${Object.keys(fields).join(", ")}`);
    }
  }
  const state = Object.entries(fields).map(([name, field]) => {
    if (!Object.hasOwn(raw, name))
      throw badState(path, `${path}.${name}: expected ${field.expects}, but it is missing`);
    return [name, field.decode(raw[name], `${path}.${name}`)];
  });
  // Each field's decode gave a value of its type: the record of them is the state.
  return Object.fromEntries(state) as StateOf<F>;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function isUnsigned(value: unknown, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max && !Object.is(value, -0);
}

function unexpected(path: string, expects: string, raw: unknown): VivariumError {
  return badState(path, `${path}: expected ${expects}, got ${describe(raw)}`);
}

function badState(path: string, message: string): VivariumError {
  return new VivariumError("bad-state", message, { path });
}

const DESCRIBED_TEXT_MAX = 40;

function describe(raw: unknown): string {
  if (raw instanceof Uint8Array) return `${raw.length} bytes`;
  if (Array.isArray(raw)) return `a list of ${raw.length} items`;
  if (typeof raw === "object" && raw !== null) return "an object";
  if (typeof raw !== "string") return String(raw);
  return JSON.stringify(raw.length > DESCRIBED_TEXT_MAX ? `${raw.slice(0, DESCRIBED_TEXT_MAX)}...` : raw);
}
