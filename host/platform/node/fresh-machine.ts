import type { MachineRequest } from "../../control/actions.js";
import { formatByteLength } from "../../control/byte-length.js";
import { driveFailures } from "../../control/drive-failures.js";
import type { Session } from "../../control/guest-run.js";
import type { RegionDump } from "../../control/region-dump.js";
import type { CommitRecord } from "../../core/commit-tracer.js";
import type { WasmModule } from "../../core/wasm.js";
import { AGENT_PORT } from "../../guest-agent/protocol.js";
import { PORT_CONTROL } from "../../images/control-port.js";
import type { Boot } from "../../machine/boot.js";
import type { HostServices } from "../../machine/host-services.js";
import { type ConsolePort, Machine, type MachineWires } from "../../machine/machine.js";
import { VivariumError } from "../../util/errors.js";
import { nameFile } from "./boot-files.js";
import type { MachineFiles } from "./machine-files.js";

/** What machines in their power-on state are made of. */
export interface MachineMakings {
  readonly request: MachineRequest;
  readonly core: WasmModule;
  readonly boot: Boot;
  readonly files: MachineFiles;
  readonly session: Pick<Session, "serial" | "ports">;
  /** Shows the operator a line. */
  readonly line: (text: string) => void;
  readonly regionDump?: RegionDump | undefined;
}

/** How a machine is to be run, whatever it is. */
export type Translation = Pick<
  MachineWires,
  "translate" | "translationByteLengthMax" | "onTranslationRefused" | "onTranslation"
>;

/**
 * @param line shows the operator a line
 * @param regionDump is told of what is translated
 */
export function translationOf(
  { translate, translationByteLengthMax }: Pick<MachineRequest, "translate" | "translationByteLengthMax">,
  line: (text: string) => void,
  regionDump?: RegionDump,
): Translation {
  return {
    translate,
    translationByteLengthMax,
    onTranslationRefused: (reason) =>
      line(`viv: this host does not let WebAssembly be compiled at run time: the guest is interpreted (${reason})`),
    ...(regionDump === undefined ? {} : { onTranslation: (regions) => regionDump.note(regions) }),
  };
}

export async function createFreshMachine(
  { request, core, boot, files, session, line, regionDump }: MachineMakings,
  host: HostServices,
): Promise<Machine> {
  const { hartCount, memoryByteLength, clock, virtio, socket, balloon, inputs } = request;
  const { commitLog } = files;
  try {
    const machine = await Machine.create({
      ...translationOf(request, line, regionDump),
      core,
      hartCount,
      memoryByteLength,
      clock,
      virtio,
      boot,
      drives: files.drives.map((drive, index) => ({ ...drive, onFailure: driveFailures(`disk${index}`, line) })),
      shares: files.shares.map((folder, index) => ({ folder, tag: request.shares[index]!.tag })),
      socketCids: socket === undefined ? [] : [socket.cid],
      balloonCount: balloon === undefined ? 0 : 1,
      inputs: inputs.map((kind) => ({ kind })),
      networks: files.networks?.devices ?? [],
      serial: session.serial,
      ports: request.guest.kind === "image" ? portsOfImage(session.ports) : session.ports,
      host,
      ...(commitLog === null ? {} : { onCommit: (record: CommitRecord) => commitLog.write(record) }),
    });
    for (const device of machine.sockets) files.sockets?.attach(device);
    for (const device of machine.balloons) device.setTarget(balloon?.byteLength ?? 0);
    return machine;
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
