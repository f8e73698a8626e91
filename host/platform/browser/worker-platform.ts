import type { Channel, OpenMachineFile, OpenShare, OpenSockets, WorkerPlatform } from "../../api/platform.js";
import type { WasmModule } from "../../core/wasm.js";
import type { Image, OpenImageOptions } from "../../images/image.js";
import type { HostServices } from "../../machine/host-services.js";
import type { BlockBackend } from "../../storage/block-backend.js";
import type { BaseImage } from "../../storage/captured-disk.js";
import { MemoryBlockBackend } from "../../storage/memory.js";
import { VivariumError } from "../../util/errors.js";
import { fetchCoreModule } from "./core-module.js";
import { fetchFile, readBody } from "./fetch-file.js";
import type { FileStore } from "./file-store.js";
import { BrowserHostServices } from "./host-services.js";
import { downloadImage } from "./image-download.js";
import { HandleFolder } from "./share/handle-folder.js";
import type { WorkerSetup } from "./worker-setup.js";

/** A browser refuses larger buffers, and no machine's memory holds more. */
const FILE_BYTE_LENGTH_MAX = 2 ** 32 - 1;
const IMAGE_NAME = /^[a-z0-9][a-z0-9.-]*$/;

/** The worker's end of the public API. */
export class BrowserWorkerPlatform implements WorkerPlatform {
  readonly channel: Channel;
  readonly #setup: WorkerSetup;
  readonly #store: FileStore;

  constructor(channel: Channel, setup: WorkerSetup, store: FileStore) {
    this.channel = channel;
    this.#setup = setup;
    this.#store = store;
  }

  hostServices(beforeGuest: () => Promise<void>): HostServices {
    return new BrowserHostServices(beforeGuest);
  }

  loadCore(): Promise<WasmModule> {
    return fetchCoreModule(new URL(this.#setup.core));
  }

  /** An image of the site's, or one in the directory at a URL, which has a slash. */
  openImage(name: string, { onProgress = () => {} }: OpenImageOptions): Promise<Image> {
    return downloadImage(this.#imageDirectory(name), onProgress);
  }

  async readFile(what: string, name: string): Promise<Uint8Array> {
    const url = this.#addressOf(what, name);
    try {
      return await readBody(url, (await fetchFile(url)).body, FILE_BYTE_LENGTH_MAX);
    } catch (error) {
      if (!(error instanceof VivariumError)) throw error;
      throw new VivariumError("file/unusable", `${what}: ${error.message}`, { ...error.data, file: name });
    }
  }

  /** The file as it was when it was fetched; what the guest writes stays with the machine. */
  openDrive(drive: string, name: string, readOnly: boolean): Promise<BlockBackend> {
    return this.#fetchDisk(drive, name, readOnly);
  }

  openBase(drive: string, name: string): Promise<BaseImage> {
    return this.#fetchDisk(drive, name, true);
  }

  async openShare(directory: string | object, readOnly: boolean): Promise<OpenShare> {
    const folder = await HandleFolder.open(directory, readOnly);
    return { folder, close: () => {} };
  }

  async openSockets(): Promise<OpenSockets> {
    throw new VivariumError("vsock/socket", "sockets: a page has no paths; expected a socket without one");
  }

  openMachineFile(name: string): Promise<OpenMachineFile> {
    return this.#store.openExisting(name);
  }

  createMachineFile(name: string): Promise<OpenMachineFile> {
    return this.#store.create(name);
  }

  exit(): void {
    close();
  }

  async #fetchDisk(drive: string, name: string, readOnly: boolean): Promise<MemoryBlockBackend> {
    try {
      return new MemoryBlockBackend(await this.readFile(drive, name), { readOnly });
    } catch (error) {
      if (!(error instanceof VivariumError)) throw error;
      const message = error.code === "file/unusable" ? error.message : `${drive}: ${error.message}`;
      throw new VivariumError("drive/unusable", message, { ...error.data, drive, file: name });
    }
  }

  #imageDirectory(name: string): URL {
    if (IMAGE_NAME.test(name)) return new URL(`${name}/`, this.#setup.images);
    if (name.includes("/")) return this.#addressOf("image", name.endsWith("/") ? name : `${name}/`);
    const message = `no image can be called ${JSON.stringify(name)}; expected a name of the site's, or the URL of a directory`;
    throw new VivariumError("image/unknown", message, { name });
  }

  #addressOf(what: string, name: string): URL {
    try {
      return new URL(name, this.#setup.base);
    } catch {
      throw new VivariumError("file/unusable", `${what}: ${JSON.stringify(name)} is no URL`, { file: name });
    }
  }
}
