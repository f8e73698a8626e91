import { join } from "node:path";
import { STATUS_BAD_INPUT } from "../../host/control/guest-end.js";
import { packageDirectory } from "../../host/platform/node/core-module.js";
import { VivariumError } from "../../host/util/errors.js";

/** Where the site is built unless somebody wants it elsewhere. */
export const SITE_DIRECTORY = join(packageDirectory(), "build/web");

/** Runs a script's body; what the operator can do something about is one line, not a stack trace. */
export async function runTool(body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    if (!(error instanceof VivariumError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = STATUS_BAD_INPUT;
  }
}

/** What the command line of a script is, when it is wrong. */
export function usageError(error: unknown, usage: string): VivariumError {
  const problem = error instanceof Error ? error.message.split("\n")[0] : String(error);
  return new VivariumError("usage", `${problem}\nusage: ${usage}`);
}
