import { NodeHypervisorPlatform } from "./hypervisor/node-hypervisor-platform.js";

/** What `vivarium` runs on in Node: `#platform` in package.json. */
export const defaultPlatform = new NodeHypervisorPlatform();
