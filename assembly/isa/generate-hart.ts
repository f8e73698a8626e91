import { type Field, hartFields, machineFields } from "./hart.js";

const BYTE_LENGTHS = { u8: 1, u32: 4, u64: 8 } as const;

interface PlacedField extends Field {
  readonly offset: number;
}

/** Text of generated/hart.ts: classes Hart and Machine over the fields of isa/hart.ts. */
export function generateHartClasses(): string {
  return `import { HARTS_BASE, HART_STRIDE, MACHINE_BASE } from "../shared/layout";

/** Offsets of the register files, for access by byte offset rather than by number. */
export const HART_X: usize = ${hartFieldOffset("x")};
export const HART_F: usize = ${hartFieldOffset("f")};
/** Offsets of what translated regions and the functions of float/ use. */
export const HART_FFLAGS: usize = ${hartFieldOffset("fflags")};
${[
  "pc",
  "event",
  "countdown",
  "dataTlb",
  "codeStamp",
  "leftFor",
  "leftRegion",
  "mstatus",
  "frm",
  "reservation",
  "reservedValue",
]
  .map((name) => `export const HART_${snakeCase(name)}: u32 = ${hartFieldOffset(name)};`)
  .join("\n")}

${accessorClass("Hart", place(hartFields))}

${accessorClass("Machine", place(machineFields))}

@inline export function hartAt(id: u32): Hart {
  return changetype<Hart>(<usize>(HARTS_BASE + id * HART_STRIDE));
}

@inline export function theMachine(): Machine {
  return changetype<Machine>(<usize>MACHINE_BASE);
}
`;
}

/** Text of generated/hart-fields.ts: the same fields for the host. */
export function generateFieldTable(): string {
  const rows = (fields: readonly PlacedField[]) =>
    fields
      .map(
        (f) => `  { name: "${f.name}", type: "${f.type}", count: ${f.count}, offset: ${f.offset}, saved: ${f.saved} },`,
      )
      .join("\n");
  return `
/** Where a field of a hart or of the machine stands, from its base in linear memory. */
export interface PlacedField {
  readonly name: string;
  readonly type: "u8" | "u32" | "u64";
  readonly count: number;
  readonly offset: number;
  readonly saved: boolean;
}

export const HART_FIELDS: readonly PlacedField[] = [
${rows(place(hartFields))}
];

export const MACHINE_FIELDS: readonly PlacedField[] = [
${rows(place(machineFields))}
];
`;
}

function place(fields: readonly Field[]): PlacedField[] {
  let end = 0;
  return fields.map((field) => {
    const byteLength = BYTE_LENGTHS[field.type];
    const offset = Math.ceil(end / byteLength) * byteLength;
    end = offset + byteLength * field.count;
    return { ...field, offset };
  });
}

function accessorClass(name: string, fields: readonly PlacedField[]): string {
  return `@unmanaged export class ${name} {\n${fields.map(accessors).join("\n")}\n}`;
}

function accessors(field: PlacedField): string {
  const doc = field.doc === "" ? "" : `  /** ${field.doc[0]!.toUpperCase()}${field.doc.slice(1)}. */\n`;
  const { name, type, offset } = field;
  const self = "changetype<usize>(this)";
  if (field.count > 1) {
    const shift = Math.log2(BYTE_LENGTHS[type]);
    const address = shift ? `${self} + (<usize>n << ${shift})` : `${self} + <usize>n`;
    const get = name.length === 1 ? `${name}At` : name;
    return `${doc}  @inline ${get}(n: u32): ${type} {
    return load<${type}>(${address}, ${offset});
  }
  @inline set_${name}(n: u32, value: ${type}): void {
    store<${type}>(${address}, value, ${offset});
  }`;
  }
  return `${doc}  @inline get ${name}(): ${type} {
    return load<${type}>(${self}, ${offset});
  }
  @inline set ${name}(value: ${type}) {
    store<${type}>(${self}, value, ${offset});
  }`;
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

/** Byte offset of a hart's field. */
function hartFieldOffset(name: string): number {
  return place(hartFields).find((f) => f.name === name)!.offset;
}
