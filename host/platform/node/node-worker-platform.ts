import type { MessagePort } from "node:worker_threads";
import type { Channel, OpenMachineFile, OpenShare, OpenSockets, WorkerPlatform } from "../../api/platform.js";
import type { WasmModule } from "../../core/wasm.js";
import type { Image, OpenImageOptions } from "../../images/image.js";
import type { HostServices } from "../../machine/host-services.js";
import type { BlockBackend } from "../../storage/block-backend.js";
import type { BaseImage } from "../../storage/captured-disk.js";
import { VivariumError } from "../../util/errors.js";
import { loadCoreModule } from "./core-module.js";
import { NodeHostServices } from "./host-services.js";

/**
 * Where a machine's worker runs in Node: files are paths.
 *
 * What opens files, images and the like is loaded when it is first needed: a fork needs none of it, and is there sooner.
 */
export class NodeWorkerPlatform implements WorkerPlatform {
  readonly channel: Channel;
  readonly #core: WasmModule | undefined;

  /** @param core the processor, if it has been compiled already */
  constructor(port: MessagePort, core?: WasmModule) {
    this.#core = core;
    this.channel = {
      post: (message, transfer = []) => port.postMessage(message, transfer),
      onMessage: (receive) => void port.on("message", receive),
    };
  }

  hostServices(beforeGuest: () => Promise<void>): HostServices {
    return new NodeHostServices(beforeGuest);
  }

  async loadCore(): Promise<WasmModule> {
    return this.#core ?? loadCoreModule();
  }

  async openImage(name: string, options: OpenImageOptions): Promise<Image> {
    const { openImage } = await import("./images/open-image.js");
    return openImage(name, options);
  }

  async readFile(what: string, name: string): Promise<Uint8Array> {
    const { readInputFile } = await import("./input-file.js");
    return readInputFile({ option: what, file: name, expected: `a ${what}` });
  }

  async openDrive(drive: string, name: string, readOnly: boolean): Promise<BlockBackend> {
    const { openDisk } = await import("./drives.js");
    return openDisk(name, { readOnly }, drive);
  }

  async openBase(drive: string, name: string): Promise<BaseImage> {
    const { openBase } = await import("./base-image.js");
    return openBase(drive, { file: name });
  }

  async openShare(directory: string | object, readOnly: boolean): Promise<OpenShare> {
    if (typeof directory !== "string") {
      throw new VivariumError("share/unusable", "shares: this is no directory here; expected the path of one");
    }
    const { HostFolder } = await import("./share/host-folder.js");
    const folder = HostFolder.open(directory, readOnly);
    return { folder, close: () => folder.close() };
  }

  async openSockets(path: string): Promise<OpenSockets> {
    const { VsockSockets } = await import("./vsock-sockets.js");
    return VsockSockets.open(path);
  }

  async openMachineFile(name: string): Promise<OpenMachineFile> {
    const { openMachineFile } = await import("./machine-file/open-machine-file.js");
    return openMachineFile(name);
  }

  async createMachineFile(name: string): Promise<OpenMachineFile> {
    const { createMachineFile } = await import("./machine-file/open-machine-file.js");
    const { packageVersion } = await import("./package-version.js");
    return createMachineFile(name, `vivarium ${packageVersion()}`);
  }
}
