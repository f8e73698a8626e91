/**
 * The public API: a machine in a worker, and what it takes and gives. `docs/api.md` begins with examples.
 *
 * `VirtMachine` is what runs in there, for programs that want to run a machine on a thread of their own: it needs a
 * compiled core and a host's services, which `vivarium/node` has for Node.
 */
import { defaultPlatform } from "#platform";
import { checkObject } from "./api/arguments.js";
import type { OpenOptions, ReplayOptions } from "./api/call-options.js";
import { MachineBase } from "./api/machine.js";
import type { MachineOptions } from "./api/machine-options.js";
import type { Platform } from "./api/platform.js";
import type { ReplayReport } from "./api/replay.js";
import { HypervisorBase, type HypervisorOptions } from "./hypervisor/hypervisor-base.js";
import type { HypervisorPlatform } from "./hypervisor/platform.js";

/** A RISC-V machine in a worker of its own: see `MachineBase` for what it can do. */
export class Machine extends MachineBase {
  /**
   * Makes a machine, starts it unless `start` is false, and does not wait for the guest to come up: `exec` and the rest
   * do.
   *
   * @param options `platform`: where it runs, unless it is where this program does
   * @throws VivariumError naming the option that cannot be, or what it names that is not there
   */
  static async create(options: MachineOptions & { readonly platform?: Platform } = {}): Promise<Machine> {
    const { platform = defaultPlatform, ...rest } = checkObject("create", options);
    return Machine.createOn(platform, rest);
  }

  /**
   * Opens a machine that was saved to a file, and lets it go on unless `start` is false. The file is the machine's, and
   * nobody else's, until it is closed.
   *
   * @throws VivariumError `file/unusable`, `file/in-use`, `file/not-a-machine`, `file/too-new`, `file/damaged`
   */
  static async open(file: string, options: OpenOptions & { readonly platform?: Platform } = {}): Promise<Machine> {
    const { platform = defaultPlatform, ...rest } = checkObject("open", options);
    return Machine.openOn(platform, file, rest);
  }

  /**
   * Runs a history again that was recorded in a file, without the world it ran in, to its end or to an instruction.
   *
   * @throws VivariumError `replay/diverged` with the instruction when the machine does not do again what it did,
   *   `replay/nothing`, `replay/range`, and those of `open`
   */
  static async replay(
    file: string,
    options: ReplayOptions & { readonly platform?: Platform } = {},
  ): Promise<ReplayReport> {
    const { platform = defaultPlatform, ...rest } = checkObject("replay", options);
    return Machine.replayOn(platform, file, rest);
  }
}

/** Many machines on one host: see `HypervisorBase` for what it can do, and docs/hypervisor.md. */
export class Hypervisor extends HypervisorBase {
  /**
   * Opens what is kept in `directory`, and lets machines go on that ran when it was closed.
   *
   * @param options `platform`: where it runs, unless it is where this program does
   * @throws VivariumError `store/unusable`, `file/in-use` when another hypervisor has the directory
   */
  static create({
    platform = defaultPlatform,
    ...options
  }: HypervisorOptions & { readonly platform?: HypervisorPlatform } = {}): Promise<Hypervisor> {
    return Hypervisor.createOn(platform, options);
  }
}

export type { ExecOptions, ExecResult, ForkOptions, OpenOptions, ReplayOptions } from "./api/call-options.js";
export type { ShareOptions, SocketOptions } from "./api/device-options.js";
export type { GuestFileSystem, ReadOptions, WriteOptions } from "./api/guest-file-system.js";
export type {
  Command,
  GuestProcess,
  GuestTerminal,
  ProcessExit,
  ProcessOptions,
  SpawnOptions,
} from "./api/guest-process.js";
export type { Limits } from "./api/limits.js";
export { MachineBase } from "./api/machine.js";
export type { BalloonState, MachineBalloon } from "./api/machine-balloon.js";
export type { MachineConsole } from "./api/machine-console.js";
export type { MachineEvents } from "./api/machine-events.js";
export type { MachineInput } from "./api/machine-inputs.js";
export type { MachineNetwork } from "./api/machine-network.js";
export type { DriveOptions, MachineOptions } from "./api/machine-options.js";
export type { GuestSocket, SocketListener } from "./api/machine-sockets.js";
export type { MachineStatus, Source, WorkerStats } from "./api/messages.js";
export type { LinkOptions, NetworkOptions, RateOption } from "./api/network-options.js";
export type { OpenLink, Platform } from "./api/platform.js";
export type { ReplayPlace, ReplayReport } from "./api/replay.js";
export type { SignalName } from "./api/signals.js";
export type { MachineSnapshot } from "./api/snapshot.js";
export type { Bytes } from "./api/streams.js";
export type { WasmModule } from "./core/wasm.js";
export type { ByteSink } from "./devices/device.js";
export type { BalloonStatistics, VirtioBalloon } from "./devices/virtio/balloon.js";
export type { InputKind, VirtioInput, VirtioInputOptions } from "./devices/virtio/input.js";
export type { InputEvent } from "./devices/virtio/input-events.js";
export type { VirtioVsock, VsockListener } from "./devices/virtio/vsock.js";
export type { VsockEvents, VsockStream } from "./devices/virtio/vsock-connection.js";
export type { FileEntry, FileKind, FileStat } from "./guest-agent/guest-files.js";
export type { HypervisorMachines, HypervisorOptions } from "./hypervisor/hypervisor-base.js";
export type { FileSnapshots, HypervisorForkOptions, HypervisorMachine } from "./hypervisor/hypervisor-machine.js";
export type { HypervisorPlatform } from "./hypervisor/platform.js";
export type { ImageProgress } from "./images/image.js";
export { type RecordEnd, Recorder, type RecorderOptions, type RecordSink } from "./machine/history/recorder.js";
export {
  type Boot,
  type ConsolePort,
  type Drive,
  type Halt,
  type HostServices,
  type Identity,
  Machine as VirtMachine,
  type MachineOptions as VirtMachineOptions,
  type MachineState,
  type MachineStats,
  type MachineWires,
  type Network,
  type ResumeOptions,
  type Share,
} from "./machine/machine.js";
export { LimitedLink, type LinkRate, SharedRate } from "./network/limited-link.js";
export type { Frame, Link, NetworkClock, Station } from "./network/link.js";
export { EgressPolicy, type EgressRule, formatEgressRule, parseEgressRule } from "./network/nat/egress.js";
export { Nat, type NatOptions } from "./network/nat/nat.js";
export type { Outside } from "./network/nat/outside.js";
export { CapturedLink, type CaptureSink, pcapFileHeader } from "./network/pcap.js";
export { type FramePeer, PeerLink, PeerStation } from "./network/peer-link.js";
export { Switch, Switch as NetworkSwitch } from "./network/switch.js";
export type { Rate } from "./network/token-bucket.js";
export { MemoryFolder } from "./share/memory-folder.js";
export type { SharedFolder } from "./share/shared-folder.js";
export type { History } from "./snapshot/history-store.js";
export { MachineFile, type SaveOptions, type SnapshotKind } from "./snapshot/machine-file.js";
export { type Replay, type ReplayRequest, type ReplayWires, replay } from "./snapshot/replay.js";
export { type BlockBackend, SECTOR_BYTE_LENGTH } from "./storage/block-backend.js";
export type { ByteStore } from "./storage/byte-store.js";
export { CapturedDisk } from "./storage/captured-disk.js";
export { MemoryBlockBackend } from "./storage/memory.js";
export { MemoryStore } from "./storage/memory-store.js";
export { type ImageSource, type OpenImageOptions, openImage } from "./storage/open-image.js";
export { OverlayDisk } from "./storage/overlay.js";
export { createQcow2 } from "./storage/qcow2/create-qcow2.js";
export { RawDisk } from "./storage/raw.js";
export { type SyncAccessHandle, SyncAccessStore } from "./storage/sync-access-store.js";
export { ThrottledDisk, type ThrottleLimits } from "./storage/throttle.js";
export { type ErrorData, VivariumError } from "./util/errors.js";
