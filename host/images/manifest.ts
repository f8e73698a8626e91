/**
 * The manifest of an image directory: `manifest.json`, next to the files it names.
 *
 *     {
 *       "format": "vivarium-image", "formatVersion": 1,
 *       "name": "debian-mini", "recipeVersion": 1, "architecture": "riscv64",
 *       "packages": [{ "name": "busybox-static", "version": "1:1.37.0-6", "sha256": "<64 hex digits>" }],
 *       "kernel": { "file": "kernel", "byteLength": 31165952, "sha256": "<64 hex digits>" },
 *       "initrd": { "file": "initrd", "byteLength": 15024640, "sha256": "<64 hex digits>" },
 *       "commandLine": "console=ttyS0 quiet",
 *       "execProtocol": 1
 *     }
 *
 * `"minimumMemoryMiB": 128` is what its guest cannot start with less than; it can be left out.
 *
 * An image with a disk of its own has `"disk": { "file": "disk-5f3a09c1.img", "byteLength": 4294967296 }`, too: a raw
 * disk, which is too long to have its checksum compared at every start. No other image's disk has its name.
 */

import { VivariumError } from "../util/errors.js";

export const MANIFEST_FILE = "manifest.json";
const FORMAT = "vivarium-image";
const FORMAT_VERSION = 1;

/** Longest command line that riscv64 Linux takes, in bytes: COMMAND_LINE_SIZE less its NUL. */
export const COMMAND_LINE_MAX_BYTES = 1023;
/** Longest manifest that is looked at: far more than any recipe writes. */
export const MANIFEST_MAX_BYTES = 1 << 20;
const MEMORY_MIB_MAX = 1 << 20;
const NAME_MAX_LENGTH = 64;
const PACKAGES_MAX_COUNT = 4096;
const VERSION_MAX_LENGTH = 256;

/** A file of the image: a plain name in the image's own directory. */
export interface ImageFile {
  readonly file: string;
  readonly byteLength: number;
  /** 64 lower-case hexadecimal digits. */
  readonly sha256: string;
}

/** A raw disk in the image's own directory. */
export interface ImageDisk {
  readonly file: string;
  readonly byteLength: number;
}

/** A distribution package that the image was made from. `sha256` is that of the package file. */
export interface ImagePackage {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
}

export interface ImageManifest {
  readonly name: string;
  /** Counts up whenever the recipe would make something else of the same packages. */
  readonly recipeVersion: number;
  readonly architecture: "riscv64";
  readonly packages: readonly ImagePackage[];
  readonly kernel: ImageFile;
  readonly initrd: ImageFile;
  readonly commandLine: string;
  /** The guest's first disk; absent of an image that is in its initial RAM disk alone. */
  readonly disk?: ImageDisk;
  /** What the guest cannot start with less than, in MiB; absent of one of which that is not known. */
  readonly minimumMemoryMiB?: number;
  /** Version of the exec protocol (`guest-agent/protocol.ts`) that the guest speaks; 0 when it cannot run commands. */
  readonly execProtocol: number;
}

/** The text of a manifest file, made to be read by people too. */
export function formatManifest(manifest: ImageManifest): string {
  return `${JSON.stringify({ format: FORMAT, formatVersion: FORMAT_VERSION, ...manifest }, null, 2)}\n`;
}

/**
 * Reads a manifest that anybody may have written.
 *
 * @param source what the messages call it: its path
 * @throws VivariumError "image/manifest" with the first field that is wrong
 */
export function parseManifest(text: string, source: string): ImageManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid(source, "", "expected JSON");
  }
  const fields = new Fields(source, "", value, [
    "format",
    "formatVersion",
    "name",
    "recipeVersion",
    "architecture",
    "packages",
    "kernel",
    "initrd",
    "commandLine",
    "execProtocol",
    "disk",
    "minimumMemoryMiB",
  ]);
  fields.literal("format", FORMAT);
  fields.literal("formatVersion", FORMAT_VERSION);
  return {
    name: fields.matching("name", NAME, NAME_EXPECTED),
    recipeVersion: fields.integer("recipeVersion", 1, Number.MAX_SAFE_INTEGER),
    architecture: fields.literal("architecture", "riscv64"),
    packages: fields.list("packages", PACKAGES_MAX_COUNT, ["name", "version", "sha256"]).map((item) => ({
      name: item.matching("name", NAME, NAME_EXPECTED),
      version: item.matching("version", VERSION, VERSION_EXPECTED),
      sha256: item.matching("sha256", SHA256, SHA256_EXPECTED),
    })),
    kernel: imageFile(fields, "kernel"),
    initrd: imageFile(fields, "initrd"),
    commandLine: fields.matching("commandLine", COMMAND_LINE, COMMAND_LINE_EXPECTED),
    execProtocol: fields.integer("execProtocol", 0, 0xffff),
    ...(fields.has("disk") ? { disk: imageDisk(fields) } : {}),
    ...(fields.has("minimumMemoryMiB")
      ? { minimumMemoryMiB: fields.integer("minimumMemoryMiB", 1, MEMORY_MIB_MAX) }
      : {}),
  };
}

function imageDisk(fields: Fields): ImageDisk {
  const disk = fields.object("disk", ["file", "byteLength"]);
  return {
    file: disk.matching("file", NAME, `${NAME_EXPECTED}: a file of the image's own directory`),
    byteLength: disk.integer("byteLength", 512, Number.MAX_SAFE_INTEGER),
  };
}

function imageFile(fields: Fields, name: string): ImageFile {
  const file = fields.object(name, ["file", "byteLength", "sha256"]);
  return {
    file: file.matching("file", NAME, `${NAME_EXPECTED}: a file of the image's own directory`),
    byteLength: file.integer("byteLength", 1, 0xffff_ffff),
    sha256: file.matching("sha256", SHA256, SHA256_EXPECTED),
  };
}

// Debian's package names fit the pattern of names, too; it admits no "/" and no "..", so a file stays in its directory.
const NAME = new RegExp(`^(?=.{1,${NAME_MAX_LENGTH}}$)[A-Za-z0-9][A-Za-z0-9+._-]*$`);
const NAME_EXPECTED = `1 to ${NAME_MAX_LENGTH} letters, digits, "+", ".", "_" or "-"`;
const VERSION = new RegExp(`^[A-Za-z0-9.+:~-]{1,${VERSION_MAX_LENGTH}}$`);
const VERSION_EXPECTED = "a Debian version number";
const SHA256 = /^[0-9a-f]{64}$/;
const SHA256_EXPECTED = "64 lower-case hexadecimal digits";
const COMMAND_LINE = new RegExp(`^[ -~]{0,${COMMAND_LINE_MAX_BYTES}}$`);
const COMMAND_LINE_EXPECTED = `at most ${COMMAND_LINE_MAX_BYTES} printable ASCII characters`;

/** The fields of one JSON object, each asked for by the type it must have. */
class Fields {
  readonly #source: string;
  readonly #path: string;
  readonly #values: Readonly<Record<string, unknown>>;

  /** @param path where the object stands in the manifest: "", or "kernel." with its dot */
  constructor(source: string, path: string, value: unknown, known: readonly string[]) {
    this.#source = source;
    this.#path = path;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw invalid(source, path.slice(0, -1), `expected an object, got ${describe(value)}`);
    }
    const unknown = Object.keys(value).find((key) => !known.includes(key));
    if (unknown !== undefined) {
      throw invalid(source, path + excerpt(unknown), `unknown field, known are ${known.join(", ")}`);
    }
    this.#values = value as Readonly<Record<string, unknown>>;
  }

  matching(name: string, pattern: RegExp, expected: string): string {
    const value = this.#get(name);
    if (typeof value === "string" && pattern.test(value)) return value;
    throw this.#unexpected(name, expected);
  }

  literal<T extends string | number>(name: string, expected: T): T {
    if (this.#get(name) === expected) return expected;
    throw this.#unexpected(name, JSON.stringify(expected));
  }

  integer(name: string, least: number, greatest: number): number {
    const value = this.#get(name);
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= greatest) return value;
    throw this.#unexpected(name, `an integer from ${least} to ${greatest}`);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#values, name);
  }

  object(name: string, known: readonly string[]): Fields {
    return new Fields(this.#source, `${this.#path}${name}.`, this.#get(name), known);
  }

  list(name: string, maxCount: number, known: readonly string[]): Fields[] {
    const value = this.#get(name);
    if (!Array.isArray(value) || value.length > maxCount) {
      throw this.#unexpected(name, `a list of at most ${maxCount} objects`);
    }
    return value.map((item, index) => new Fields(this.#source, `${this.#path}${name}[${index}].`, item, known));
  }

  #get(name: string): unknown {
    return this.#values[name];
  }

  #unexpected(name: string, expected: string): VivariumError {
    return invalid(this.#source, this.#path + name, `expected ${expected}, got ${describe(this.#get(name))}`);
  }
}

function invalid(source: string, field: string, problem: string): VivariumError {
  const where = field === "" ? source : `${source}: ${field}`;
  return new VivariumError("image/manifest", `${where}: ${problem}`, { source, field });
}

/** A value as it may stand in a one-line message, however long or strange it is. */
function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  return excerpt(JSON.stringify(value));
}

const EXCERPT_MAX_LENGTH = 60;

/** The beginning of `text` with everything but printable ASCII replaced. */
function excerpt(text: string): string {
  const clean = text.slice(0, EXCERPT_MAX_LENGTH).replace(/[^ -~]/g, "?");
  return text.length > EXCERPT_MAX_LENGTH ? `${clean}...` : clean;
}
