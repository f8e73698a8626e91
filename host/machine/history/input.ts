/** What can reach a machine from outside, whoever or whatever it comes from. */
import type { InputEvent } from "../../devices/virtio/input-events.js";
import type { Frame } from "../../network/link.js";
import { fieldsOf, isList, type RecordValue } from "./record-value.js";

/** `device` counts the devices of the kind, `port` those of the console. */
export type Input =
  /** Virtual time went on while the guest waited. */
  | { readonly kind: "wait"; readonly ticks: bigint }
  /** Typed characters. */
  | { readonly kind: "serial"; readonly bytes: Uint8Array }
  | { readonly kind: "port-write"; readonly port: string; readonly bytes: Uint8Array }
  | { readonly kind: "port-discard"; readonly port: string }
  | { readonly kind: "port-close"; readonly port: string }
  | { readonly kind: "resize"; readonly columns: number; readonly rows: number }
  | { readonly kind: "frame"; readonly device: number; readonly frame: Frame }
  /** A network takes frames again, after it has refused one. */
  | { readonly kind: "link-resume"; readonly device: number }
  | { readonly kind: "cable"; readonly device: number; readonly isIn: boolean }
  /** What was asked for at some time has been done; `number` counts what takes time. */
  | { readonly kind: "done"; readonly number: number; readonly value: RecordValue }
  | { readonly kind: "keys"; readonly device: number; readonly events: readonly InputEvent[] }
  | { readonly kind: "balloon"; readonly device: number; readonly byteLength: number }
  | { readonly kind: "balloon-statistics"; readonly device: number }
  | { readonly kind: "balloon-free-pages"; readonly device: number }
  /** The host begins a connection; `stream` counts those of the device, whoever began them. */
  | { readonly kind: "connect"; readonly device: number; readonly stream: number; readonly guestPort: number }
  | { readonly kind: "stream"; readonly device: number; readonly stream: number; readonly action: StreamAction };

/** What the host does to a connection with the guest. */
export type StreamAction =
  | { readonly do: "read"; readonly byteLength: number }
  | { readonly do: "write"; readonly bytes: Uint8Array }
  | { readonly do: "end" }
  | { readonly do: "reset" };

export function writeInput(input: Input): RecordValue {
  switch (input.kind) {
    case "frame": {
      const { bytes, checksum, segmentation } = input.frame;
      const work = [checksum === null ? null : { ...checksum }, segmentation === null ? null : { ...segmentation }];
      return { kind: input.kind, device: input.device, bytes, work };
    }
    case "keys":
      return { kind: input.kind, device: input.device, events: input.events.map((event) => ({ ...event })) };
    case "stream":
      return { ...input, action: { ...input.action } };
    default:
      return { ...input };
  }
}

/** @returns null for what is no input */
export function readInput(value: RecordValue): Input | null {
  const fields = fieldsOf(value);
  if (fields === null) return null;
  const { device } = fields;
  switch (fields.kind) {
    case "wait":
      return typeof fields.ticks === "bigint" ? { kind: "wait", ticks: fields.ticks } : null;
    case "serial":
      return fields.bytes instanceof Uint8Array ? { kind: "serial", bytes: fields.bytes } : null;
    case "port-write":
    case "port-discard":
    case "port-close":
      return readPortInput(fields.kind, fields.port, fields.bytes);
    case "resize":
      return isCount(fields.columns) && isCount(fields.rows)
        ? { kind: "resize", columns: fields.columns, rows: fields.rows }
        : null;
    case "done":
      return isCount(fields.number) ? { kind: "done", number: fields.number, value: fields.value ?? null } : null;
    default:
      return isCount(device) ? readDeviceInput(device, fields) : null;
  }
}

type Fields = { readonly [name: string]: RecordValue };

function readPortInput(
  kind: "port-write" | "port-discard" | "port-close",
  port: RecordValue | undefined,
  bytes: RecordValue | undefined,
): Input | null {
  if (typeof port !== "string") return null;
  if (kind !== "port-write") return { kind, port };
  return bytes instanceof Uint8Array ? { kind, port, bytes } : null;
}

function readDeviceInput(device: number, fields: Fields): Input | null {
  switch (fields.kind) {
    case "frame": {
      const frame = readFrame(fields);
      return frame === null ? null : { kind: "frame", device, frame };
    }
    case "link-resume":
    case "balloon-statistics":
    case "balloon-free-pages":
      return { kind: fields.kind, device };
    case "cable":
      return typeof fields.isIn === "boolean" ? { kind: "cable", device, isIn: fields.isIn } : null;
    case "keys": {
      const events = readEvents(fields.events);
      return events === null ? null : { kind: "keys", device, events };
    }
    case "balloon":
      return isCount(fields.byteLength) ? { kind: "balloon", device, byteLength: fields.byteLength } : null;
    case "connect":
      return isCount(fields.stream) && isCount(fields.guestPort)
        ? { kind: "connect", device, stream: fields.stream, guestPort: fields.guestPort }
        : null;
    case "stream": {
      const action = readStreamAction(fields.action);
      return isCount(fields.stream) && action !== null
        ? { kind: "stream", device, stream: fields.stream, action }
        : null;
    }
    default:
      return null;
  }
}

function readFrame({ bytes, work }: Fields): Frame | null {
  if (!(bytes instanceof Uint8Array) || !isList(work ?? null)) return null;
  const [checksum, segmentation] = (work as readonly RecordValue[]).map((each) => fieldsOf(each));
  const frame = { bytes, checksum: null, segmentation: null };
  const sum = checksum ?? null;
  if (sum !== null && !(isCount(sum.start) && isCount(sum.offset))) return null;
  const cut = segmentation ?? null;
  if (cut !== null && !((cut.kind === "tcp4" || cut.kind === "tcp6") && isCount(cut.payloadByteLength))) return null;
  return {
    ...frame,
    checksum: sum === null ? null : { start: sum.start as number, offset: sum.offset as number },
    segmentation:
      cut === null ? null : { kind: cut.kind as "tcp4" | "tcp6", payloadByteLength: cut.payloadByteLength as number },
  };
}

function readEvents(value: RecordValue | undefined): InputEvent[] | null {
  if (value === undefined || !isList(value)) return null;
  const events: InputEvent[] = [];
  for (const item of value) {
    const fields = fieldsOf(item);
    if (fields === null || !isCount(fields.type) || !isCount(fields.code)) return null;
    if (!Number.isInteger(fields.value)) return null;
    events.push({ type: fields.type, code: fields.code, value: fields.value as number });
  }
  return events;
}

/** @returns null for what is no action */
export function readStreamAction(value: RecordValue | undefined): StreamAction | null {
  const fields = fieldsOf(value ?? null);
  switch (fields?.do) {
    case "read":
      return isCount(fields.byteLength) ? { do: "read", byteLength: fields.byteLength } : null;
    case "write":
      return fields.bytes instanceof Uint8Array ? { do: "write", bytes: fields.bytes } : null;
    case "end":
    case "reset":
      return { do: fields.do };
    default:
      return null;
  }
}

function isCount(value: RecordValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
