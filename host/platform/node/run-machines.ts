import type { MachineRequest } from "../../control/actions.js";
import { formatByteLength } from "../../control/byte-length.js";
import { driveFailures } from "../../control/drive-failures.js";
import { SIGPIPE } from "../../control/guest-end.js";
import { GuestRun, type RunResult, type Session } from "../../control/guest-run.js";
import { RegionDump } from "../../control/region-dump.js";
import type { CommitRecord } from "../../core/commit-tracer.js";
import type { WasmModule } from "../../core/wasm.js";
import type { Boot } from "../../machine/boot.js";
import type { HostServices } from "../../machine/host-services.js";
import { Machine } from "../../machine/machine.js";
import { VivariumError } from "../../util/errors.js";
import { nameFile } from "./boot-files.js";
import { loadCoreModule } from "./core-module.js";
import { NodeHostServices } from "./host-services.js";
import type { MachineFiles } from "./machine-files.js";
import { listenForEnd } from "./process-end.js";
import type { StandardStreams } from "./standard-streams.js";

/**
 * Runs the machines of a session, until it is over, the program is asked to end by a signal, or nobody reads its
 * output any more.
 *
 * @throws VivariumError when no machine can be made of the parts
 */
export async function runMachines(
  request: MachineRequest,
  boot: Boot,
  files: MachineFiles,
  session: Session,
  { stdout, stderr }: StandardStreams,
): Promise<RunResult> {
  const core = await loadCoreModule();
  const host = new NodeHostServices(async () => {
    run.poll();
    // A guest that writes faster than somebody reads waits here, so that its output does not pile up.
    if (stdout.congested) await stdout.drained();
    if (stderr.congested) await stderr.drained();
  });
  const regionDump = request.dumpRegion === undefined ? undefined : new RegionDump(request.dumpRegion);
  const line = (text: string) => stderr.line(text);
  const run = new GuestRun({
    create: () => createMachine({ request, core, boot, files, session, host, regionDump, line }),
    session,
    hash: request.stats && request.clock === "virtual",
    onStop: () => {
      stdout.release();
      stderr.release();
    },
    monotonicMs: () => host.monotonicMs(),
    yieldToEvents: () => host.yieldToEvents(),
  });
  stdout.onLost(() => run.end(SIGPIPE));
  const stopListening = listenForEnd((signal) => run.end(signal));
  try {
    return await run.untilEnd();
  } finally {
    stopListening();
    for (const text of regionDump?.lines() ?? []) line(text);
  }
}

interface MachineMakings {
  readonly request: MachineRequest;
  readonly core: WasmModule;
  readonly boot: Boot;
  readonly files: MachineFiles;
  readonly session: Session;
  readonly host: HostServices;
  readonly regionDump: RegionDump | undefined;
  /** Shows the operator a line. */
  readonly line: (text: string) => void;
}

async function createMachine({
  request,
  core,
  boot,
  files,
  session,
  host,
  regionDump,
  line,
}: MachineMakings): Promise<Machine> {
  const { hartCount, memoryByteLength, clock, translate, translationByteLengthMax } = request;
  const { socket, balloon, inputs } = request;
  const { commitLog } = files;
  try {
    const machine = await Machine.create({
      core,
      hartCount,
      memoryByteLength,
      clock,
      translate,
      translationByteLengthMax,
      onTranslationRefused: (reason) =>
        line(`viv: this host does not let WebAssembly be compiled at run time: the guest is interpreted (${reason})`),
      boot,
      shares: files.shares.map((folder, index) => ({ folder, tag: request.shares[index]!.tag })),
      socketCids: socket === undefined ? [] : [socket.cid],
      balloonCount: balloon === undefined ? 0 : 1,
      inputs: inputs.map((kind) => ({ kind })),
      drives: files.drives.map((drive, index) => ({ ...drive, onFailure: driveFailures(`disk${index}`, line) })),
      networks: files.networks.devices,
      serial: session.serial,
      ports: session.ports,
      host,
      ...(regionDump === undefined ? {} : { onTranslation: (regions) => regionDump.note(regions) }),
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
