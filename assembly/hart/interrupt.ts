import { Hart } from "../generated/hart";
import {
  IRQ_MEI,
  IRQ_MSI,
  IRQ_MTI,
  IRQ_SEI,
  IRQ_SSI,
  IRQ_STI,
  PRIVILEGE_MACHINE,
  PRIVILEGE_SUPERVISOR,
} from "../shared/causes";
import { instructionsUntil, timeNow } from "./counters";
import { ENVCFG_STCE, MSTATUS_MIE, MSTATUS_SIE } from "./status";

/** Nothing to take. */
export const NO_INTERRUPT: u32 = 0;

const MTIP: u64 = 1 << IRQ_MTI;
const STIP: u64 = 1 << IRQ_STI;

/** mip: what software set, the lines from outside, and the timers. */
export function pendingInterrupts(h: Hart): u64 {
  let pending = h.mip | h.externalLines;
  const now = timeNow(h);
  if (now >= h.mtimecmp) pending |= MTIP;
  if ((h.menvcfg & ENVCFG_STCE) != 0) {
    pending &= ~STIP;
    if (now >= h.stimecmp) pending |= STIP;
  }
  return pending;
}

/**
 * The interrupt to take now, or NO_INTERRUPT.
 *
 * Privileged ISA, "Machine Interrupt Registers": those for a higher mode first; within a mode external, software,
 * timer; machine-level ones before supervisor-level ones.
 */
export function interruptToTake(h: Hart): u32 {
  const pending = pendingInterrupts(h) & h.mie;
  if (pending == 0) return NO_INTERRUPT;
  const toMachine = pending & ~h.mideleg;
  if (toMachine != 0 && (h.privilege < PRIVILEGE_MACHINE || (h.mstatus & MSTATUS_MIE) != 0)) return first(toMachine);
  const toSupervisor = pending & h.mideleg;
  if (
    toSupervisor != 0 &&
    (h.privilege < PRIVILEGE_SUPERVISOR || (h.privilege == PRIVILEGE_SUPERVISOR && (h.mstatus & MSTATUS_SIE) != 0))
  ) {
    return first(toSupervisor);
  }
  return NO_INTERRUPT;
}

/** Whether WFI has something to wake for: a pending interrupt enabled in mie, whatever mstatus says. */
export function wakesFromWfi(h: Hart): bool {
  return (pendingInterrupts(h) & h.mie) != 0;
}

/** Instructions until a timer changes what is pending, at most `limit`. */
export function instructionsUntilTimer(h: Hart, limit: u32): u32 {
  let left = limit;
  if ((h.mie & MTIP) != 0) left = instructionsUntil(h.mtimecmp, left);
  if ((h.mie & STIP) != 0 && (h.menvcfg & ENVCFG_STCE) != 0) left = instructionsUntil(h.stimecmp, left);
  return left;
}

/** The mtime at which the first timer fires that would wake the hart; u64.MAX_VALUE when none is armed. */
export function nextTimer(h: Hart): u64 {
  let earliest = u64.MAX_VALUE;
  if ((h.mie & MTIP) != 0) earliest = h.mtimecmp;
  if ((h.mie & STIP) != 0 && (h.menvcfg & ENVCFG_STCE) != 0 && h.stimecmp < earliest) earliest = h.stimecmp;
  return earliest;
}

function first(pending: u64): u32 {
  if ((pending & (1 << IRQ_MEI)) != 0) return IRQ_MEI;
  if ((pending & (1 << IRQ_MSI)) != 0) return IRQ_MSI;
  if ((pending & (1 << IRQ_MTI)) != 0) return IRQ_MTI;
  if ((pending & (1 << IRQ_SEI)) != 0) return IRQ_SEI;
  if ((pending & (1 << IRQ_SSI)) != 0) return IRQ_SSI;
  return IRQ_STI;
}
