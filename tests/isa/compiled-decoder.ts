/** generated/decode.ts compiled by itself, so that tests can call what the processor calls. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { instantiate } from "@assemblyscript/loader";
import asc from "assemblyscript/asc";

export interface CompiledDecoder {
  /** The decoded form (shared/decoded.ts), as a signed 64-bit integer. */
  decode(word: number): bigint;
  /** The 32-bit instruction a halfword stands for, as a signed integer; 0 for none. */
  expand(halfword: number): number;
}

const ENTRY = `export { decode, expand } from "../assembly/generated/decode";\n`;
const SOURCES = ["generated/decode.ts", "generated/operations.ts", "shared/decoded.ts"];
const OPTIONS = { runtime: "stub", noAssert: true, optimizeLevel: 3, shrinkLevel: 0 };

export async function loadDecoder(): Promise<CompiledDecoder> {
  const { exports } = await instantiate<Record<string, unknown>>(await compiled());
  return exports as unknown as CompiledDecoder;
}

/** The compiled module, from build/ if its sources are those it was last compiled from. */
async function compiled(): Promise<Uint8Array<ArrayBuffer>> {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const hash = createHash("sha256").update(ENTRY).update(JSON.stringify(OPTIONS));
  for (const source of SOURCES) hash.update(readFileSync(join(root, "assembly", source)));
  const stem = `decoder-test-${hash.digest("hex").slice(0, 16)}`;
  const outFile = join(root, "build", `${stem}.wasm`);
  if (!existsSync(outFile)) {
    mkdirSync(join(root, "build"), { recursive: true });
    // Test files run in parallel processes: each compiles its own and moves it into place whole.
    const own = `${stem}-${process.pid}`;
    writeFileSync(join(root, "build", `${own}.ts`), ENTRY);
    // A configuration of its own, or asc would take that of the core, which imports its memory.
    writeFileSync(join(root, "build", `${own}.json`), JSON.stringify({ options: OPTIONS }));
    const files = ["--config", `build/${own}.json`, "--outFile", `build/${own}.wasm`];
    const { error, stderr } = await asc.main([`build/${own}.ts`, "--baseDir", root, ...files]);
    if (error) throw new Error(`asc: ${error.message}\n${stderr.toString()}`);
    renameSync(join(root, "build", `${own}.wasm`), outFile);
    for (const extension of ["ts", "json"]) rmSync(join(root, "build", `${own}.${extension}`));
  }
  return readFileSync(outFile);
}
