import { NodePlatform } from "./node-platform.js";

/** What `vivarium` runs on in Node: `#platform` in package.json. */
export const defaultPlatform = new NodePlatform();
