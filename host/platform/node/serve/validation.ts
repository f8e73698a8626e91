import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { VivariumError } from "../../../util/errors.js";

/** Where in a request a value stands, as Fastify calls it. */
export type RequestPart = "params" | "querystring" | "headers" | "body";

type Check = (value: unknown) => { readonly value: unknown } | { readonly error: VivariumError };

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params: Readonly<Record<string, unknown>>;
}

const VALUE_LENGTH_SHOWN = 60;

interface NumberSchema {
  readonly type?: string;
}

/**
 * Checks a part of a request. What stands in a URL is text, and is a number where the schema wants one; what stands in a
 * body has its type already.
 */
export function compileCheck(schema: TSchema, part: RequestPart): Check {
  const validator = Compile(schema);
  return (given) => {
    const value = part === "body" ? given : withNumbers(schema, given);
    if (validator.Check(value)) return { value };
    return { error: new VivariumError("request/invalid", describe(validator.Errors(value), value)) };
  };
}

function withNumbers(schema: TSchema, given: unknown): unknown {
  const { properties = {} } = schema as { readonly properties?: Readonly<Record<string, NumberSchema>> };
  const isNumber = (name: string) =>
    Object.hasOwn(properties, name) && /^(integer|number)$/.test(properties[name]!.type ?? "");
  const read = ([name, value]: [string, unknown]): [string, unknown] => {
    const isText = isNumber(name) && typeof value === "string" && /^-?\d{1,15}(\.\d{1,15})?$/.test(value);
    return [name, isText ? Number(value) : value];
  };
  return Object.fromEntries(Object.entries(given as Record<string, unknown>).map(read));
}

/** Checks what did not come by a route. @throws VivariumError `request/invalid` */
export function checked<T>(check: Check, value: unknown): T {
  const result = check(value);
  if ("error" in result) throw result.error;
  return result.value as T;
}

/** One line that names the field, what it is, and what would be accepted. */
function describe(errors: readonly SchemaError[], value: unknown): string {
  const unknown = errors.find(({ keyword }) => keyword === "additionalProperties");
  if (unknown !== undefined) {
    const [name] = unknown.params.additionalProperties as readonly string[];
    return `${fieldOf(`${unknown.instancePath}/${escaped(name ?? "")}`)}: there is no such field`;
  }
  const missing = errors.find(({ keyword }) => keyword === "required");
  if (missing !== undefined) {
    const [name] = missing.params.requiredProperties as readonly string[];
    return `${fieldOf(`${missing.instancePath}/${name}`)}: is missing`;
  }
  const first = errors[0];
  if (first === undefined) return "the request cannot be used";
  const alternatives = errors.filter(({ instancePath, keyword }) => {
    return instancePath === first.instancePath && keyword !== "anyOf";
  });
  const expected = [...new Set(alternatives.map(expectation))].join(" or ");
  return `${fieldOf(first.instancePath)}: ${shown(valueAt(value, first.instancePath))} ${expected}`;
}

function expectation({ keyword, message, params }: SchemaError): string {
  if (keyword === "enum") return `is not one of ${(params.allowedValues as readonly unknown[]).join(", ")}`;
  return message;
}

function fieldOf(instancePath: string): string {
  if (instancePath === "") return "the request";
  return instancePath
    .slice(1, 1 + 200)
    .split("/")
    .map(unescaped)
    .join(".");
}

function valueAt(value: unknown, instancePath: string): unknown {
  let at = value;
  for (const word of instancePath.split("/").slice(1).map(unescaped)) {
    at = typeof at === "object" && at !== null ? (at as Record<string, unknown>)[word] : undefined;
  }
  return at;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length <= VALUE_LENGTH_SHOWN ? text : `${text.slice(0, VALUE_LENGTH_SHOWN)}...`;
}

/** JSON Pointer, RFC 6901, section 3. */
function escaped(word: string): string {
  return word.replaceAll("~", "~0").replaceAll("/", "~1");
}

function unescaped(word: string): string {
  return word.replaceAll("~1", "/").replaceAll("~0", "~");
}
