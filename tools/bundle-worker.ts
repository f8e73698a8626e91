/**
 * Makes one file of the program of a machine's worker in Node: a fork is there as soon as its worker is, and loading a
 * hundred and fifty modules takes most of that time. What few machines need stays in files of its own.
 */
import { join } from "node:path";
import { build } from "vite";
import { packageDirectory } from "../host/platform/node/core-module.js";
import { BUNDLED_WORKER, WORKER } from "../host/platform/node/worker-program.js";

const root = packageDirectory();

await build({
  configFile: false,
  root,
  logLevel: "warn",
  publicDir: false,
  build: {
    ssr: join(root, WORKER),
    outDir: join(root, BUNDLED_WORKER, ".."),
    emptyOutDir: true,
    target: "node20",
    minify: false,
    rollupOptions: { output: { entryFileNames: "machine-worker.js", chunkFileNames: "[name].js" } },
  },
});
