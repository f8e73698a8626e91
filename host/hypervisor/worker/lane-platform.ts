import type { Channel, WorkerPlatform } from "../../api/platform.js";
import type { WasmModule } from "../../core/wasm.js";
import type { Image, OpenImageOptions } from "../../images/image.js";
import type { HostServices } from "../../machine/host-services.js";

/** What the machines of a worker have in common, so that each takes up little. */
export class SharedParts {
  readonly #platform: WorkerPlatform;
  #core: Promise<WasmModule> | null = null;
  /** Images as long as some machine may be switched on with them. */
  readonly #images = new Map<string, WeakRef<Image>>();
  readonly #opening = new Map<string, Promise<Image>>();

  constructor(platform: WorkerPlatform) {
    this.#platform = platform;
  }

  loadCore(): Promise<WasmModule> {
    this.#core ??= this.#platform.loadCore();
    return this.#core;
  }

  async openImage(name: string, options: OpenImageOptions): Promise<Image> {
    const known = this.#images.get(name)?.deref();
    if (known !== undefined) return known;
    const opening = this.#opening.get(name) ?? this.#platform.openImage(name, options);
    this.#opening.set(name, opening);
    try {
      const image = await opening;
      this.#images.set(name, new WeakRef(image));
      return image;
    } finally {
      this.#opening.delete(name);
    }
  }
}

/** A worker as one of its machines sees it. */
export class LanePlatform implements WorkerPlatform {
  readonly channel: Channel;
  readonly #platform: WorkerPlatform;
  readonly #shared: SharedParts;

  constructor(platform: WorkerPlatform, shared: SharedParts, channel: Channel) {
    this.#platform = platform;
    this.#shared = shared;
    this.channel = channel;
  }

  hostServices(beforeGuest: () => Promise<void>): HostServices {
    return this.#platform.hostServices(beforeGuest);
  }

  loadCore(): Promise<WasmModule> {
    return this.#shared.loadCore();
  }

  openImage(name: string, options: OpenImageOptions): Promise<Image> {
    return this.#shared.openImage(name, options);
  }

  readFile(...given: Parameters<WorkerPlatform["readFile"]>): ReturnType<WorkerPlatform["readFile"]> {
    return this.#platform.readFile(...given);
  }

  openDrive(...given: Parameters<WorkerPlatform["openDrive"]>): ReturnType<WorkerPlatform["openDrive"]> {
    return this.#platform.openDrive(...given);
  }

  openBase(...given: Parameters<WorkerPlatform["openBase"]>): ReturnType<WorkerPlatform["openBase"]> {
    return this.#platform.openBase(...given);
  }

  openShare(...given: Parameters<WorkerPlatform["openShare"]>): ReturnType<WorkerPlatform["openShare"]> {
    return this.#platform.openShare(...given);
  }

  openSockets(path: string): ReturnType<WorkerPlatform["openSockets"]> {
    return this.#platform.openSockets(path);
  }

  openMachineFile(name: string): ReturnType<WorkerPlatform["openMachineFile"]> {
    return this.#platform.openMachineFile(name);
  }

  createMachineFile(name: string): ReturnType<WorkerPlatform["createMachineFile"]> {
    return this.#platform.createMachineFile(name);
  }
}
