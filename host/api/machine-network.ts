import type { PortForward } from "../control/network-options.js";
import { ImpatientLink } from "../network/impatient-link.js";
import { LimitedLink, type LinkRate } from "../network/limited-link.js";
import type { NetworkClock } from "../network/link.js";
import type { EgressRule } from "../network/nat/egress.js";
import { type LinkMessage, type PostLinkMessage, RemoteStation } from "../network/remote-link.js";
import { VivariumError } from "../util/errors.js";
import type { NetworkSetup } from "./messages.js";
import {
  type LinkOptions,
  linkRequestOf,
  type NetworkOptions,
  type RateOption,
  readEgress,
  readForward,
  readRateOption,
} from "./network-options.js";
import type { OpenLink, Platform } from "./platform.js";

/**
 * A network device of a machine, and what it is plugged into. That is here, in the program's own thread: connections
 * stay whatever becomes of the machine's worker.
 */
export class MachineNetwork {
  readonly mtu: number;
  readonly #platform: Platform;
  readonly #station: RemoteStation;
  #options: NetworkOptions = { kind: "unplugged" };
  #opened: OpenLink | null = null;
  #limited: LimitedLink | null = null;
  #rate: LinkRate | null = null;
  /** Why there is no such device any more. */
  #ended: VivariumError | null = null;

  /** @internal */
  constructor(platform: Platform, { mtu }: NetworkSetup, post: PostLinkMessage) {
    this.mtu = mtu;
    this.#platform = platform;
    this.#station = new RemoteStation(post);
  }

  /** What it is plugged into. */
  get options(): NetworkOptions {
    return this.#options;
  }

  /**
   * Plugs the device into something else from now on; the guest sees its cable out and in again.
   *
   * @throws VivariumError `network/...` when that cannot be opened; the cable is out then. `machine/closed`
   */
  async plug(options: LinkOptions & { readonly rate?: RateOption }): Promise<void> {
    const rate = readRateOption(options.rate);
    const request = linkRequestOf(options);
    await this.unplug();
    if (this.#ended !== null) throw this.#ended;
    const clock = this.#platform.networkClock;
    const opened =
      request === null ? linkOf(options, clock) : await this.#platform.openLink(request, { mtu: this.mtu });
    if (this.#ended !== null) {
      await opened?.close();
      throw this.#ended;
    }
    this.#opened = opened;
    this.#options = options;
    if (options.rate !== undefined) this.#rate = rate;
    if (opened === null) return;
    this.#limited = new LimitedLink(opened.link, this.#rate, clock);
    this.#station.plug(this.#limited);
  }

  /** Pulls the cable out, and closes what it led to. */
  async unplug(): Promise<void> {
    this.#station.plug(null);
    const opened = this.#opened;
    this.#opened = null;
    this.#limited = null;
    this.#options = { kind: "unplugged" };
    await opened?.close();
  }

  /** @internal There is no machine any more. */
  end(why: VivariumError): Promise<void> {
    this.#ended = why;
    return this.unplug();
  }

  /** Plugs the cable in or pulls it out; connections wait for it meanwhile. */
  setLinkUp(isUp: boolean): void {
    this.#station.isWanted = isUp;
  }

  /** What may pass from now on, each direction by itself; null for everything. */
  setRate(rate: RateOption | null): void {
    this.#rate = readRateOption(rate);
    if (this.#limited !== null) this.#limited.rate = this.#rate;
  }

  /** @throws VivariumError `network/unsupported` unless it is plugged into a network of kind `user` */
  setEgress(rules: readonly (EgressRule | string)[]): void {
    const egress = this.#opened?.egress;
    if (egress === undefined) throw this.#unsupported("rules for what the guest may reach");
    egress.rules = readEgress(rules);
  }

  /**
   * Lets a port of the host lead to one of the guest.
   *
   * @returns a function that ends it; connections stay
   * @throws VivariumError `network/forward` when the port cannot be listened on, `network/unsupported` unless it is
   *   plugged into a network of kind `user`, and in a page
   */
  async addForward(forward: PortForward | string): Promise<() => Promise<void>> {
    const read = readForward(forward);
    const add = this.#opened?.addForward;
    if (add === undefined) throw this.#unsupported("ports of the host that lead to the guest");
    return add(read);
  }

  /** @internal */
  receive(message: LinkMessage): void {
    this.#station.receive(message);
  }

  #unsupported(what: string): VivariumError {
    const message = `a network device that is plugged into "${this.#options.kind}" has no ${what} here`;
    return new VivariumError("network/unsupported", message, { kind: this.#options.kind });
  }
}

/** What needs no platform; null for nothing. */
function linkOf(options: LinkOptions, clock: NetworkClock): OpenLink | null {
  if (options.kind === "switch") {
    const link = new ImpatientLink(options.switch.port(), clock);
    return { link, close: () => link.close() };
  }
  if (options.kind !== "link") return null;
  // Its owner closes it; what it hears is that nobody is there.
  return { link: options.link, close: async () => {} };
}
