import { defaultSite } from "./default-site.js";
import { BrowserHypervisorPlatform } from "./hypervisor/browser-hypervisor-platform.js";

/** What `vivarium` runs on in a page: `#platform` in package.json. */
export const defaultPlatform = new BrowserHypervisorPlatform(defaultSite);
