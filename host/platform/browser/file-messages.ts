/** What is said between a page and its machine's worker about the file that keeps the machine. */
import type { MachineSetup, PackedError } from "../../api/messages.js";
import type { ReplayReport } from "../../api/replay.js";
import type { Snapshot } from "../../snapshot/machine-file.js";

/** Where a file is. */
export type FilePlace =
  /** In the browser's private file system, by name: it stays. */
  | { readonly kind: "kept"; readonly name: string }
  /** In the worker's memory: it is gone with the worker. */
  | { readonly kind: "memory" };

/** What there is to go on from. */
export interface OpenedFile {
  /** What the machine in it is made of; null for a file that was made just now. */
  readonly machine: MachineSetup | null;
  /** What the guest had written last. */
  readonly console: Uint8Array;
}

/** What can be asked for: argument and answer of each call. */
export interface FileCalls {
  /**
   * Opens a file, or makes it, and lets the machine go on that is in it, paused. `contents` take the place of what is
   * there. `setup` is for when the guest starts anew.
   */
  open: {
    readonly argument: { readonly place: FilePlace; readonly contents?: Blob; readonly setup: MachineSetup };
    readonly answer: OpenedFile;
  };
  /** Saves the machine as it is; without a name as where it was left. */
  save: {
    readonly argument: { readonly name?: string; readonly console: Uint8Array };
    readonly answer: Snapshot;
  };
  /** Oldest first. */
  list: { readonly argument: undefined; readonly answer: readonly Snapshot[] };
  /** The machine goes on from there. Answers with what the guest had written last. */
  restore: { readonly argument: { readonly id: number }; readonly answer: Uint8Array };
  delete: { readonly argument: { readonly id: number }; readonly answer: undefined };
  /** Whether the machine's history is recorded from now on. */
  record: { readonly argument: { readonly on: boolean }; readonly answer: undefined };
  /** Whether there is a history to be run again. */
  hasHistory: { readonly argument: undefined; readonly answer: boolean };
  /** Runs the newest history again, to the console; the machine is paused then, where it was. */
  replay: { readonly argument: undefined; readonly answer: ReplayReport };
  /** The replay that was asked for before is given up: it is refused with `replay/cancelled`. Not in turn, but at once. */
  cancelReplay: { readonly argument: undefined; readonly answer: undefined };
  /** The whole file. */
  contents: { readonly argument: undefined; readonly answer: Blob };
  /** Waits for what is being written, and lets go of the file. */
  close: { readonly argument: undefined; readonly answer: undefined };
}
export type FileCallName = keyof FileCalls;

export interface FileRequest {
  readonly id: number;
  readonly name: FileCallName;
  readonly argument: unknown;
}

export type FileAnswer =
  | { readonly id: number; readonly kind: "answer"; readonly value: unknown }
  | { readonly id: number; readonly kind: "refusal"; readonly error: PackedError };
