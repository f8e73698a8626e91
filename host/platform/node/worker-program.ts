import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { packageDirectory } from "./core-module.js";

/** The built one, for sources cannot be run in a worker as they are. */
export const WORKER = "dist/host/platform/node/machine-worker.js";
/** The same in one file: `tools/bundle-worker.ts`. */
export const BUNDLED_WORKER = "dist/host/platform/node/bundled/machine-worker.js";

/** The program of a machine's worker: the bundled one, unless something was compiled after it was bundled. */
export function workerProgram(): string {
  const root = packageDirectory();
  const bundled = join(root, BUNDLED_WORKER);
  return isCurrent(bundled, join(root, "dist")) ? bundled : join(root, WORKER);
}

/** The compiler's notes beside its output are only where it was compiled, never in an installed package. */
function isCurrent(bundled: string, output: string): boolean {
  const made = statSync(bundled, { throwIfNoEntry: false });
  if (made === undefined) return false;
  const notes = readdirSync(output).filter((name) => name.endsWith(".tsbuildinfo"));
  return notes.every((name) => statSync(join(output, name)).mtimeMs <= made.mtimeMs);
}
