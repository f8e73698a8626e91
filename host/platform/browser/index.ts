/** What a page takes from its platform, besides the public API. */
export { downloadBooted } from "./booted-download.js";
export { BrowserPlatform, type BrowserSite } from "./browser-platform.js";
export { defaultSite } from "./default-site.js";
export { BrowserHypervisorPlatform, type HypervisorSite } from "./hypervisor/browser-hypervisor-platform.js";
export { deleteKeptFile, keptFiles } from "./kept-file.js";
export { type FilePlace, KeptMachine, type KeptMachineOptions, type SavedSnapshot } from "./kept-machine.js";
export { FetchOutside } from "./network/fetch-outside.js";
export { RelayLink } from "./network/relay-link.js";
