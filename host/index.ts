/**
 * What a program that embeds a machine imports. It needs a compiled core (`build/core.wasm`), the host's services and
 * something to boot; `vivarium/node` has the first two for Node.
 */
export type { WasmModule } from "./core/wasm.js";
export type { ByteSink } from "./devices/device.js";
export type { BalloonStatistics, VirtioBalloon } from "./devices/virtio/balloon.js";
export type { InputKind, VirtioInput, VirtioInputOptions } from "./devices/virtio/input.js";
export type { InputEvent } from "./devices/virtio/input-events.js";
export type { VirtioVsock, VsockListener } from "./devices/virtio/vsock.js";
export type { VsockEvents, VsockStream } from "./devices/virtio/vsock-connection.js";
export {
  type Boot,
  type ConsolePort,
  type Drive,
  type Halt,
  type HostServices,
  Machine,
  type MachineOptions,
  type MachineStats,
  type Network,
  type Share,
} from "./machine/machine.js";
export { LimitedLink, type LinkRate, SharedRate } from "./network/limited-link.js";
export type { Frame, Link, NetworkClock, Station } from "./network/link.js";
export { EgressPolicy, type EgressRule, formatEgressRule, parseEgressRule } from "./network/nat/egress.js";
export { Nat, type NatOptions } from "./network/nat/nat.js";
export type { Outside } from "./network/nat/outside.js";
export { CapturedLink, type CaptureSink, pcapFileHeader } from "./network/pcap.js";
export { type FramePeer, PeerLink, PeerStation } from "./network/peer-link.js";
export { Switch } from "./network/switch.js";
export type { Rate } from "./network/token-bucket.js";
export { MemoryFolder } from "./share/memory-folder.js";
export type { SharedFolder } from "./share/shared-folder.js";
export { type BlockBackend, SECTOR_BYTE_LENGTH } from "./storage/block-backend.js";
export type { ByteStore } from "./storage/byte-store.js";
export { MemoryBlockBackend } from "./storage/memory.js";
export { MemoryStore } from "./storage/memory-store.js";
export { type ImageSource, type OpenImageOptions, openImage } from "./storage/open-image.js";
export { OverlayDisk } from "./storage/overlay.js";
export { createQcow2 } from "./storage/qcow2/create-qcow2.js";
export { RawDisk } from "./storage/raw.js";
export { type SyncAccessHandle, SyncAccessStore } from "./storage/sync-access-store.js";
export { ThrottledDisk, type ThrottleLimits } from "./storage/throttle.js";
export { type ErrorData, VivariumError } from "./util/errors.js";
