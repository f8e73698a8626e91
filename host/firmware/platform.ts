/** What the firmware needs of the machine around it. */
import type { GuestRam } from "../devices/device.js";

/** A hart as the firmware sees it. */
export interface SbiHart {
  readonly id: number;
  pc: bigint;
  x(register: number): bigint;
  setX(register: number, value: bigint): void;
  /** Raw value of a CSR: no privilege check. */
  csr(number: number): bigint;
  setCsr(number: number, value: bigint): void;
  readonly runState: "started" | "stopped" | "waiting";
  start(pc: bigint, privilege: number, a0: bigint, a1: bigint): void;
  stop(): void;
  /** Stalls a started hart as WFI does: until an interrupt is pending that `mie` enables. */
  wait(): void;
  setInterruptPending(bit: number, level: boolean): void;
  /** Forgets all translations, of every address space. */
  flushTlb(): void;
}

/** A console that never blocks. */
export interface SbiConsole {
  write(bytes: Uint8Array): void;
  /** Takes typed bytes. @returns how many of `into` were filled */
  read(into: Uint8Array): number;
}

/** What a guest asks for at its end. */
export type SystemReset = "poweroff" | "reboot" | "failure";

export interface SbiPlatform {
  /** By hart id. */
  readonly harts: readonly SbiHart[];
  readonly ram: GuestRam;
  readonly console: SbiConsole;
  /** Ends the run after this call. */
  reset(request: SystemReset): void;
}
