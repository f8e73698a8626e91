import { Hart, theMachine } from "../generated/hart";

/** Instructions the hart retired before the one being executed. */
export function retiredNow(h: Hart): u64 {
  return h.retired + retiredThisTurn(h);
}

/** Instructions all harts retired before the one being executed. */
export function machineRetiredNow(h: Hart): u64 {
  return theMachine().retired + retiredThisTurn(h);
}

/** The countdown is decremented before an instruction is performed; between turns both are 0. */
function retiredThisTurn(h: Hart): u64 {
  return h.turn == 0 ? 0 : h.turn - h.countdown - 1;
}

/** mtime in ticks after `retired` instructions of all harts: linear between settings of the clock. */
export function timeAfter(retired: u64): u64 {
  const m = theMachine();
  return m.timeBase + (((retired - m.timeBaseRetired) * m.ticksPerInstruction + m.timeFraction) >> 32);
}

export function timeNow(h: Hart): u64 {
  return timeAfter(machineRetiredNow(h));
}

/**
 * Moves the base of the clock up to now, so that products of `timeAfter` stay below 2^64. Exact: the fraction of a
 * tick is kept, so that time does not depend on how often this is done.
 */
export function rebaseTime(): void {
  const m = theMachine();
  const scaled = (m.retired - m.timeBaseRetired) * m.ticksPerInstruction + m.timeFraction;
  m.timeBase += scaled >> 32;
  m.timeFraction = <u32>scaled;
  m.timeBaseRetired = m.retired;
}

/** Instructions until mtime reaches `deadline`, at least 1; `limit` when that is further off. */
export function instructionsUntil(deadline: u64, limit: u32): u32 {
  const m = theMachine();
  const now = timeAfter(m.retired);
  if (deadline <= now || m.ticksPerInstruction == 0) return limit;
  const ticks = deadline - m.timeBase;
  if (ticks >= 0x80000000) return limit;
  const needed = ((ticks << 32) - m.timeFraction + m.ticksPerInstruction - 1) / m.ticksPerInstruction;
  const left = needed - (m.retired - m.timeBaseRetired);
  return left < limit ? <u32>left : limit;
}
