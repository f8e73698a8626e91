import { join } from "node:path";
import { STATUS_BAD_INPUT } from "../../host/control/guest-end.js";
import type { Image } from "../../host/images/image.js";
import { DEBIAN_MINI } from "../../host/images/image-names.js";
import { packageDirectory } from "../../host/platform/node/core-module.js";
import { openImage } from "../../host/platform/node/images/open-image.js";
import { Output } from "../../host/platform/node/output.js";
import { withProgress } from "../../host/platform/node/perform-image.js";
import { VivariumError } from "../../host/util/errors.js";

/** Where the site is built unless somebody wants it elsewhere. */
export const SITE_DIRECTORY = join(packageDirectory(), "build/web");

/** The image that the page starts; made first, with its progress on the terminal, when it is not in the cache. */
export function defaultImage(): Promise<Image> {
  return withProgress(DEBIAN_MINI, new Output(process.stderr), (options) => openImage(DEBIAN_MINI, options));
}

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
