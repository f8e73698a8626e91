import type { InputKind } from "../devices/virtio/input.js";
import type { LinkRate } from "../network/limited-link.js";
import type { EgressRule } from "../network/nat/egress.js";
import type { Rate } from "../network/token-bucket.js";
import type { DiskFormat } from "../storage/format.js";
import type { ThrottleLimits } from "../storage/throttle.js";
import type { DaemonAction } from "./cli/daemon-action.js";
import type { NetworkRequest } from "./network-options.js";
import type { ServeAction } from "./serve-options.js";

/**
 * Every request an operator can make, its arguments checked but no file opened yet.
 *
 * The command line makes actions; whoever performs them switches exhaustively over `action`. What a daemon is asked for is
 * an action of `hypervisor/actions.ts`.
 */
export type Action =
  | MachineAction
  | OpenAction
  | MachineFileAction
  | RelayAction
  | ImageAction
  | ServeAction
  | DaemonAction;

/** Something to do with a machine. */
export type MachineAction = RunAction | ExecAction;

/** Something to do with images rather than machines. */
export type ImageAction =
  /** Lists the images and what they take. */
  | { readonly action: "image-list" }
  /** Makes an image by its recipe; `force` also when it is there already. */
  | {
      readonly action: "image-build";
      readonly name: string;
      readonly diskByteLength?: number;
      readonly force: boolean;
    }
  | { readonly action: "image-remove"; readonly name: string }
  /** Copies the directory of an image into the store. */
  | { readonly action: "image-import"; readonly name: string; readonly directory: string };

/** Runs a machine with the operator at its console, until the guest ends or the operator leaves. */
export interface RunAction {
  readonly action: "run";
  readonly machine: MachineRequest;
  /** Absent for a machine that is gone when it ends. */
  readonly keep?: KeepRequest;
  /** Whether to boot even if the machine was booted before. */
  readonly cold: boolean;
}

/** Runs one shell command in an image's guest, and ends with the command's exit status. */
export interface ExecAction {
  readonly action: "exec";
  readonly machine: MachineRequest;
  readonly command: string;
  readonly keep?: KeepRequest;
  /** Whether to boot even if the machine was booted before. */
  readonly cold: boolean;
}

/** Gives machines elsewhere a network of this host, until it is ended. */
export interface RelayAction {
  readonly action: "relay";
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly egress: readonly EgressRule[];
  /** For each machine. */
  readonly rate: LinkRate | null;
  /** Web pages that may connect besides those of this host. */
  readonly origins: readonly string[];
}

/** Goes on with a machine from its file, until the guest ends, the operator leaves, or the command is done. */
export interface OpenAction {
  readonly action: "open";
  readonly keep: KeepRequest;
  /** A shell command to run instead of staying at the console. */
  readonly command?: string;
  /** Whether the file stays as it is. */
  readonly discard: boolean;
  /** Whether the machine is the one that was saved, even if the file was copied: for running the same history again. */
  readonly keepIdentity: boolean;
  /** What its network devices are plugged into, in their order; the cables of those beyond are out. */
  readonly networks: readonly NetworkRequest[];
  /** Where the disks are now that its file does not have, in their order. */
  readonly drives: readonly DriveRequest[];
  /** The folders that are given to it again, by their tags. */
  readonly shares: readonly ShareRequest[];
  /** As a `MachineRequest` has them. */
  readonly limits?: string;
  readonly capture?: string;
  /** The Unix socket by which its socket device of this address is reached. */
  readonly socket?: Required<SocketRequest>;
  readonly translate: TranslationMode;
  readonly translationByteLengthMax: number;
  readonly stats: boolean;
}

/** A machine file, and what is saved into it while the machine runs besides where it is left. */
export interface KeepRequest {
  readonly file: string;
  /** Null without a schedule. */
  readonly schedule: ScheduleRequest | null;
  /** Whether the machine's history is recorded, to be run again. */
  readonly record: boolean;
}

export interface ScheduleRequest {
  readonly everyMs: number;
  /** Automatic snapshots that stay; older ones are deleted. */
  readonly keepCount: number;
}

/** What is done to a machine file, whether its machine runs or not. */
export type MachineFileAction =
  /** Names the point where the machine was left. */
  | { readonly action: "snapshot"; readonly file: string; readonly name: string }
  /** Deletes named points, and what only they used. */
  | { readonly action: "delete-snapshots"; readonly file: string; readonly names: readonly string[] }
  /** Deletes all recorded histories, and what only they used. */
  | { readonly action: "delete-histories"; readonly file: string }
  /** Makes a named point the one where the machine goes on. */
  | { readonly action: "restore"; readonly file: string; readonly name: string }
  /** Makes machines that go on beside this one, each in a file of its own. */
  | { readonly action: "fork"; readonly file: string; readonly count: number; readonly keepIdentity: boolean }
  | { readonly action: "inspect"; readonly file: string; readonly json: boolean }
  /** Runs a recorded history again. */
  | ReplayAction
  /** Writes the machine as one stream; to standard output without a file. */
  | { readonly action: "export"; readonly file: string; readonly output?: string; readonly passphraseFile?: string }
  /** Makes a machine file of such a stream; from standard input without one. */
  | {
      readonly action: "import";
      readonly input?: string;
      readonly file: string;
      readonly passphraseFile?: string;
      readonly keepIdentity: boolean;
    };

export interface ReplayAction {
  readonly action: "replay";
  readonly file: string;
  /** By its number; the newest without. */
  readonly history?: number;
  /** The snapshot to begin with. */
  readonly from?: string;
  /** The instruction to stop at, from power-on... */
  readonly until?: bigint;
  /** ...or from the end. */
  readonly back?: bigint;
  /** A new machine file for where it stopped. */
  readonly save?: string;
  readonly translate: TranslationMode;
  readonly translationByteLengthMax: number;
  readonly json: boolean;
}

/** The machine an operator asks for. Files are named as the operator named them. */
export interface MachineRequest {
  readonly guest: GuestSource;
  readonly memoryByteLength: number;
  readonly hartCount: number;
  /** In slot order: the first is the guest's first virtio disk. */
  readonly drives: readonly DriveRequest[];
  /** Folders of the host that the guest can mount. */
  readonly shares: readonly ShareRequest[];
  /** A socket device. */
  readonly socket?: SocketRequest;
  /** A balloon, and what it takes of the memory from the start. */
  readonly balloon?: { readonly byteLength: number };
  readonly inputs: readonly InputKind[];
  /** The file that keeps the image's own disk as the guest leaves it; absent when that is to be forgotten. */
  readonly ownDisk?: string;
  /** Network devices, in slot order. */
  readonly networks: readonly NetworkRequest[];
  /** What all networks carry together. */
  readonly sharedRate?: Rate;
  /** File with limits of networks and disks, which may change while the machine runs: see `limits-file.ts`. */
  readonly limits?: string;
  /** File that receives what passes on the networks, in pcap's format. */
  readonly capture?: string;
  /** `virtual` makes guest time a function of retired instructions. */
  readonly clock: ClockChoice;
  /** What the drivers of virtio devices find. */
  readonly virtio: VirtioChoice;
  /** Whether code is translated to Wasm. */
  readonly translate: TranslationMode;
  /** Translated code that is kept, in bytes of Wasm. */
  readonly translationByteLengthMax: number;
  /** An instruction's virtual address: what its code was translated to is shown at the end. */
  readonly dumpRegion?: bigint;
  /** File that receives one line for each retired instruction. */
  readonly commitLog?: string;
  /** Whether to report what the machine did when it has ended. */
  readonly stats: boolean;
}

export type ClockChoice = "host" | "virtual";
export type VirtioChoice = "modern" | "legacy";
export type TranslationMode = "on" | "off" | "eager";

/** What the machine starts. */
export type GuestSource =
  /** A guest image by name; `firmware` puts a real M-mode firmware under its kernel, `append` extends its command line. */
  | { readonly kind: "image"; readonly name: string; readonly firmware?: string; readonly append: string }
  /** A kernel started in S-mode, with SBI served by the machine. */
  | { readonly kind: "linux"; readonly kernel: string; readonly initrd?: string; readonly commandLine: string }
  /** A real M-mode firmware, with a kernel for it to start or without. */
  | {
      readonly kind: "firmware";
      readonly firmware: string;
      readonly kernel?: string;
      readonly initrd?: string;
      readonly commandLine: string;
    }
  /** A program started in M-mode with nothing below it. */
  | { readonly kind: "bare"; readonly program: string };

/** A virtio disk. */
export interface DriveRequest {
  readonly file: string;
  /** Null to detect it: see `storage/format.ts`. */
  readonly format: DiskFormat | null;
  readonly readOnly: boolean;
  /** Whether what the guest writes is gone at the end. */
  readonly snapshot: boolean;
  /** Id or name of a snapshot within a qcow2 image, which is then the disk. */
  readonly internalSnapshot?: string;
  /** Which files the image may name as what it lies over. */
  readonly backing: "same-directory" | "any";
  /** What the guest reads as the disk's serial number. */
  readonly serial?: string;
  readonly limits: ThrottleLimits | null;
}

export interface ShareRequest {
  readonly directory: string;
  /** By what the guest mounts it. */
  readonly tag: string;
  readonly readOnly: boolean;
}

export interface SocketRequest {
  /** The guest's address. */
  readonly cid: number;
  /** The Unix socket of the host by which its programs reach the guest's ports, and the beginning of those for theirs. */
  readonly path?: string;
}
