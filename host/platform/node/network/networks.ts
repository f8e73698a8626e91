import type { NetworkRequest } from "../../../control/network-options.js";
import type { Network } from "../../../machine/machine.js";
import { LimitedLink } from "../../../network/limited-link.js";
import { CapturedLink } from "../../../network/pcap.js";
import { CaptureFile } from "./capture-file.js";
import { openLink } from "./open-link.js";
import { NodeOutside } from "./outside.js";

const NS_PER_MS = 1_000_000;

/** What the network devices of a run's machines are plugged into. */
export class Networks {
  /** In the order of the requests. */
  readonly devices: Network[] = [];
  readonly #outside = new NodeOutside();
  readonly #closers: (() => Promise<void>)[] = [];
  #capture: CaptureFile | null = null;

  private constructor() {}

  /** @throws VivariumError when one cannot be used; then none is open */
  static async open(
    requests: readonly NetworkRequest[],
    capture: string | undefined,
    warn: (message: string) => void,
  ): Promise<Networks> {
    const networks = new Networks();
    try {
      if (capture !== undefined) networks.#capture = new CaptureFile(capture, warn);
      for (const request of requests) networks.devices.push(await networks.#plug(request));
      return networks;
    } catch (error) {
      await networks.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close();
    this.#closers.length = 0;
    this.#capture?.close();
  }

  async #plug(request: NetworkRequest): Promise<Network> {
    const { mac, mtu, rate } = request;
    const opened = await openLink(request.link, mtu, this.#outside);
    this.#closers.push(() => opened.close());
    let { link } = opened;
    if (rate !== null) link = new LimitedLink(link, rate, this.#outside);
    if (this.#capture !== null) link = new CapturedLink(link, this.#capture, wallClockNs);
    return { link, mtu, ...(mac === null ? {} : { mac }) };
  }
}

/** Wall clock in nanoseconds, as fine as this host tells it. */
function wallClockNs(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * NS_PER_MS));
}
