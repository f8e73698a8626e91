/** What a machine of the hypervisor is made of, from what its specification says. */
import type { MachineOptions } from "../api/machine-options.js";
import { setupOf } from "../api/machine-options.js";
import type { MachineSetup } from "../api/messages.js";
import type { NetworkOptions } from "../api/network-options.js";
import type { MachineSpec } from "../control/hypervisor/schemas.js";
import { type NetworkRequest, readNetworks } from "../control/network-options.js";
import { unreachable, VivariumError } from "../util/errors.js";

/** The image of a machine that came as a file: there is nothing to switch it on with anew. */
export const IMPORTED_IMAGE = "imported";

const NETWORKS_MAX = 4;

/** @throws VivariumError `option/invalid` */
export function setupOfSpec(spec: MachineSpec, randomBytes: (into: Uint8Array) => void): MachineSetup {
  const options: MachineOptions = {
    image: spec.image,
    append: spec.append,
    memoryMiB: spec.memoryMiB,
    harts: spec.harts,
    virtio: spec.virtio,
    networks: networksOfSpec(spec),
    shares: spec.folders,
    balloon: true,
  };
  const setup = setupOf(options, randomBytes);
  return spec.image === IMPORTED_IMAGE ? { ...setup, guest: { kind: "saved" } } : setup;
}

/** What the machine's network devices are plugged into. @throws VivariumError `option/invalid` */
export function networksOfSpec({ networks }: MachineSpec): readonly NetworkOptions[] {
  return readNetworks(networks, NETWORKS_MAX).map(networkOf);
}

/** For a machine that goes on beside the one with this specification: a port of the host leads to one machine. */
export function withoutForwards(networks: readonly string[]): readonly string[] {
  return networks.map((text) => {
    const kept = text.split(",").filter((part) => !/^(forward|hostfwd)=/.test(part));
    return /^(socket|tap)\b/.test(text) ? "unplugged" : kept.join(",");
  });
}

function networkOf({ link, mac, mtu, rate }: NetworkRequest): NetworkOptions {
  const rest = { mtu, ...(mac === null ? {} : { mac }), ...(rate === null ? {} : { rate }) };
  switch (link.kind) {
    case "user":
      return { kind: "user", forwards: link.forwards, egress: link.egress, ...rest };
    case "ws":
      return { kind: "relay", url: link.url, ...rest };
    case "switch":
      return { ...link, ...rest, kind: "host-switch" };
    case "socket":
    case "tap":
    case "unplugged":
      return { ...link, ...rest };
    default:
      return unreachable(link);
  }
}

/** @throws VivariumError `machine/status` for a machine that cannot be switched on anew */
export function refuseImported({ image, name }: MachineSpec): void {
  if (image !== IMPORTED_IMAGE) return;
  const message = `${name} came as a file, which has only how it goes on: restore one of its snapshots`;
  throw new VivariumError("machine/status", message, { machine: name });
}
