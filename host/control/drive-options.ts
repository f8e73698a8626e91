/** What `--drive` is given: `FILE[,OPTION]...`. */
import { DISK_FORMATS } from "../storage/format.js";
import type { ThrottleLimits } from "../storage/throttle.js";
import { VivariumError } from "../util/errors.js";
import type { DriveRequest } from "./actions.js";
import { parseByteLength } from "./byte-length.js";
import type { Setting } from "./network-options.js";

/** Bytes in the serial number of a virtio disk. */
const SERIAL_MAX_LENGTH = 20;
const SERIAL = new RegExp(`^[ -~]{1,${SERIAL_MAX_LENGTH}}$`);

const FLAGS = ["readonly", "snapshot"] as const;
export const LIMIT_KEYS = ["iops", "iops-burst", "bps", "bps-burst"] as const;
const KEYS = ["format", "internal", "serial", "backing", ...LIMIT_KEYS] as const;
const KNOWN = [...FLAGS, ...KEYS.map((key) => `${key}=...`)].join(", ");

type Flag = (typeof FLAGS)[number];
type Key = (typeof KEYS)[number];

/**
 * Options are taken from the end on, so that a file's name may have commas.
 *
 * @throws VivariumError `option/invalid` naming the option, what it was given and what it accepts
 */
export function readDrive(text: string): DriveRequest {
  const parts = text.split(",");
  const flags = new Set<Flag>();
  const values = new Map<Key, string>();
  for (let last = parts.at(-1)!; parts.length > 1; last = parts.at(-1)!) {
    const flag = FLAGS.find((each) => each === last);
    const [name, value] = split(last);
    const key = KEYS.find((each) => each === name);
    if (flag !== undefined) flags.add(flag);
    else if (key !== undefined && value !== null) values.set(key, value);
    else if (value !== null) throw badDrive(text, `${JSON.stringify(name)} is no option; expected ${KNOWN}`);
    else break;
    parts.pop();
  }
  const file = parts.join(",");
  if (file === "") throw new VivariumError("option/invalid", "--drive: the file name is empty; expected a file");
  const serial = readSerial(text, values.get("serial"));
  const internalSnapshot = values.get("internal");
  return {
    file,
    format: readFormat(text, values.get("format")),
    // A snapshot within an image is what it was: it can be started from, not changed.
    readOnly: flags.has("readonly") || (internalSnapshot !== undefined && !flags.has("snapshot")),
    snapshot: flags.has("snapshot"),
    backing: readBacking(text, values.get("backing")),
    limits: readLimits(`--drive ${text}: `, values),
    ...(serial === undefined ? {} : { serial }),
    ...(internalSnapshot === undefined ? {} : { internalSnapshot }),
  };
}

function split(part: string): readonly [name: string, value: string | null] {
  const at = part.indexOf("=");
  return at === -1 ? [part, null] : [part.slice(0, at), part.slice(at + 1)];
}

function readFormat(text: string, value: string | undefined): DriveRequest["format"] {
  if (value === undefined) return null;
  const format = DISK_FORMATS.find((each) => each === value);
  if (format !== undefined) return format;
  throw badDrive(text, `${JSON.stringify(value)} is not a format; expected ${DISK_FORMATS.join(", ")}`);
}

function readBacking(text: string, value: string | undefined): DriveRequest["backing"] {
  if (value === undefined || value === "same-directory") return "same-directory";
  if (value === "any") return "any";
  throw badDrive(text, `backing=${value}; expected backing=same-directory or backing=any`);
}

function readSerial(text: string, value: string | undefined): string | undefined {
  if (value === undefined || SERIAL.test(value)) return value;
  throw badDrive(text, `serial=${value}; expected 1 to ${SERIAL_MAX_LENGTH} ASCII characters`);
}

/** A disk's limits, or null when there are none. @param option what messages begin with */
export function readDriveLimits(option: string, settings: readonly Setting[]): ThrottleLimits | null {
  return readLimits(option, new Map(settings.map(({ name, value }) => [name, value])));
}

function readLimits(option: string, values: ReadonlyMap<string, string>): ThrottleLimits | null {
  const count = (key: Key) => readAmount(option, key, values.get(key), "a number such as 500", () => null);
  const bytes = (key: Key) => readAmount(option, key, values.get(key), "an amount such as 10MiB", parseByteLength);
  const limits = {
    ...present("operationsPerSecond", count("iops")),
    ...present("burstOperations", count("iops-burst")),
    ...present("bytesPerSecond", bytes("bps")),
    ...present("burstBytes", bytes("bps-burst")),
  };
  return Object.keys(limits).length === 0 ? null : limits;
}

function present<K extends string>(name: K, value: number | null): { readonly [k in K]?: number } {
  return value === null ? {} : ({ [name]: value } as { readonly [k in K]: number });
}

function readAmount(
  option: string,
  key: Key,
  value: string | undefined,
  expected: string,
  parse: (value: string) => number | null,
): number | null {
  if (value === undefined) return null;
  const amount = /^\d{1,15}$/.test(value) ? Number(value) : parse(value);
  if (amount !== null && amount > 0) return amount;
  throw new VivariumError("option/invalid", `${option}${key}=${value}; expected ${expected}`);
}

function badDrive(text: string, problem: string): VivariumError {
  return new VivariumError("option/invalid", `--drive ${text}: ${problem}`);
}
