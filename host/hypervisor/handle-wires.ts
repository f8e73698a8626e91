/** What is between a machine's handle, which programs have, and the hypervisor that keeps the machine. */
import type { Platform } from "../api/platform.js";
import type { MachineSpec } from "../control/hypervisor/schemas.js";
import type { HypervisorMachine, MachineControls } from "./hypervisor-machine.js";
import type { Lane } from "./lane.js";
import { networksOfSpec } from "./machine-setup.js";
import type { ManagedMachine } from "./managed-machine.js";

/** To a machine's handle its worker is the lane. */
export function throughLane(platform: Platform, lane: Lane): Platform {
  return {
    startWorker: () => lane,
    schedule: (callback, delayMs) => platform.schedule(callback, delayMs),
    randomBytes: (into) => platform.randomBytes(into),
    networkClock: platform.networkClock,
    openLink: (request, options) => platform.openLink(request, options),
  };
}

export function controlsOf(
  machine: ManagedMachine,
  fork: MachineControls["fork"],
  set: MachineControls["set"],
): MachineControls {
  return {
    view: () => machine.view(),
    start: () => machine.start(),
    stop: () => machine.stop(),
    pause: () => machine.pause(),
    resume: () => machine.resume(),
    reset: () => machine.reset(),
    hibernate: () => machine.hibernate(),
    set,
    fork,
    snapshots: () => machine.snapshots(),
    save: () => machine.save(null),
    saveSnapshot: async (name) => {
      await machine.save(name);
      return (await machine.snapshots()).find((snapshot) => snapshot.name === name)!;
    },
    restoreSnapshot: (name) => machine.restore(name),
    deleteSnapshot: (name) => machine.deleteSnapshot(name),
  };
}

/** Plugs the machine's networks in that are not. @throws VivariumError `network/...` */
export async function plugIn({ networks }: HypervisorMachine, spec: MachineSpec): Promise<void> {
  const options = networksOfSpec(spec);
  for (const [index, network] of networks.entries()) {
    const wanted = options[index];
    if (wanted !== undefined && network.options.kind === "unplugged") await network.plug(wanted);
  }
}

export function unplug({ networks }: HypervisorMachine): void {
  for (const network of networks) void network.unplug();
}
