import { VivariumError } from "../util/errors.js";

/** Linux's signals as riscv64 numbers them: include/uapi/asm-generic/signal.h. */
const SIGNALS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} as const;

export type SignalName = keyof typeof SIGNALS;

/** Linux has real-time signals up to this one. */
const SIGNAL_MAX = 64;

/** @throws VivariumError `option/invalid` */
export function signalNumber(signal: SignalName | number): number {
  const number = typeof signal === "number" ? signal : SIGNALS[signal];
  if (Number.isInteger(number) && number >= 1 && number <= SIGNAL_MAX) return number;
  const message = `signal ${JSON.stringify(signal)}: expected a name such as "SIGTERM", or a number from 1 to ${SIGNAL_MAX}`;
  throw new VivariumError("option/invalid", message);
}

/** `SIGKILL`; a real-time signal by its number. */
export function signalName(number: number): string {
  return Object.entries(SIGNALS).find(([, value]) => value === number)?.[0] ?? `SIG${number}`;
}
