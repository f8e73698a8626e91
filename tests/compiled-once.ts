/** A part of the core compiled by itself, so that tests can call what the processor calls. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
/** As a program: its types declare globals that are not Node's. */
const ASC = join(ROOT, "node_modules/assemblyscript/bin/asc.js");

export interface Part {
  readonly name: string;
  /** Text of a module in build/, which exports what is wanted. */
  readonly entry: string;
  /** What it is made of, as paths in assembly/: when none of them has changed, it is not compiled anew. */
  readonly sources: readonly string[];
  /** asc's. */
  readonly options: object;
}

/** The module's bytes, from build/ if its sources are those it was last compiled from. */
export async function compiledOnce({ name, entry, sources, options }: Part): Promise<Uint8Array<ArrayBuffer>> {
  const build = join(ROOT, "build");
  const hash = createHash("sha256").update(entry).update(JSON.stringify(options));
  for (const source of sources) hash.update(source).update(readFileSync(join(ROOT, "assembly", source)));
  const stem = `${name}-test-${hash.digest("hex").slice(0, 16)}`;
  const outFile = join(build, `${stem}.wasm`);
  if (!existsSync(outFile)) {
    mkdirSync(build, { recursive: true });
    // Test files run in parallel processes: each compiles its own and moves it into place whole.
    const own = `${stem}-${process.pid}`;
    writeFileSync(join(build, `${own}.ts`), entry);
    // A configuration of its own, or asc would take that of the core, which imports its memory.
    writeFileSync(join(build, `${own}.json`), JSON.stringify({ options }));
    const files = ["--config", `build/${own}.json`, "--outFile", `build/${own}.wasm`];
    await promisify(execFile)(process.execPath, [ASC, `build/${own}.ts`, ...files], { cwd: ROOT });
    renameSync(join(build, `${own}.wasm`), outFile);
    for (const extension of ["ts", "json"]) rmSync(join(build, `${own}.${extension}`));
  }
  return readFileSync(outFile);
}
