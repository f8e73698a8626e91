import { MIB } from "../../control/byte-length.js";
import { type ExitReport, STATUS_OK } from "../../control/guest-end.js";
import type { HypervisorEvent } from "../../control/hypervisor/schemas.js";
import type { HypervisorService } from "../../control/hypervisor/service.js";
import type { ServeAction } from "../../control/serve-options.js";
import { HypervisorBase } from "../../hypervisor/hypervisor-base.js";
import { dataDirectory } from "./daemon/discovery.js";
import { NodeHypervisorPlatform } from "./hypervisor/node-hypervisor-platform.js";
import { listenForEnd } from "./process-end.js";
import { Daemon } from "./serve/daemon.js";
import type { Grants } from "./serve/grants.js";
import type { StandardStreams } from "./standard-streams.js";

/** Events that whoever runs the daemon is told at once. */
const TROUBLE: ReadonlySet<HypervisorEvent["kind"]> = new Set(["machine-failure", "host"] as const);

/** Runs the daemon until a signal ends it, which saves all machines. */
export async function performServe(action: ServeAction, { stderr }: StandardStreams): Promise<ExitReport> {
  const log = (line: string) => stderr.line(`viv: ${line}`);
  const data = action.data ?? dataDirectory();
  let end: () => void = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const stopListening = listenForEnd(() => end());
  try {
    const open = async (directory: string, grants: Grants) => {
      const service = await openHypervisor(directory, grants, action);
      service.onEvent(({ kind, message }) => {
        if (TROUBLE.has(kind)) log(message);
      });
      return service;
    };
    const daemon = await Daemon.open({ ...action, data, log }, open);
    log(daemon.consoleUrl === null ? `console at ${daemon.url}/` : `console at ${daemon.consoleUrl}`);
    await ended;
    log("saving all machines; once more ends at once");
    await daemon.close();
  } finally {
    stopListening();
  }
  return { status: STATUS_OK };
}

function openHypervisor(
  directory: string,
  grants: Grants,
  { workers, memoryByteLength }: ServeAction,
): Promise<HypervisorService> {
  return HypervisorBase.createOn(new NodeHypervisorPlatform(), {
    directory,
    // Who asks finds machines that are starting, and not a daemon that does not answer.
    awaitsMachines: false,
    ...(workers === undefined ? {} : { workers }),
    ...(memoryByteLength === undefined ? {} : { memoryMiB: Math.floor(memoryByteLength / MIB) }),
    allowFolder: (folder) => grants.allowsFolder(folder),
  });
}
