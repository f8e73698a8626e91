/**
 * What is said between the program that uses a machine and the worker that runs it. Everything is a structured clone,
 * and every message is one of these.
 */
import type { TranslationMode } from "../core/core.js";
import type { WasmModule } from "../core/wasm.js";
import type { BalloonStatistics } from "../devices/virtio/balloon.js";
import type { InputKind } from "../devices/virtio/input.js";
import type { InputEvent } from "../devices/virtio/input-events.js";
import type { VirtioInterface } from "../devices/virtio/mmio-registers.js";
import type { ImageProgress } from "../images/image.js";
import type { Identity, MachineStats } from "../machine/machine.js";
import type { Halt } from "../machine/run-loop.js";
import type { LinkMessage } from "../network/remote-link.js";
import { type ErrorData, VivariumError } from "../util/errors.js";
import type { BalloonState } from "./machine-balloon.js";
import type { PackedState } from "./packed-state.js";
import type { ReplayReport, ReplaySetup } from "./replay.js";
import type { FromGuestSocket, ToGuestSocket } from "./socket-messages.js";

/** A file by what the platform calls it (a path, a URL), or its content. */
export type Source = string | Uint8Array;

export interface DriveSetup {
  readonly source: Source;
  readonly readOnly: boolean;
  /** What the guest writes stays with the machine, and is part of its snapshots. */
  readonly overlay: boolean;
  readonly serial: string;
}

/** What a machine starts. */
export type GuestSetup =
  | { readonly kind: "image"; readonly name: string; readonly append: string; readonly firmware?: Source }
  | { readonly kind: "linux"; readonly kernel: Source; readonly initrd?: Source; readonly commandLine: string }
  | {
      readonly kind: "firmware";
      readonly firmware: Source;
      readonly kernel?: Source;
      readonly initrd?: Source;
      readonly commandLine: string;
    }
  | { readonly kind: "bare"; readonly program: Source }
  /** A machine that came out of a file, which does not have what it was started from: it cannot restart. */
  | { readonly kind: "saved" };

export interface MachineSetup {
  readonly guest: GuestSetup;
  readonly memoryByteLength: number;
  readonly hartCount: number;
  readonly clock: "host" | "virtual";
  readonly virtio: VirtioInterface;
  readonly drives: readonly DriveSetup[];
  /** Names of virtio-console ports. */
  readonly ports: readonly string[];
  readonly networks: readonly NetworkSetup[];
  readonly shares: readonly ShareSetup[];
  readonly sockets: readonly SocketSetup[];
  /** What a balloon takes when the machine is switched on; null without one. */
  readonly balloonByteLength: number | null;
  readonly inputs: readonly InputKind[];
  readonly translate: TranslationMode;
}

/** A network device. What it is plugged into is at the program's end. */
export interface NetworkSetup {
  /** Null for the usual address. */
  readonly mac: Uint8Array | null;
  readonly mtu: number;
}

export interface ShareSetup {
  readonly tag: string;
  /** As the platform has directories; null for one that is not there any more. */
  readonly directory: string | object | null;
  readonly readOnly: boolean;
  readonly mountPoint: string | null;
}

export interface SocketSetup {
  readonly cid: number;
  /** By which other programs of the host reach the guest. */
  readonly path: string | null;
}

/** What a machine that comes out of a file is connected to again. */
export interface Connections {
  /** How many network devices are plugged in. */
  readonly networkCount: number;
  readonly shares: readonly ShareSetup[];
  /** Paths of sockets, in their order. */
  readonly sockets: readonly (string | null)[];
  /** The disks that are not in the file, in their order. */
  readonly drives: readonly Source[];
  readonly translate: TranslationMode;
}

/** Before a file has said what its machine is. */
export const NO_SETUP: MachineSetup = {
  guest: { kind: "saved" },
  memoryByteLength: 0,
  hartCount: 1,
  clock: "host",
  virtio: "modern",
  drives: [],
  ports: [],
  networks: [],
  shares: [],
  sockets: [],
  balloonByteLength: null,
  inputs: [],
  translate: "on",
};

/** A snapshot as its machine's worker knows it. */
export interface SnapshotFacts {
  readonly id: number;
  /** Retired by all harts. */
  readonly instructions: bigint;
}

/** What a machine has done, and how its balloon stands. */
export interface WorkerStats extends MachineStats {
  /** Null without a balloon, and when it is off. */
  readonly balloon: BalloonState | null;
}

/** What can be asked of the worker: argument and answer of each call. */
export interface Calls {
  /** Opens what the machine is made of, and answers with all of it, the image's own disk included. It is off then. */
  create: {
    /** `record` is the name of a new file for the machine and its history. */
    readonly argument: { readonly setup: MachineSetup; readonly record: string | null };
    readonly answer: MachineSetup;
  };
  /** Makes the machine that goes on from a state, paused unless `start`. */
  adopt: {
    readonly argument: {
      readonly setup: MachineSetup;
      readonly core: WasmModule;
      readonly state: PackedState;
      readonly identity: Identity;
      readonly start: boolean;
    };
    readonly answer: undefined;
  };
  /** Opens a machine's file: it is paused where it was saved, at that snapshot, or where a replay of its history stops. */
  open: {
    readonly argument: {
      readonly name: string;
      readonly snapshot: string | null;
      readonly identity: Identity | null;
      readonly connections: Connections;
      readonly record: boolean;
      readonly replay: ReplaySetup | null;
    };
    readonly answer: { readonly setup: MachineSetup; readonly replayed: ReplayReport | null };
  };
  /** Saves the machine to its file, or to a new one, as the point that `open` goes on from; `label` names it, too. */
  save: {
    readonly argument: { readonly name: string | null; readonly label: string | null };
    readonly answer: undefined;
  };
  /** Switches the machine on, or lets one that is paused go on. */
  start: { readonly argument: undefined; readonly answer: undefined };
  /** Not of a machine that is off. */
  pause: { readonly argument: undefined; readonly answer: undefined };
  /** Not of a machine that is off. */
  resume: { readonly argument: undefined; readonly answer: undefined };
  /** Switches the machine off at once. */
  stop: { readonly argument: undefined; readonly answer: undefined };
  /** Off and on again at once. */
  reset: { readonly argument: undefined; readonly answer: undefined };
  snapshot: { readonly argument: undefined; readonly answer: SnapshotFacts };
  restore: { readonly argument: { readonly id: number; readonly identity: Identity }; readonly answer: undefined };
  deleteSnapshot: { readonly argument: { readonly id: number }; readonly answer: undefined };
  /** The state of a snapshot, or of the machine as it is when `id` is null; once for each of `count` others. */
  pack: {
    readonly argument: { readonly id: number | null; readonly count: number };
    readonly answer: { readonly core: WasmModule; readonly states: readonly PackedState[] };
  };
  stats: { readonly argument: undefined; readonly answer: WorkerStats };
  setBalloon: { readonly argument: { readonly byteLength: number }; readonly answer: undefined };
  /** What the guest tells of its memory by the balloon. */
  guestMemory: { readonly argument: undefined; readonly answer: BalloonStatistics | null };
  stateHash: { readonly argument: undefined; readonly answer: string };
  /** Closes what is open. */
  close: { readonly argument: undefined; readonly answer: undefined };
}
export type CallName = keyof Calls;

export type ToWorker =
  | { readonly kind: "call"; readonly id: number; readonly name: CallName; readonly argument: unknown }
  /** A message for a port, which reaches the guest's device whole. */
  | { readonly kind: "port"; readonly port: string; readonly bytes: Uint8Array }
  /** For the other end of a network device's link. */
  | { readonly kind: "link"; readonly index: number; readonly message: LinkMessage }
  | { readonly kind: "socket"; readonly index: number; readonly message: ToGuestSocket }
  /** Happens at a keyboard or tablet. */
  | { readonly kind: "input"; readonly index: number; readonly events: readonly InputEvent[] }
  /** Somebody waits for the guest's agent: nothing to a machine that is there. */
  | { readonly kind: "wanted" }
  | { readonly kind: "type"; readonly bytes: Uint8Array }
  | { readonly kind: "resize"; readonly columns: number; readonly rows: number }
  /** Whether the guest is held back while its console's output is not taken. */
  | { readonly kind: "hold-console"; readonly hold: boolean }
  /** So much of the console's output has found a reader. */
  | { readonly kind: "console-taken"; readonly byteLength: number };

/** What a machine does: off, running, or standing still amid everything. */
export type MachineStatus = "off" | "running" | "paused";

export type FromWorker =
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "refusal"; readonly id: number; readonly error: PackedError }
  | { readonly kind: "progress"; readonly progress: ImageProgress }
  | { readonly kind: "status"; readonly status: MachineStatus }
  /** The guest has ended itself. */
  | { readonly kind: "halt"; readonly halt: Halt }
  /** The guest has asked for a reset, and is on again. */
  | { readonly kind: "reboot" }
  | { readonly kind: "port-open"; readonly port: string; readonly open: boolean }
  | { readonly kind: "port"; readonly port: string; readonly bytes: Uint8Array }
  | { readonly kind: "link"; readonly index: number; readonly message: LinkMessage }
  | { readonly kind: "socket"; readonly index: number; readonly message: FromGuestSocket }
  | { readonly kind: "input"; readonly index: number; readonly event: InputEvent }
  | { readonly kind: "console"; readonly bytes: Uint8Array }
  /** So many typed bytes have reached the guest. */
  | { readonly kind: "typed"; readonly byteLength: number }
  /** The machine has ended by an error of ours. */
  | { readonly kind: "failure"; readonly error: PackedError }
  /** Recording has ended before the machine; it runs on. */
  | { readonly kind: "recording-failure"; readonly error: PackedError };

/** An error on its way between threads, which keep no more of an error's class than its name. */
export interface PackedError {
  readonly code: string | null;
  readonly message: string;
  readonly data: ErrorData;
}

export function packError(error: unknown): PackedError {
  if (error instanceof VivariumError) return { code: error.code, message: error.message, data: error.data };
  return { code: null, message: error instanceof Error ? (error.stack ?? error.message) : String(error), data: {} };
}

export function unpackError({ code, message, data }: PackedError): Error {
  if (code !== null) return new VivariumError(code, message, data);
  return new VivariumError("machine/internal", `the machine's worker failed: ${message}`, data);
}
