/** The program of a hypervisor's worker. */
import type { Channel } from "../../../api/platform.js";
import { hostMachines } from "../../../hypervisor/worker/machine-host.js";
import { FileStore } from "../file-store.js";
import { BrowserHostServices } from "../host-services.js";
import { BrowserHostingPlatform, type HostSetup } from "./browser-hosting-platform.js";

/** A worker's own end, typed as the little that is used of it. */
const page = self as unknown as MessagePort;

page.addEventListener("message", ({ data }: MessageEvent<HostSetup>) => begin(data), { once: true });
// Otherwise the page would not hear of it.
self.addEventListener("unhandledrejection", ({ reason }) => reportError(reason));

function begin(setup: HostSetup): void {
  const channel: Channel = {
    post: (message, transfer = []) => page.postMessage(message, [...transfer]),
    onMessage: (receive) => page.addEventListener("message", ({ data }) => receive(data)),
  };
  const host = new BrowserHostServices();
  const store = new FileStore(() => host.yieldToEvents());
  hostMachines(new BrowserHostingPlatform(channel, setup, store));
}
