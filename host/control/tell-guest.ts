import { encodeIdentity, encodeTime, PORT_CONTROL } from "../images/control-port.js";
import type { HostServices } from "../machine/host-services.js";
import type { Identity, Machine } from "../machine/machine.js";

const NS_PER_MS = 1_000_000n;
const MS_PER_S = 1000;

/** Tells a guest that goes on from a saved state what it could not notice: that its clock stood still, and who it is. */
export function tellGuest(machine: Machine, host: Pick<HostServices, "nowNs">, identity: Identity): void {
  if (!machine.hasPort(PORT_CONTROL)) return;
  const port = machine.port(PORT_CONTROL);
  if (!port.open) return;
  port.write(encodeTime(Number(host.nowNs() / NS_PER_MS) / MS_PER_S));
  if (identity === "renewed") port.write(encodeIdentity(machine.generationId, machine.networks));
}
