import type { Limits } from "../../../control/limits-file.js";
import type { NetworkRequest } from "../../../control/network-options.js";
import type { Network } from "../../../machine/machine.js";
import { LimitedLink, type LinkRate, SharedRate } from "../../../network/limited-link.js";
import type { Link } from "../../../network/link.js";
import { EgressPolicy } from "../../../network/nat/egress.js";
import { Nat } from "../../../network/nat/nat.js";
import { CapturedLink } from "../../../network/pcap.js";
import { PeerLink } from "../../../network/peer-link.js";
import { Switch } from "../../../network/switch.js";
import { type Rate, UNLIMITED } from "../../../network/token-bucket.js";
import { unreachable } from "../../../util/errors.js";
import { CaptureFile } from "./capture-file.js";
import { NodeOutside } from "./outside.js";
import { PortForwards } from "./port-forwards.js";
import { SocketLink } from "./socket-link.js";
import { openSwitch } from "./switch-link.js";
import { openTap } from "./tap-link.js";
import { WebSocketLink } from "./websocket-link.js";

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
    let link = await this.#open(request);
    const opened = link;
    this.#closers.push(() => opened.close());
    if (rate !== null || this.#shared !== null) {
      const limited = new LimitedLink(link, rate, this.#outside, this.#shared);
      this.#limited.push({ link: limited, rate });
      link = limited;
    }
    if (this.#capture !== null) link = new CapturedLink(link, this.#capture, wallClockNs);
    return { link, mtu, ...(mac === null ? {} : { mac }) };
  }

  /** A machine that brings the NAT has a switch of its own between itself, the NAT and the others. */
  async #openSwitch(name: string, uplink: boolean, mtu: number): Promise<Link> {
    const trunk = await openSwitch(name);
    if (!uplink) return trunk;
    const nat = new Nat({ outside: this.#outside, mtu });
    this.#closers.push(
      () => trunk.close(),
      () => nat.close(),
    );
    const own = new Switch();
    own.join(trunk);
    own.join(nat);
    return own.port();
  }

  async #open({ link, mtu }: NetworkRequest): Promise<Link> {
    switch (link.kind) {
      case "user": {
        const nat = new Nat({ outside: this.#outside, egress: new EgressPolicy(link.egress), mtu });
        const forwards = await PortForwards.open(nat, link.forwards);
        this.#closers.push(() => forwards.close());
        return nat;
      }
      case "switch":
        return this.#openSwitch(link.name, link.uplink, mtu);
      case "socket":
        return link.role === "connect" ? SocketLink.connect(link.place) : SocketLink.listen(link.place);
      case "ws":
        return WebSocketLink.connect(link.url);
      case "tap":
        return openTap(link.device);
      case "unplugged":
        return new PeerLink();
      default:
        return unreachable(link);
    }
  }
}

/** Wall clock in nanoseconds, as fine as this host tells it. */
function wallClockNs(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * NS_PER_MS));
}
