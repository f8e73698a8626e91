import type { MessagePort } from "node:worker_threads";
import type { Channel, OpenMachineFile, OpenShare, OpenSockets, WorkerPlatform } from "../../api/platform.js";
import type { WasmModule } from "../../core/wasm.js";
import type { Image, OpenImageOptions } from "../../images/image.js";
import type { HostServices } from "../../machine/host-services.js";
import type { BlockBackend } from "../../storage/block-backend.js";
import type { BaseImage } from "../../storage/captured-disk.js";
import { VivariumError } from "../../util/errors.js";
import { openBase } from "./base-image.js";
import { loadCoreModule } from "./core-module.js";
import { openDisk } from "./drives.js";
import { NodeHostServices } from "./host-services.js";
import { openImage } from "./images/open-image.js";
import { readInputFile } from "./input-file.js";
import { createMachineFile, openMachineFile } from "./machine-file/open-machine-file.js";
import { packageVersion } from "./package-version.js";
import { HostFolder } from "./share/host-folder.js";
import { VsockSockets } from "./vsock-sockets.js";

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

  openDrive(drive: string, name: string, readOnly: boolean): Promise<BlockBackend> {
    return openDisk(name, { readOnly }, drive);
  }

  openBase(drive: string, name: string): Promise<BaseImage> {
    return openBase(drive, { file: name });
  }

  async openShare(directory: string | object, readOnly: boolean): Promise<OpenShare> {
    if (typeof directory !== "string") {
      throw new VivariumError("share/unusable", "shares: this is no directory here; expected the path of one");
    }
    const folder = HostFolder.open(directory, readOnly);
    return { folder, close: () => folder.close() };
  }

  openSockets(path: string): Promise<OpenSockets> {
    return VsockSockets.open(path);
  }

  openMachineFile(name: string): Promise<OpenMachineFile> {
    return openMachineFile(name);
  }

  createMachineFile(name: string): Promise<OpenMachineFile> {
    return createMachineFile(name, `vivarium ${packageVersion()}`);
  }
}
