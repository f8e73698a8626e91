import type { MachineRequest } from "../../control/actions.js";
import { formatByteLength } from "../../control/byte-length.js";
import type { Session } from "../../control/guest-run.js";
import type { CommitRecord } from "../../core/commit-tracer.js";
import type { WasmModule } from "../../core/wasm.js";
import { AGENT_PORT } from "../../guest-agent/protocol.js";
import { PORT_CONTROL } from "../../images/control-port.js";
import type { Boot } from "../../machine/boot.js";
import type { HostServices } from "../../machine/host-services.js";
import { type ConsolePort, type Drive, Machine } from "../../machine/machine.js";
import { VivariumError } from "../../util/errors.js";
import { nameFile } from "./boot-files.js";
import type { MachineFiles } from "./machine-files.js";

/** What machines in their power-on state are made of. */
export interface MachineMakings {
  readonly request: MachineRequest;
  readonly core: WasmModule;
  readonly boot: Boot;
  readonly files: MachineFiles;
  readonly session: Session;
}

/** @param drives instead of those of the files */
export async function createFreshMachine(
  { request, core, boot, files, session }: MachineMakings,
  host: HostServices,
  drives?: readonly Drive[],
): Promise<Machine> {
  const { hartCount, memoryByteLength, clock } = request;
  const { commitLog } = files;
  try {
    return await Machine.create({
      core,
      hartCount,
      memoryByteLength,
      clock,
      boot,
      drives: drives ?? files.drives.map((backend, index) => ({ backend, serial: `disk${index}` })),
      serial: session.serial,
      ports: request.guest.kind === "image" ? portsOfImage(session.ports) : session.ports,
      host,
      ...(commitLog === null ? {} : { onCommit: (record: CommitRecord) => commitLog.write(record) }),
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw nameFile(error, request.guest);
    const message = `--memory: this host cannot give a machine ${formatByteLength(memoryByteLength)}; expected less`;
    throw new VivariumError("memory/unavailable", message, { memoryByteLength });
  }
}

/** An image's guest has the same ports whoever uses it, for it may be used by somebody else when it goes on. */
function portsOfImage(ports: readonly ConsolePort[]): readonly ConsolePort[] {
  return [PORT_CONTROL, AGENT_PORT].map(
    (name) => ports.find((port) => port.name === name) ?? { name, receive: () => {} },
  );
}
