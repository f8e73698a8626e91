import { BrowserHypervisorPlatform } from "./hypervisor/browser-hypervisor-platform.js";

/**
 * What `vivarium` runs on in a page: `#platform` in package.json. A bundler puts the worker and the processor beside the
 * page, and images are in `images/` beside it, as `npm run web:build` writes them.
 */
export const defaultPlatform = new BrowserHypervisorPlatform({
  createWorker: () => new Worker(new URL("./machine-worker.js", import.meta.url), { type: "module" }),
  createHostWorker: () => new Worker(new URL("./hypervisor/host-worker.js", import.meta.url), { type: "module" }),
  // As seen from dist/host/platform/browser/.
  core: new URL("../../../../build/core.wasm", import.meta.url).href,
  images: new URL("images/", location.href).href,
  base: location.href,
});
