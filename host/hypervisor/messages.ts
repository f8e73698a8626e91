/**
 * What is said between a hypervisor and its workers. Each machine has a lane of its own, in which the messages of
 * `api/messages.ts` go; lane 0 is the hypervisor's, for calls about all of them.
 */
import type { MachineSetup, PackedError } from "../api/messages.js";
import type { PackedState } from "../api/packed-state.js";
import type { Transit } from "../api/transit.js";
import type { Usage } from "../control/hypervisor/schemas.js";
import type { WasmModule } from "../core/wasm.js";
import type { Identity } from "../machine/machine-options.js";
import type { Policy } from "./scheduling/settings.js";

export const CONTROL_LANE = 0;

/** Every message of the channel. */
export interface Envelope {
  /** 1 and up for machines. */
  readonly lane: number;
  readonly message: unknown;
}

/** A machine on its way to another worker. */
export interface PackedMachine {
  readonly setup: MachineSetup;
  readonly state: PackedState;
  readonly transit: Transit;
  readonly isRunning: boolean;
}

/** How a machine is at one moment. Counts begin at 0 in each worker that the machine comes to. */
export interface LaneReading {
  readonly lane: number;
  /** Retired by all harts. */
  readonly instructions: number;
  /** Time of the worker's processor that the machine took. */
  readonly busyMs: number;
  /** Time in which it wanted the processor and had none. */
  readonly stolenMs: number;
  /** How often it waited for something to happen. */
  readonly waits: number;
  readonly touchedByteLength: number;
  /** Of that, what takes up memory of the host now. */
  readonly residentByteLength: number;
  /** What the guest has written to its disks since they were saved, which is in memory. */
  readonly diskByteLength: number;
  readonly balloonByteLength: number;
  /** What the guest could do without, its balloon included, as it said when it was asked last; null until it has. */
  readonly spareByteLength: number | null;
  readonly diskReads: number;
  readonly diskReadBytes: number;
  readonly diskWrites: number;
  readonly diskWrittenBytes: number;
  readonly networkReceivedFrames: number;
  readonly networkReceivedBytes: number;
  readonly networkSentFrames: number;
  readonly networkSentBytes: number;
}

/** A point in a machine's file. */
export interface FilePoint {
  readonly name: string;
  readonly parent: string | null;
  readonly createdAt: number;
  readonly instructions: number;
  readonly ownByteLength: number;
  readonly automatic: boolean;
  readonly present: boolean;
}

interface OfLane {
  readonly lane: number;
}
/** A machine that comes to a worker. */
interface NewLane extends OfLane {
  /** By which the policy knows it. */
  readonly name: string;
}
interface OfFile {
  readonly file: string;
}

/** What can be asked of a worker: argument and answer of each call. */
export interface WorkerCalls {
  /** How its machines are; also shows that no machine holds it up. */
  readings: { readonly argument: undefined; readonly answer: readonly LaneReading[] };
  /** Opens what a machine is made of; it is off then. */
  create: { readonly argument: NewLane & { readonly setup: MachineSetup }; readonly answer: MachineSetup };
  start: { readonly argument: OfLane; readonly answer: undefined };
  pause: { readonly argument: OfLane; readonly answer: undefined };
  /** Switches a machine off and forgets it. */
  close: { readonly argument: OfLane; readonly answer: LaneReading | null };
  /** Where the worker is to note whose turn it is: `TurnNote`. */
  noteTurns: { readonly argument: SharedArrayBuffer; readonly answer: undefined };
  /** How the processor is divided from now on. */
  policy: { readonly argument: Policy; readonly answer: undefined };
  /** Asks the guest how it stands with its memory: a later reading has the answer. */
  askMemory: { readonly argument: OfLane; readonly answer: undefined };
  balloon: { readonly argument: OfLane & { readonly byteLength: number }; readonly answer: undefined };
  /** The machine as it is, once for each of `count` others. */
  pack: {
    readonly argument: OfLane & { readonly count: number };
    readonly answer: {
      readonly core: WasmModule;
      readonly setup: MachineSetup;
      readonly states: readonly PackedState[];
    };
  };
  /** As `pack`, from a point in a file. */
  packPoint: {
    readonly argument: OfFile & { readonly name: string; readonly count: number };
    readonly answer: { readonly core: WasmModule; readonly states: readonly PackedState[] };
  };
  /** Takes a machine out amid everything, and forgets it. */
  detach: {
    readonly argument: OfLane;
    readonly answer: {
      readonly core: WasmModule;
      readonly machine: PackedMachine;
      readonly reading: LaneReading | null;
    };
  };
  /** Goes on with a machine that was taken out of another worker. */
  attach: {
    readonly argument: NewLane & { readonly core: WasmModule; readonly machine: PackedMachine };
    readonly answer: undefined;
  };
  /** Makes the machine that goes on from another's state; it stands still. */
  adopt: {
    readonly argument: NewLane & {
      readonly setup: MachineSetup;
      readonly core: WasmModule;
      readonly state: PackedState;
      readonly identity: Identity;
    };
    readonly answer: undefined;
  };
  /** Saves a machine to its file; it runs on. @param name null for the place where it was left */
  save: {
    readonly argument: OfLane & OfFile & { readonly name: string | null };
    readonly answer: FileFacts;
  };
  /** Saves a machine to its file, and forgets it. */
  hibernate: {
    readonly argument: OfLane & OfFile;
    readonly answer: FileFacts & {
      readonly transit: Transit;
      readonly isRunning: boolean;
      readonly reading: LaneReading | null;
    };
  };
  /**
   * Goes on from where a machine's file says; it stands still. The transit is null when nobody knows what was on its
   * way. The setup is completed by the image's own disk unless it is complete.
   */
  wake: {
    readonly argument: NewLane &
      OfFile & { readonly setup: MachineSetup; readonly isComplete: boolean; readonly transit: Transit | null };
    readonly answer: MachineSetup;
  };
  /** Gives the point where a machine was left a name. */
  namePoint: { readonly argument: OfFile & { readonly name: string }; readonly answer: FileFacts };
  points: { readonly argument: OfFile; readonly answer: readonly FilePoint[] };
  deletePoint: { readonly argument: OfFile & { readonly name: string }; readonly answer: FileFacts };
  /** Makes a point the one that the machine goes on from, and puts the machine there if it is in this worker. */
  restore: {
    readonly argument: OfFile & { readonly name: string; readonly lane: number | null };
    readonly answer: undefined;
  };
  /** Writes down in the file what the machine has used. */
  keepUsage: { readonly argument: OfFile & { readonly usage: Usage }; readonly answer: undefined };
  closeFile: { readonly argument: OfFile; readonly answer: undefined };
  removeFile: { readonly argument: OfFile; readonly answer: undefined };
  /** Begins to give the file as a stream. @returns the number of the stream */
  exportBegin: { readonly argument: OfFile & { readonly passphrase: string | null }; readonly answer: number };
  /** The next piece, or null after the last. */
  exportNext: { readonly argument: { readonly stream: number }; readonly answer: Uint8Array | null };
  exportEnd: { readonly argument: { readonly stream: number }; readonly answer: undefined };
  importBegin: { readonly argument: OfFile & { readonly passphrase: string | null }; readonly answer: number };
  /** Null after the last piece. Answers when there is room for more, or with what the machine is. */
  importNext: {
    readonly argument: { readonly stream: number; readonly bytes: Uint8Array | null };
    readonly answer: ImportedMachine | null;
  };
  importEnd: { readonly argument: { readonly stream: number }; readonly answer: undefined };
}
export type WorkerCallName = keyof WorkerCalls;

export interface FileFacts {
  /** Of the file. */
  readonly byteLength: number;
}

/** What the file of a machine from elsewhere says of it. */
export interface ImportedMachine extends FileFacts {
  readonly memoryByteLength: number;
  readonly hartCount: number;
  readonly networkCount: number;
  readonly shares: readonly string[];
  /** What it had used there; null of one that nobody counted. */
  readonly usage: Usage | null;
}

export type ToWorkerHost = {
  readonly kind: "call";
  readonly id: number;
  readonly name: WorkerCallName;
  readonly argument: unknown;
};

export type FromWorkerHost =
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "refusal"; readonly id: number; readonly error: PackedError };
