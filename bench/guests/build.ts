import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { type CpioEntry, writeCpio } from "../../host/images/cpio.js";
import { cacheDirectory } from "../../host/platform/node/images/cache-directory.js";
import { runTool, ToolError } from "../../host/platform/node/images/tool.js";
import { VivariumError } from "../../host/util/errors.js";

const COMPILER = "riscv64-linux-gnu-gcc";
const FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-static"];
const INSTALL = "apt install gcc-riscv64-linux-gnu libc6-dev-riscv64-cross";

/** A program to be built: its sources, and what the compiler is told besides. */
export interface GuestSource {
  readonly name: string;
  readonly sources: readonly string[];
  /** Files that the sources include, and directories to look for them in. */
  readonly headers: readonly string[];
  readonly includes: readonly string[];
  readonly definitions: readonly string[];
}

/** The directory of init.sh and of the programs' sources. */
export const DIRECTORY = import.meta.dirname;

/** The sources of the program NAME.c in this directory. */
export function ownSource(name: string): GuestSource {
  return {
    name,
    sources: [join(DIRECTORY, `${name}.c`), join(DIRECTORY, "bench.c")],
    headers: [join(DIRECTORY, "bench.h")],
    includes: [],
    definitions: [],
  };
}

/** CoreMark from a checkout of the user's, with its own port to POSIX systems. */
export async function coremarkSource(checkout: string): Promise<GuestSource> {
  const files = await readdir(checkout).catch((): string[] => []);
  const sources = files.filter((file) => /^core_.*\.c$/.test(file)).map((file) => join(checkout, file));
  if (!files.includes("coremark.h") || !files.includes("posix") || sources.length === 0) {
    const message = `COREMARK_DIR: ${checkout} is no checkout of CoreMark: it has no coremark.h, core_*.c and posix`;
    throw new VivariumError("bench/coremark", message, { directory: checkout });
  }
  const port = join(checkout, "posix");
  return {
    name: "coremark",
    sources: [...sources, join(port, "core_portme.c")],
    headers: [join(checkout, "coremark.h"), join(port, "core_portme.h")],
    includes: [checkout, port],
    definitions: ["PERFORMANCE_RUN=1", 'FLAGS_STR="-O2"'],
  };
}

/**
 * An initial RAM disk with /bench/init and the programs, to be put behind another one: Linux unpacks one after the
 * other. Programs are compiled once and kept in the user's cache directory, by a hash of all that they are made of.
 *
 * @throws VivariumError `bench/compiler` when there is no compiler or it fails
 */
export async function buildGuests(programs: readonly GuestSource[]): Promise<Uint8Array> {
  const entries: CpioEntry[] = [];
  for (const program of programs) entries.push(executable(program.name, await buildProgram(program)));
  return withInit(entries);
}

/** The same with the script NAME.sh of this directory as its only program. */
export async function buildScript(name: string): Promise<Uint8Array> {
  return withInit([executable(name, await readFile(join(DIRECTORY, `${name}.sh`)))]);
}

async function withInit(programs: readonly CpioEntry[]): Promise<Uint8Array> {
  const init = executable("init", await readFile(join(DIRECTORY, "init.sh")));
  return writeCpio([{ kind: "directory", path: "bench", mode: 0o755 }, init, ...programs]);
}

function executable(name: string, content: Uint8Array): CpioEntry {
  return { kind: "file", path: `bench/${name}`, mode: 0o755, content };
}

async function buildProgram(program: GuestSource): Promise<Uint8Array> {
  const directory = join(cacheDirectory(process.env, homedir()), "bench");
  const file = join(directory, `${program.name}-${await digest(program)}`);
  const built = await readFile(file).catch(() => null);
  if (built !== null) return built;
  await mkdir(directory, { recursive: true });
  const work = await mkdtemp(join(directory, "build-"));
  try {
    const output = join(work, program.name);
    await compile([
      ...FLAGS,
      ...program.definitions.map((definition) => `-D${definition}`),
      ...program.includes.map((include) => `-I${include}`),
      ...["-o", output, ...program.sources, "-lm"],
    ]);
    await rename(output, file);
  } finally {
    await rm(work, { recursive: true });
  }
  return readFile(file);
}

/** 16 hexadecimal digits of a hash over compiler, flags and files. */
async function digest(program: GuestSource): Promise<string> {
  const hash = createHash("sha256").update(await compile(["--version"]));
  hash.update(JSON.stringify([FLAGS, program.definitions]));
  for (const file of [...program.sources, ...program.headers]) {
    hash.update(`\0${basename(file)}\0`).update(await readFile(file));
  }
  return hash.digest("hex").slice(0, 16);
}

async function compile(args: readonly string[]): Promise<Buffer> {
  try {
    return await runTool(COMPILER, args);
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    const help = error.isMissing ? `; on Debian, ${INSTALL}` : "";
    throw new VivariumError("bench/compiler", `${error.message}${help}`);
  }
}
