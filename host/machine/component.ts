import type { Device } from "../devices/device.js";

/** Something with named state that is saved and loaded with its machine. Devices are components, and a few others. */
export type Component = Pick<Device, "schema" | "reset" | "save" | "load" | "renewIdentity">;
