import { unreachable } from "../util/errors.js";

/** Exit statuses of the program that have a fixed meaning. */
export const STATUS_OK = 0;
/** The guest ended before it did what was asked of it. */
export const STATUS_GUEST_ENDED_EARLY = 1;
/** The operator's input cannot be used. */
export const STATUS_BAD_INPUT = 2;
/** The guest's kernel panicked. */
export const STATUS_PANIC = 3;
/** Our own error (EX_SOFTWARE of sysexits.h). */
export const STATUS_INTERNAL_ERROR = 70;
/** Shells report an end by signal N as 128 + N, and some programs read larger statuses as that. */
const STATUS_LARGEST_FAILURE = 125;
const STATUS_SIGNAL_BASE = 128;
export const SIGPIPE = 13;

/** How a run ended, as far as the program's exit status is concerned. */
export type GuestEnd =
  | { readonly kind: "poweroff" }
  /** The guest asked for a reset where nobody restarts it. */
  | { readonly kind: "reboot" }
  /** The guest reported failure through the test device or SBI. */
  | { readonly kind: "fail"; readonly code: number }
  /** A program that follows the HTIF convention of riscv-tests wrote `tohost`. */
  | { readonly kind: "htif"; readonly exitCode: number; readonly testNumber: number }
  /** `message` is the kernel's panic line. */
  | { readonly kind: "panic"; readonly message: string }
  /** The operator left with the escape key. */
  | { readonly kind: "left" }
  /** The command of `--exec` ended. */
  | { readonly kind: "command"; readonly status: number }
  /** It could not be started, or its end was not seen. */
  | { readonly kind: "lost"; readonly message: string }
  /** The program received a signal, or lost the reader of its output (SIGPIPE). */
  | { readonly kind: "signal"; readonly number: number };

export interface ExitReport {
  readonly status: number;
  /** One line for the operator, where the status alone does not say enough. */
  readonly message?: string;
}

/** @param command whether the run was for a command, which then has not ended unless `end` says so */
export function reportEnd(end: GuestEnd, command: boolean): ExitReport {
  switch (end.kind) {
    case "poweroff":
      if (!command) return { status: STATUS_OK };
      return early("the guest switched itself off before the command ended");
    case "reboot":
      return early("the guest reset itself before the command ended");
    case "fail":
      return { status: failureStatus(end.code), message: `the guest reported failure ${end.code}` };
    case "htif":
      if (end.exitCode === 0) return { status: STATUS_OK };
      return { status: failureStatus(end.exitCode), message: `test ${end.testNumber} failed` };
    case "panic":
      return { status: STATUS_PANIC, message: `the guest panicked: ${end.message}` };
    case "left":
      return { status: STATUS_OK };
    case "command":
      return { status: end.status };
    case "lost":
      return { status: STATUS_GUEST_ENDED_EARLY, message: end.message };
    case "signal":
      return { status: signalStatus(end.number) };
    default:
      return unreachable(end);
  }
}

/** The status that shells give a program ended by a signal. */
export function signalStatus(signal: number): number {
  return STATUS_SIGNAL_BASE + signal;
}

function early(message: string): ExitReport {
  return { status: STATUS_GUEST_ENDED_EARLY, message };
}

/** A failure is never reported as success, nor as a signal. */
function failureStatus(code: number): number {
  return Math.min(Math.max(code, 1), STATUS_LARGEST_FAILURE);
}
