import type { PlacedField } from "../../assembly/generated/hart-fields.js";

/**
 * The core's linear memory as the host reads and writes it. It never grows, so that the views stay valid.
 */
export class LinearMemory {
  readonly bytes: Uint8Array;
  readonly data: DataView;

  constructor(buffer: ArrayBuffer) {
    this.bytes = new Uint8Array(buffer);
    this.data = new DataView(buffer);
  }

  /** A field of the structure at `base`; a u8 or u32 as a bigint too. */
  get(base: number, field: PlacedField, index = 0): bigint {
    switch (field.type) {
      case "u8":
        return BigInt(this.bytes[base + field.offset + index]!);
      case "u32":
        return BigInt(this.data.getUint32(base + field.offset + 4 * index, true));
      case "u64":
        return this.data.getBigUint64(base + field.offset + 8 * index, true);
    }
  }

  set(base: number, field: PlacedField, value: bigint, index = 0): void {
    switch (field.type) {
      case "u8":
        this.bytes[base + field.offset + index] = Number(value);
        break;
      case "u32":
        this.data.setUint32(base + field.offset + 4 * index, Number(value), true);
        break;
      case "u64":
        this.data.setBigUint64(base + field.offset + 8 * index, value, true);
        break;
    }
  }
}

/** The field called `name`, which must exist. */
export function fieldNamed(fields: readonly PlacedField[], name: string): PlacedField {
  const found = fields.find((field) => field.name === name);
  if (!found) throw new Error(`no field "${name}"`);
  return found;
}
