import { randomFillSync } from "node:crypto";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { OpenLink, Platform, WorkerChannel } from "../../api/platform.js";
import type { LinkRequest } from "../../control/network-options.js";
import type { WasmModule } from "../../core/wasm.js";
import { fileOf, WORKER } from "./bundled-program.js";
import { loadCoreModule, packageDirectory } from "./core-module.js";
import { openLink } from "./network/open-link.js";
import { NodeOutside } from "./network/outside.js";
import { SpareWorkers } from "./spare-workers.js";
import type { NodeWorkerData } from "./worker-data.js";

/** Where the public API runs in Node. */
export class NodePlatform implements Platform {
  #core: Promise<WasmModule> | null = null;
  readonly #workers = new SpareWorkers(
    () => startWorker({}),
    async () => {
      this.#core ??= loadCoreModule();
      return startWorker({ core: await this.#core });
    },
  );

  startWorker(): WorkerChannel {
    return channelOf(this.#workers.take());
  }

  readonly networkClock = new NodeOutside();

  openLink(request: LinkRequest, { mtu }: { readonly mtu: number }): Promise<OpenLink> {
    return openLink(request, mtu, this.networkClock);
  }

  schedule(callback: () => void, delayMs: number): () => void {
    // Longer than a timer goes is for ever.
    if (delayMs > TIMER_MS_MAX) return () => {};
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  }

  randomBytes(into: Uint8Array): void {
    randomFillSync(into);
  }
}

/** @param path of the program, within the package @param name for debuggers */
export function startWorkerProgram(path: string, name: string): WorkerChannel {
  return channelOf(new Worker(join(packageDirectory(), path), { name }));
}

function channelOf(worker: Worker): WorkerChannel {
  let isTerminated = false;
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    onMessage: (receive) => void worker.on("message", receive),
    onFailure: (callback) => {
      worker.once("error", callback);
      worker.once("exit", (code) => {
        if (!isTerminated) callback(new Error(`exit code ${code}`));
      });
    },
    terminate: () => {
      isTerminated = true;
      worker.removeAllListeners("message");
      void worker.terminate();
    },
  };
}

const TIMER_MS_MAX = 2 ** 31 - 1;

function startWorker(workerData: NodeWorkerData): Worker {
  return new Worker(fileOf(WORKER), { name: "vivarium", workerData });
}
