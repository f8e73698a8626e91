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
  type Share,
} from "./machine/machine.js";
export { MemoryFolder } from "./share/memory-folder.js";
export type { SharedFolder } from "./share/shared-folder.js";
export { type BlockBackend, SECTOR_BYTE_LENGTH } from "./storage/block-backend.js";
export { MemoryBlockBackend } from "./storage/memory.js";
export { type ErrorData, VivariumError } from "./util/errors.js";
