import type { OpenLink, Platform, WorkerChannel } from "../../api/platform.js";
import type { LinkRequest } from "../../control/network-options.js";
import { VivariumError } from "../../util/errors.js";
import { FileClient } from "./file-client.js";
import { FetchOutside } from "./network/fetch-outside.js";
import { openLink } from "./network/open-link.js";
import { fillRandom } from "./random.js";
import { SpareWorkers } from "./spare-workers.js";
import type { WorkerSetup } from "./worker-setup.js";

/** What a page tells about itself. */
export interface BrowserSite extends Omit<WorkerSetup, "file"> {
  /**
   * Starts `machine-worker.js` as a module worker. A bundler wants to see this written out, with the worker's address:
   * `() => new Worker(new URL("...", import.meta.url), { type: "module" })`
   */
  readonly createWorker: () => Worker;
}

/** Where the public API runs in a page. */
export class BrowserPlatform implements Platform {
  readonly #site: BrowserSite;
  readonly #onFile: (file: FileClient) => void;
  readonly #workers: SpareWorkers;

  /** @param onFile is given the file calls of each worker that is started */
  constructor(site: BrowserSite, onFile: (file: FileClient) => void = () => {}) {
    this.#site = site;
    this.#onFile = onFile;
    this.#workers = new SpareWorkers(site.createWorker);
  }

  startWorker(): WorkerChannel {
    const { core, images, base } = this.#site;
    const worker = this.#workers.take();
    const { port1, port2 } = new MessageChannel();
    const file = new FileClient(port1);
    worker.postMessage({ core, images, base, file: port2 } satisfies WorkerSetup, [port2]);
    this.#onFile(file);
    let hasEnded = false;
    return channelOf(worker, (error) => {
      file.end(error);
      if (!hasEnded) this.#workers.ended();
      hasEnded = true;
    });
  }

  /** Of its time only. */
  readonly networkClock = new FetchOutside();

  openLink(request: LinkRequest, { mtu }: { readonly mtu: number }): Promise<OpenLink> {
    return openLink(request, mtu);
  }

  schedule(callback: () => void, delayMs: number): () => void {
    // Longer than a timer goes is for ever.
    if (delayMs > TIMER_MS_MAX) return () => {};
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  }

  randomBytes(into: Uint8Array): void {
    fillRandom(into);
  }
}

/** @param onEnd told when the worker ends, by itself or because it was ended */
export function channelOf(worker: Worker, onEnd: (error: Error) => void): WorkerChannel {
  let onFailure: (error: Error) => void = () => {};
  worker.onerror = (event) => {
    event.preventDefault();
    const error = failureOf(event);
    onEnd(error);
    onFailure(error);
  };
  return {
    post: (message, transfer = []) => worker.postMessage(message, [...transfer]),
    onMessage: (receive) => {
      worker.onmessage = ({ data }) => receive(data);
    },
    onFailure: (callback) => {
      onFailure = callback;
    },
    terminate: () => {
      worker.onmessage = null;
      worker.onerror = null;
      worker.terminate();
      onEnd(new VivariumError("machine/closed", "the machine has been closed"));
    },
  };
}

const TIMER_MS_MAX = 2 ** 31 - 1;

/** What a worker did not catch; a program that cannot be loaded at all is an event without a message. */
function failureOf({ message }: ErrorEvent): Error {
  return message
    ? new Error(message)
    : new VivariumError("worker/failed", "the machine's program could not be loaded; is the server still there?");
}
