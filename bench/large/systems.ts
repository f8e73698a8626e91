import { basename, join } from "node:path";
import { packageDirectory } from "../../host/platform/node/core-module.js";
import { cableMac, type GuestFiles, type Peer } from "../peers.js";
import { OURS } from "../report.js";
import { GuestConsole } from "./console.js";

/** Something that runs guests: Vivarium or a peer. */
export interface GuestSystem {
  readonly system: string;
  start(guest: GuestFiles): GuestConsole;
}

/** Vivarium as it was built, by its command line. */
export const vivarium: GuestSystem = {
  system: OURS,
  start: ({ kernel, initrd, commandLine, memoryMiB, network, cable, disk, share }) =>
    new GuestConsole(process.execPath, [
      ...[join(packageDirectory(), "dist/host/platform/node/viv.js"), "run", "--memory", `${memoryMiB}MiB`],
      ...["--kernel", kernel, "--initrd", initrd, "--append", commandLine],
      ...(network === true ? ["--net", "user"] : []),
      ...(cable === undefined
        ? []
        : ["--net", `switch,name=${basename(cable.path)},mac=${cableMac(cable.isListening)}`]),
      ...(disk === undefined ? [] : ["--drive", `${disk},format=raw`]),
      ...(share === undefined ? [] : ["--share", `${share}:bench`]),
    ]),
};

export function peerSystem(peer: Peer): GuestSystem {
  return { system: peer.system, start: (guest) => new GuestConsole(peer.program, peer.arguments(guest)) };
}
