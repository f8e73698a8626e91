/** The program of a machine's worker. */
import { serveMachine } from "../../api/machine-server.js";
import type { Channel } from "../../api/platform.js";
import { FileServer } from "./file-server.js";
import { FileStore } from "./file-store.js";
import { BrowserHostServices } from "./host-services.js";
import { BrowserWorkerPlatform } from "./worker-platform.js";
import type { WorkerSetup } from "./worker-setup.js";

/** A worker's own end, typed as the little that is used of it. */
const page = self as unknown as MessagePort;

const channel: Channel = {
  post: (message, transfer = []) => page.postMessage(message, [...transfer]),
  onMessage: (receive) => page.addEventListener("message", ({ data }) => receive(data)),
};

page.addEventListener("message", ({ data }: MessageEvent<WorkerSetup>) => begin(data), { once: true });
// Otherwise the page would not hear of it.
self.addEventListener("unhandledrejection", ({ reason }) => reportError(reason));

function begin(setup: WorkerSetup): void {
  const host = new BrowserHostServices();
  const store = new FileStore(() => host.yieldToEvents());
  const machine = serveMachine(new BrowserWorkerPlatform(channel, setup, store));
  new FileServer(setup.file, machine, store);
}
