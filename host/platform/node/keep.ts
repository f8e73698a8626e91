import type { DriveRequest, KeepRequest, MachineRequest, SocketRequest } from "../../control/actions.js";
import { driveFailures } from "../../control/drive-failures.js";
import type { VirtioVsock } from "../../devices/virtio/vsock.js";
import { boardSchema } from "../../machine/board-state.js";
import type { HostServices } from "../../machine/host-services.js";
import { outsideSlots } from "../../snapshot/outside-disks.js";
import { POWER_ON } from "../../snapshot/snapshot-name.js";
import { VivariumError } from "../../util/errors.js";
import { decode } from "../../util/schema.js";
import { createFreshMachine, type MachineMakings, translationOf } from "./fresh-machine.js";
import { KeptMachine, type KeptMachineOptions, type KeptWires, type OutsideDrive } from "./kept-machine.js";
import { ControlSocket } from "./machine-file/control-socket.js";
import {
  createMachineFile,
  nameFile,
  type OpenMachineFile,
  openMachineFile,
} from "./machine-file/open-machine-file.js";
import type { MachineFiles } from "./machine-files.js";
import { packageVersion } from "./package-version.js";

/** A machine with its file, which `close` closes. */
export interface Kept {
  /** The file, as the operator named it. */
  readonly path: string;
  readonly machine: KeptMachine;
  close(): Promise<void>;
}

type Connections = Pick<KeptMachineOptions, "consoleTail" | "notice">;

/** What program and version a file was made by. */
export function writtenBy(): string {
  return `viv ${packageVersion()}`;
}

/**
 * Makes a machine and the file it is kept in. Its disks are saved there: the images they came from are not needed any
 * more.
 *
 * @throws VivariumError `file/exists` and others of `createMachineFile`
 */
export async function createKept(
  keep: KeepRequest,
  makings: MachineMakings,
  connections: Connections,
  host: HostServices,
): Promise<Kept> {
  const { request, session, core, line, regionDump } = makings;
  const opened = await createMachineFile(keep.file, writtenBy());
  try {
    const machine = await createFreshMachine(makings, host);
    await opened.file.save(await machine.capture(), { name: POWER_ON });
  } catch (error) {
    await opened.remove();
    throw nameFile(keep.file, error);
  }
  const { serial, ports } = session;
  const machine = new KeptMachine({
    ...connections,
    file: opened.file,
    path: opened.path,
    wires: { ...translationOf(request, line, regionDump), core, serial, ports, ...connectedTo(makings) },
    schedule: keep.schedule,
    record: keep.record,
    outside: [],
    discard: false,
    keepIdentity: true,
  });
  return { path: keep.file, machine, close: await servingOthers(machine, opened) };
}

/** What the machine is connected to each time it goes on. */
export function connectedTo({
  request,
  files,
}: {
  readonly request: Pick<MachineRequest, "shares" | "socket">;
  readonly files: MachineFiles;
}): Pick<KeptWires, "links" | "shares" | "limitDisk" | "attach"> {
  return {
    links: files.networks?.devices.map(({ link }) => link) ?? [],
    shares: files.shares.map((folder, index) => ({ folder, tag: request.shares[index]!.tag })),
    limitDisk: (index, disk) => files.limitDisk(index, disk),
    attach: ({ sockets }) => {
      if (request.socket !== undefined) files.sockets?.attach(deviceOf(sockets, request.socket));
    },
  };
}

function deviceOf(sockets: readonly VirtioVsock[], { cid }: SocketRequest): VirtioVsock {
  const device = sockets.find((each) => each.cid === cid);
  if (device !== undefined) return device;
  const known = sockets.length === 0 ? "no sockets" : `sockets of the address ${sockets[0]!.cid}`;
  throw new VivariumError("machine/sockets", `--vsock: address ${cid}; this machine has ${known}`, { cid });
}

export interface OpenKeptOptions extends Connections, Pick<KeptMachineOptions, "wires" | "discard" | "keepIdentity"> {
  /** Where the disks are that its file does not have, in the order of their slots. */
  readonly drives: readonly DriveRequest[];
  readonly files: MachineFiles;
  /** Shows the operator a line. */
  readonly line: (text: string) => void;
}

/** @throws VivariumError those of `openMachineFile`, `machine/drives` */
export async function openKept(
  keep: KeepRequest,
  { drives, files, line, ...options }: OpenKeptOptions,
): Promise<Kept & { console: Uint8Array }> {
  const opened = await openMachineFile(keep.file);
  const { file, path } = opened;
  try {
    const outside = await openOutside(file, drives, { files, line, isDiscarded: options.discard });
    const machine = new KeptMachine({ ...options, file, path, outside, schedule: keep.schedule, record: keep.record });
    const { present } = opened.file;
    return {
      path: keep.file,
      machine,
      console: present === null ? new Uint8Array() : opened.file.consoleOf(present),
      close: await servingOthers(machine, opened),
    };
  } catch (error) {
    await opened.close();
    throw nameFile(keep.file, error);
  }
}

/** By slot: the disks that a machine's file does not have; none for a machine that has them all there. */
async function openOutside(
  file: OpenMachineFile["file"],
  drives: readonly DriveRequest[],
  { files, line, isDiscarded }: Pick<OpenKeptOptions, "files" | "line"> & { readonly isDiscarded: boolean },
): Promise<readonly (OutsideDrive | undefined)[]> {
  if (file.present === null) return [];
  const board = decode(boardSchema, file.load(file.present).board);
  await files.addOutside(board, drives, isDiscarded);
  if (outsideSlots(board).length === 0) return [];
  return board.drives.map((_, slot) => {
    const drive = files.outside.get(slot);
    return drive && { ...drive, onFailure: driveFailures(`disk${slot}`, line) };
  });
}

/** Lets other programs ask for something of the file while the machine runs. @returns what ends it, and closes the file */
async function servingOthers(machine: KeptMachine, { path, close }: OpenMachineFile): Promise<() => Promise<void>> {
  const control = await ControlSocket.open(path, (request) => machine.serve(request));
  return async () => {
    await control?.close();
    await close();
  };
}
