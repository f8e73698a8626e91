/**
 * Makes one file each of the programs that are to be there at once: the command line, and a machine's worker, for a fork
 * is there as soon as its worker is. What is seldom needed stays in files of its own.
 */
import { basename, dirname, join } from "node:path";
import { build } from "vite";
import { MAIN, WORKER } from "../host/platform/node/bundled-program.js";
import { packageDirectory } from "../host/platform/node/core-module.js";

const root = packageDirectory();

for (const { compiled, bundled } of [MAIN, WORKER]) {
  await build({
    configFile: false,
    root,
    logLevel: "warn",
    publicDir: false,
    build: {
      ssr: join(root, compiled),
      outDir: join(root, dirname(bundled)),
      emptyOutDir: true,
      target: "node20",
      minify: false,
      rollupOptions: { output: { entryFileNames: basename(bundled), chunkFileNames: "[name].js" } },
    },
  });
}
