import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { packageDirectory } from "./core-module.js";

/** A program of ours that is there twice: loading some hundred modules takes longer than most of what is done then. */
export interface BundledProgram {
  /** The compiled one, below the package's directory. Sources cannot be run as they are. */
  readonly compiled: string;
  /** The same in one file, but for what is seldom needed: `tools/bundle-programs.ts`. */
  readonly bundled: string;
}

const COMPILED = "dist/host/platform/node";

/** What a machine's worker runs. */
export const WORKER = programOf("machine-worker.js");
/** What `viv` runs. */
export const MAIN = programOf("main.js");

function programOf(file: string): BundledProgram {
  return { compiled: `${COMPILED}/${file}`, bundled: `${COMPILED}/bundled/${basename(file, ".js")}/${file}` };
}

/** The file to run: the bundled one, unless something was compiled after it was bundled. */
export function fileOf({ compiled, bundled }: BundledProgram): string {
  const root = packageDirectory();
  return join(root, isCurrent(join(root, bundled), join(root, "dist")) ? bundled : compiled);
}

/** The compiler's notes beside its output are only where it was compiled, never in an installed package. */
function isCurrent(bundled: string, output: string): boolean {
  const made = statSync(bundled, { throwIfNoEntry: false });
  if (made === undefined) return false;
  const notes = readdirSync(output).filter((name) => name.endsWith(".tsbuildinfo"));
  return notes.every((name) => statSync(join(output, name)).mtimeMs <= made.mtimeMs);
}
