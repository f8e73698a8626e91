import type { WorkerChannel } from "../../../api/platform.js";
import type { ImageView } from "../../../control/hypervisor/schemas.js";
import type { HypervisorPlatform, HypervisorStore } from "../../../hypervisor/platform.js";
import { DEBIAN_MINI } from "../../../images/image-names.js";
import { VivariumError } from "../../../util/errors.js";
import { BrowserPlatform, type BrowserSite, channelOf } from "../browser-platform.js";
import type { HostSetup } from "./browser-hosting-platform.js";

/** What a page with a hypervisor tells about itself. */
export interface HypervisorSite extends BrowserSite {
  /** Starts `hypervisor/host-worker.js` as a module worker, as `createWorker` does the worker of a single machine. */
  readonly createHostWorker: () => Worker;
}

/** What a page may have at least; browsers do not say how much more there is. */
const MEMORY_BYTE_LENGTH = 2 ** 31;

/** Where a hypervisor runs in a page. */
export class BrowserHypervisorPlatform extends BrowserPlatform implements HypervisorPlatform {
  readonly processorCount = navigator.hardwareConcurrency;
  readonly memoryByteLength = MEMORY_BYTE_LENGTH;
  readonly version = "browser";
  readonly #site: HypervisorSite;

  constructor(site: HypervisorSite) {
    super(site);
    this.#site = site;
  }

  startHost(): WorkerChannel {
    const { createHostWorker, core, images, base } = this.#site;
    const worker = createHostWorker();
    worker.postMessage({ core, images, base } satisfies HostSetup);
    return channelOf(worker, () => {});
  }

  nowMs(): number {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  /** SQLite is fetched only by a page that has a hypervisor. */
  async openStore(directory: string | null): Promise<HypervisorStore> {
    const { PageStore } = await import("./page-store.js");
    return PageStore.open(directory);
  }

  /** The site's default image; a page cannot list a directory of its server. */
  async images(): Promise<readonly ImageView[]> {
    return [{ name: DEBIAN_MINI, built: true, byteLength: 0 }];
  }

  async buildImage(name: string): Promise<void> {
    throw new VivariumError("image/unsupported", `${name}: a page cannot build images; its site has them`, { name });
  }
}
