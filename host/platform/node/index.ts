/** What a machine embedded in a Node program takes from its platform. */
export { loadCoreModule } from "./core-module.js";
export { openDisk } from "./drives.js";
export { FileStore } from "./file-store.js";
export { NodeHostServices } from "./host-services.js";
export { openImage } from "./images/open-image.js";
