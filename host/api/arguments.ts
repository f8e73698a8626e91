/** What a program without types can get wrong: found at once, and said by a VivariumError. */
import { VivariumError } from "../util/errors.js";

/** Every name of an option, so that one that is added cannot be forgotten. */
export type OptionNames<T> = { readonly [K in keyof Required<T>]: true };

/**
 * @param what is being asked for: `create`
 * @returns the options
 * @throws VivariumError `option/invalid` for what is no object, and for an option that there is not
 */
export function checkOptions<T extends object>(what: string, options: T, names: OptionNames<T>): T {
  checkObject(what, options);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || Object.hasOwn(names, name)) continue;
    const known = Object.keys(names).join(", ");
    throw new VivariumError("option/invalid", `${what}: there is no option ${name}; expected ${known}`, {
      option: name,
    });
  }
  return options;
}

/** @throws VivariumError `option/invalid` */
export function checkObject<T extends object>(what: string, options: T): T {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw badOption(what, options, "an object with options");
  }
  return options;
}

/** @throws VivariumError `option/invalid` */
export function checkText(option: string, value: string): string {
  if (typeof value !== "string") throw badOption(option, value, "a text");
  return value;
}

/** @throws VivariumError `option/invalid` */
export function checkList<T>(option: string, value: readonly T[]): readonly T[] {
  if (!Array.isArray(value)) throw badOption(option, value, "a list");
  return value;
}

/** A file by its name, or its content. @throws VivariumError `option/invalid` */
export function checkSource<T extends string | Uint8Array | undefined>(option: string, value: T): T {
  if (value === undefined || typeof value === "string" || value instanceof Uint8Array) return value;
  throw badOption(option, value, "a name or a Uint8Array");
}

export function badOption(option: string, value: unknown, accepted: string): VivariumError {
  return new VivariumError("option/invalid", `${option}: ${described(value)}; expected ${accepted}`, { option });
}

const DESCRIBED_LENGTH = 60;

function described(value: unknown): string {
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object";
  const text = String(value).slice(0, DESCRIBED_LENGTH);
  return typeof value === "string" ? JSON.stringify(text) : text;
}
