/**
 * What a program that embeds a machine imports. It needs a compiled core (`build/core.wasm`), the host's services and
 * something to boot; `vivarium/node` has the first two for Node.
 */
export type { WasmModule } from "./core/wasm.js";
export type { ByteSink } from "./devices/device.js";
export {
  type Boot,
  type ConsolePort,
  type Drive,
  type Halt,
  type HostServices,
  type Identity,
  Machine,
  type MachineOptions,
  type MachineState,
  type MachineStats,
  type MachineWires,
  type ResumeOptions,
} from "./machine/machine.js";
export { MachineFile, type SaveOptions, type Snapshot, type SnapshotKind } from "./snapshot/machine-file.js";
export { type BlockBackend, SECTOR_BYTE_LENGTH } from "./storage/block-backend.js";
export { MemoryBlockBackend } from "./storage/memory.js";
export { OverlayBlockBackend } from "./storage/overlay.js";
export { type ErrorData, VivariumError } from "./util/errors.js";
