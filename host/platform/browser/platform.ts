import type { Platform, WorkerChannel } from "../../api/platform.js";
import { VivariumError } from "../../util/errors.js";
import { fillRandom } from "./random.js";
import type { WorkerSetup } from "./worker-setup.js";

/** The page's end of the public API. */
export class BrowserPlatform implements Platform {
  readonly #createWorker: () => Worker;
  readonly #setup: WorkerSetup;

  /**
   * @param createWorker starts `worker.js` as a module worker; a bundler wants to see this written out where the page is:
   *   `() => new Worker(new URL("vivarium/browser/worker", import.meta.url), { type: "module" })`
   */
  constructor(createWorker: () => Worker, setup: WorkerSetup) {
    this.#createWorker = createWorker;
    this.#setup = setup;
  }

  startWorker(): WorkerChannel {
    const worker = this.#createWorker();
    worker.postMessage(this.#setup);
    return {
      post: (message, transfer = []) => worker.postMessage(message, [...transfer]),
      onMessage: (receive) => {
        worker.onmessage = ({ data }) => receive(data);
      },
      onFailure: (callback) => {
        worker.onerror = (event) => {
          event.preventDefault();
          callback(failureOf(event));
        };
      },
      terminate: () => {
        worker.onmessage = null;
        worker.onerror = null;
        worker.terminate();
      },
    };
  }

  schedule(callback: () => void, delayMs: number): () => void {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  }

  randomBytes(into: Uint8Array): void {
    fillRandom(into);
  }
}

/** What a worker did not catch; a program that cannot be loaded at all is an event without a message. */
function failureOf({ message }: ErrorEvent): Error {
  return message
    ? new Error(message)
    : new VivariumError("worker/failed", "the machine's program could not be loaded; is the server still there?");
}
