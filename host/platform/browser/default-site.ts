import type { HypervisorSite } from "./hypervisor/browser-hypervisor-platform.js";

/**
 * Where a page has what it needs if it does not say otherwise. A bundler puts the workers and the processor beside the
 * page, and images are in `images/` beside it, as `npm run web:build` writes them.
 */
export const defaultSite: HypervisorSite = {
  createWorker: () => new Worker(new URL("./machine-worker.js", import.meta.url), { type: "module" }),
  createHostWorker: () => new Worker(new URL("./hypervisor/host-worker.js", import.meta.url), { type: "module" }),
  // As seen from dist/host/platform/browser/.
  core: new URL("../../../../build/core.wasm", import.meta.url).href,
  get images() {
    return new URL("images/", location.href).href;
  },
  get base() {
    return location.href;
  },
};
