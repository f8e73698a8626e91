/** generated/decode.ts compiled by itself, so that tests can call what the processor calls. */
import { instantiate } from "@assemblyscript/loader";
import { compiledOnce } from "../compiled-once.js";

export interface CompiledDecoder {
  /** The decoded form (shared/decoded.ts), as a signed 64-bit integer. */
  decode(word: number): bigint;
  /** The 32-bit instruction a halfword stands for, as a signed integer; 0 for none. */
  expand(halfword: number): number;
}

const ENTRY = `export { decode, expand } from "../assembly/generated/decode";\n`;
const SOURCES = ["generated/decode.ts", "generated/operations.ts", "shared/decoded.ts"];
const OPTIONS = { runtime: "stub", noAssert: true, optimizeLevel: 3, shrinkLevel: 0 };
const PART = { name: "decoder", entry: ENTRY, sources: SOURCES, options: OPTIONS };

export async function loadDecoder(): Promise<CompiledDecoder> {
  const { exports } = await instantiate<Record<string, unknown>>(await compiledOnce(PART));
  return exports as unknown as CompiledDecoder;
}
