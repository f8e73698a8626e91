import type { OpenLink } from "../../../api/platform.js";
import type { LinkRequest } from "../../../control/network-options.js";
import { EgressPolicy } from "../../../network/nat/egress.js";
import { Nat } from "../../../network/nat/nat.js";
import { PeerLink } from "../../../network/peer-link.js";
import { unreachable, VivariumError } from "../../../util/errors.js";
import { FetchOutside } from "./fetch-outside.js";
import { RelayLink } from "./relay-link.js";

/**
 * What a network device can be plugged into in a page: a NAT whose outside is `fetch`, or a relay.
 *
 * @throws VivariumError `network/unsupported` for the rest, which pages have no way to
 */
export async function openLink(request: LinkRequest, mtu: number): Promise<OpenLink> {
  switch (request.kind) {
    case "user": {
      if (request.forwards.length > 0) throw unsupported("ports of the host that lead to the guest");
      const egress = new EgressPolicy(request.egress);
      const nat = new Nat({ outside: new FetchOutside({ secure: location.protocol === "https:" }), egress, mtu });
      return { link: nat, egress, close: () => nat.close() };
    }
    case "ws": {
      const link = new RelayLink(request.url);
      return { link, close: () => link.close() };
    }
    case "unplugged": {
      const link = new PeerLink();
      return { link, close: () => link.close() };
    }
    case "switch":
    case "socket":
    case "tap":
      throw unsupported(`networks of kind "${request.kind}"`);
    default:
      return unreachable(request);
  }
}

function unsupported(what: string): VivariumError {
  return new VivariumError("network/unsupported", `a page has no ${what}; expected user or relay`);
}
