import type { Limits } from "../../../control/limits-file.js";
import type { NetworkRequest } from "../../../control/network-options.js";
import type { Network } from "../../../machine/machine.js";
import { LimitedLink, type LinkRate, SharedRate } from "../../../network/limited-link.js";
import { CapturedLink } from "../../../network/pcap.js";
import { type Rate, UNLIMITED } from "../../../network/token-bucket.js";
import { CaptureFile } from "./capture-file.js";
import { openLink } from "./open-link.js";
import { NodeOutside } from "./outside.js";

const NS_PER_MS = 1_000_000;

export interface NetworksOptions {
  /** File that receives what passes, in pcap's format. */
  readonly capture?: string | undefined;
  /** What all links carry together. */
  readonly sharedRate?: Rate | undefined;
  /** Whether limits may be set later. */
  readonly isLimited: boolean;
}

/** What the network devices of a run's machines are plugged into. */
export class Networks {
  /** In the order of the requests. */
  readonly devices: Network[] = [];
  /** The limits of each, if it has any or may be given some, and of all together. */
  readonly #limited: { readonly link: LimitedLink; readonly rate: LinkRate | null }[] = [];
  readonly #sharedRate: Rate;
  readonly #shared: SharedRate | null;
  readonly #outside = new NodeOutside();
  readonly #closers: (() => Promise<void>)[] = [];
  #capture: CaptureFile | null = null;

  private constructor({ sharedRate, isLimited }: NetworksOptions) {
    this.#sharedRate = sharedRate ?? UNLIMITED;
    this.#shared = sharedRate !== undefined || isLimited ? new SharedRate(this.#sharedRate, this.#outside) : null;
  }

  /** @throws VivariumError when one cannot be used; then none is open */
  static async open(
    requests: readonly NetworkRequest[],
    options: NetworksOptions,
    warn: (message: string) => void,
  ): Promise<Networks> {
    const networks = new Networks(options);
    try {
      if (options.capture !== undefined) networks.#capture = new CaptureFile(options.capture, warn);
      for (const request of requests) networks.devices.push(await networks.#plug(request));
      return networks;
    } catch (error) {
      await networks.close();
      throw error;
    }
  }

  /** Other limits from now on; what they do not name has those of the beginning. */
  setLimits({ shared, links }: Pick<Limits, "shared" | "links">): void {
    if (this.#shared !== null) this.#shared.rate = shared === undefined ? this.#sharedRate : (shared ?? UNLIMITED);
    for (const [index, { link, rate }] of this.#limited.entries()) {
      const other = links.get(index);
      link.rate = other === undefined ? rate : other;
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
    if (rate !== null || this.#shared !== null) {
      const limited = new LimitedLink(link, rate, this.#outside, this.#shared);
      this.#limited.push({ link: limited, rate });
      link = limited;
    }
    if (this.#capture !== null) link = new CapturedLink(link, this.#capture, wallClockNs);
    return { link, mtu, ...(mac === null ? {} : { mac }) };
  }
}

/** Wall clock in nanoseconds, as fine as this host tells it. */
function wallClockNs(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * NS_PER_MS));
}
