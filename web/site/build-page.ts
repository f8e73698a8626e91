import { rm } from "node:fs/promises";
import { join } from "node:path";
import { build } from "vite";

/**
 * Bundles a page, its workers and what they load.
 *
 * @param root where its index.html is
 * @param directory absolute; what is in it stays, but for `assets/`
 */
export async function buildPage(root: string, directory: string): Promise<void> {
  await rm(join(directory, "assets"), { recursive: true, force: true });
  await build({
    configFile: false,
    root,
    // Relative addresses, so that the folder can lie anywhere on a host.
    base: "./",
    logLevel: "warn",
    publicDir: false,
    build: {
      outDir: directory,
      emptyOutDir: false,
      target: "es2022",
      assetsInlineLimit: 0,
      // The source is open, and whoever debugs a page wants it.
      sourcemap: true,
      chunkSizeWarningLimit: 2048,
    },
    worker: { format: "es" },
  });
}
