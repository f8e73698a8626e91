/**
 * Every request an operator can make, its arguments checked but no file opened yet.
 *
 * Front ends (command line, later REST) make actions; whoever performs them switches exhaustively over `action`.
 */
export type Action = RunAction | ExecAction | OpenAction | MachineFileAction;

/** Runs a machine with the operator at its console, until the guest ends or the operator leaves. */
export interface RunAction {
  readonly action: "run";
  readonly machine: MachineRequest;
  /** Absent for a machine that is gone when it ends. */
  readonly keep?: KeepRequest;
  /** Whether to boot even if the machine was booted before. */
  readonly cold: boolean;
}

/** Boots an image, runs one shell command in it, and ends with the command's exit status. */
export interface ExecAction {
  readonly action: "exec";
  readonly machine: MachineRequest;
  readonly command: string;
  readonly keep?: KeepRequest;
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
  readonly stats: boolean;
}

/** A machine file, and what is saved into it while the machine runs besides where it is left. */
export interface KeepRequest {
  readonly file: string;
  /** Null without a schedule. */
  readonly schedule: ScheduleRequest | null;
}

export interface ScheduleRequest {
  readonly everyMs: number;
  /** Automatic snapshots that stay; older ones are deleted. */
  readonly keepCount: number;
}

/** What is done to a machine file whose machine does not run. */
export type MachineFileAction =
  /** Names the point where the machine was left. */
  | { readonly action: "snapshot"; readonly file: string; readonly name: string }
  /** Deletes named points, and what only they used. */
  | { readonly action: "delete-snapshots"; readonly file: string; readonly names: readonly string[] }
  /** Makes a named point the one where the machine goes on. */
  | { readonly action: "restore"; readonly file: string; readonly name: string }
  /** Makes machines that go on beside this one, each in a file of its own. */
  | { readonly action: "fork"; readonly file: string; readonly count: number; readonly keepIdentity: boolean }
  | { readonly action: "inspect"; readonly file: string; readonly json: boolean }
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

/** The machine an operator asks for. Files are named as the operator named them. */
export interface MachineRequest {
  readonly guest: GuestSource;
  readonly memoryByteLength: number;
  readonly hartCount: number;
  /** In slot order: the first is the guest's first virtio disk. */
  readonly drives: readonly DriveRequest[];
  /** `virtual` makes guest time a function of retired instructions. */
  readonly clock: ClockChoice;
  /** File that receives one line for each retired instruction. */
  readonly commitLog?: string;
  /** Whether to report what the machine did when it has ended. */
  readonly stats: boolean;
}

export type ClockChoice = "host" | "virtual";

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

export interface DriveRequest {
  readonly file: string;
  readonly readOnly: boolean;
}
