import { type StateOf, schema } from "../../util/schema.js";
import type { Device, Width } from "../device.js";
import {
  DEVICE_ID,
  MAGIC,
  MAGIC_VALUE,
  MMIO_VERSIONS,
  MMIO_WINDOW_BYTE_LENGTH,
  VERSION,
  type VirtioInterface,
} from "./mmio-registers.js";
import { VIRTIO_ID_NONE } from "./virtio-device.js";

const emptySlotSchema = schema("virtio-mmio-empty-slot", 1, {});
type EmptySlotFields = typeof emptySlotSchema.fields;
type EmptySlotState = StateOf<EmptySlotFields>;

/** A virtio-mmio window without a device: drivers see DeviceID 0 and leave it alone (virtio 1.2 section 4.2.2.2). */
export class EmptyVirtioSlot implements Device<EmptySlotFields> {
  readonly schema = emptySlotSchema;
  readonly windowByteLength = MMIO_WINDOW_BYTE_LENGTH;
  readonly #version: number;

  constructor(virtioInterface: VirtioInterface) {
    this.#version = MMIO_VERSIONS[virtioInterface];
  }

  read(offset: number, width: Width): number {
    if (width !== 4) return 0;
    switch (offset) {
      case MAGIC_VALUE:
        return MAGIC;
      case VERSION:
        return this.#version;
      case DEVICE_ID:
        return VIRTIO_ID_NONE;
      default:
        return 0;
    }
  }

  write(_offset: number, _value: number, _width: Width): void {}

  reset(): void {}

  save(): EmptySlotState {
    return {};
  }

  load(_state: EmptySlotState): void {}
}
