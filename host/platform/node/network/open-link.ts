import type { OpenLink } from "../../../api/platform.js";
import type { LinkRequest } from "../../../control/network-options.js";
import { ImpatientLink } from "../../../network/impatient-link.js";
import type { Link } from "../../../network/link.js";
import { EgressPolicy } from "../../../network/nat/egress.js";
import { Nat } from "../../../network/nat/nat.js";
import { PeerLink } from "../../../network/peer-link.js";
import { Switch } from "../../../network/switch.js";
import { unreachable } from "../../../util/errors.js";
import type { NodeOutside } from "./outside.js";
import { PortForwards } from "./port-forwards.js";
import { SocketLink } from "./socket-link.js";
import { openSwitch } from "./switch-link.js";
import { openTap } from "./tap-link.js";
import { WebSocketLink } from "./websocket-link.js";

/**
 * What a network device can be plugged into on a host with Node.
 *
 * @throws VivariumError `network/...` when it cannot be used
 */
export async function openLink(request: LinkRequest, mtu: number, outside: NodeOutside): Promise<OpenLink> {
  switch (request.kind) {
    case "user": {
      const egress = new EgressPolicy(request.egress);
      const nat = new Nat({ outside: outside.forGuest(), egress, mtu });
      const forwards = await PortForwards.open(nat, request.forwards);
      const close = async () => {
        await forwards.close();
        await nat.close();
      };
      return { link: nat, egress, addForward: (forward) => forwards.add(nat, forward), close };
    }
    case "switch":
      return openSwitchWithNat(request, mtu, outside);
    case "socket":
      return closing(
        await (request.role === "connect" ? SocketLink.connect(request.place) : SocketLink.listen(request.place)),
      );
    case "ws":
      return closing(await WebSocketLink.connect(request.url));
    case "tap":
      return closing(await openTap(request.device));
    case "unplugged":
      return closing(new PeerLink());
    default:
      return unreachable(request);
  }
}

/** A machine that brings the NAT has a switch of its own between itself, the NAT and the others. */
async function openSwitchWithNat(
  { name, uplink }: Extract<LinkRequest, { readonly kind: "switch" }>,
  mtu: number,
  outside: NodeOutside,
): Promise<OpenLink> {
  const trunk = await openSwitch(name);
  if (!uplink) return closing(trunk);
  const nat = new Nat({ outside: outside.forGuest(), mtu });
  const own = new Switch();
  own.join(new ImpatientLink(trunk, outside));
  own.join(nat);
  const close = async () => {
    await nat.close();
    await trunk.close();
  };
  return { link: new ImpatientLink(own.port(), outside), close };
}

function closing(link: Link): OpenLink {
  return { link, close: () => link.close() };
}
