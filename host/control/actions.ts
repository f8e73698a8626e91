/**
 * Every request an operator can make, its arguments checked but no file opened yet.
 *
 * Front ends (command line, later REST) make actions; whoever performs them switches exhaustively over `action`.
 */
export type Action = RunAction | ExecAction;

/** Runs a machine with the operator at its console, until the guest ends or the operator leaves. */
export interface RunAction {
  readonly action: "run";
  readonly machine: MachineRequest;
}

/** Boots an image, runs one shell command in it, and ends with the command's exit status. */
export interface ExecAction {
  readonly action: "exec";
  readonly machine: MachineRequest;
  readonly command: string;
}

/** The machine an operator asks for. Files are named as the operator named them. */
export interface MachineRequest {
  readonly guest: GuestSource;
  readonly memoryByteLength: number;
  readonly hartCount: number;
  /** In slot order: the first is the guest's first virtio disk. */
  readonly drives: readonly DriveRequest[];
  /** `virtual` makes guest time a function of retired instructions. */
  readonly clock: ClockChoice;
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

export interface DriveRequest {
  readonly file: string;
  readonly readOnly: boolean;
}
