/** What a machine embedded in a Node program takes from its platform. */
export { loadCoreModule } from "./core-module.js";
export { FileBlockBackend } from "./file-block-backend.js";
export { NodeHostServices } from "./host-services.js";
export { openImage } from "./images/open-image.js";
export {
  createMachineFile,
  inspectMachineFile,
  type OpenMachineFile,
  openMachineFile,
} from "./machine-file/open-machine-file.js";
