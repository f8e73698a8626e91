import { availableParallelism, freemem, totalmem } from "node:os";
import { performance } from "node:perf_hooks";
import type { WorkerChannel } from "../../../api/platform.js";
import type { ImageView } from "../../../control/hypervisor/schemas.js";
import type { HypervisorPlatform, HypervisorStore } from "../../../hypervisor/platform.js";
import type { ImageProgress } from "../../../images/image.js";
import { imageStore } from "../images/open-image.js";
import { NodePlatform, startWorkerProgram } from "../node-platform.js";
import { packageVersion } from "../package-version.js";
import { DirectoryStore } from "./directory-store.js";

const WORKER_PATH = "dist/host/platform/node/hypervisor/host-worker.js";
/** What the host has for itself and for other programs. */
const MEMORY_PART = 0.75;

/** Where a hypervisor runs in Node: its directory is one of the file system. */
export class NodeHypervisorPlatform extends NodePlatform implements HypervisorPlatform {
  readonly processorCount = availableParallelism();
  readonly memoryByteLength = Math.floor(Math.max(freemem(), totalmem() * MEMORY_PART));
  readonly version = packageVersion();

  startHost(): WorkerChannel {
    return startWorkerProgram(WORKER_PATH, "vivarium host");
  }

  nowMs(): number {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  openStore(directory: string | null): Promise<HypervisorStore> {
    return DirectoryStore.open(directory);
  }

  async images(): Promise<readonly ImageView[]> {
    const listed = await imageStore().list();
    return listed.map(({ name, state, storedBytes }) => ({
      name,
      built: state !== "not built",
      byteLength: storedBytes,
    }));
  }

  async buildImage(name: string, onProgress: (progress: ImageProgress) => void): Promise<void> {
    await imageStore().build(name, { onProgress }, false);
  }
}
