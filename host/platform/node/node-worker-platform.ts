import type { MessagePort } from "node:worker_threads";
import type { Channel, OpenDrive, OpenMachineFile, WorkerPlatform } from "../../api/platform.js";
import type { WasmModule } from "../../core/wasm.js";
import type { Image, OpenImageOptions } from "../../images/image.js";
import type { HostServices } from "../../machine/host-services.js";
import { loadCoreModule } from "./core-module.js";
import { FileBlockBackend } from "./file-block-backend.js";
import { NodeHostServices } from "./host-services.js";
import { openImage } from "./images/open-image.js";
import { readInputFile } from "./input-file.js";
import { createMachineFile, openMachineFile } from "./machine-file/open-machine-file.js";
import { packageVersion } from "./package-version.js";

/** Where a machine's worker runs in Node: files are paths. */
export class NodeWorkerPlatform implements WorkerPlatform {
  readonly channel: Channel;

  constructor(port: MessagePort) {
    this.channel = {
      post: (message, transfer = []) => port.postMessage(message, transfer),
      onMessage: (receive) => void port.on("message", receive),
    };
  }

  hostServices(beforeGuest: () => Promise<void>): HostServices {
    return new NodeHostServices(beforeGuest);
  }

  loadCore(): Promise<WasmModule> {
    return loadCoreModule();
  }

  openImage(name: string, options: OpenImageOptions): Promise<Image> {
    return openImage(name, options);
  }

  readFile(what: string, name: string): Promise<Uint8Array> {
    return readInputFile({ option: what, file: name, expected: `a ${what}` });
  }

  openDrive(drive: string, name: string, readOnly: boolean): Promise<OpenDrive> {
    return FileBlockBackend.open(drive, name, readOnly);
  }

  openMachineFile(name: string): Promise<OpenMachineFile> {
    return openMachineFile(name);
  }

  createMachineFile(name: string): Promise<OpenMachineFile> {
    return createMachineFile(name, `vivarium ${packageVersion()}`);
  }
}
