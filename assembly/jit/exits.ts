import { theMachine } from "../generated/hart";

/** At an exit, the reason stands above the number of instructions that were counted but not executed. */
export const REASON_SHIFT: u32 = 12;

export function noteExit(reason: u32): void {
  const m = theMachine();
  m.set_regionExits(reason, m.regionExits(reason) + 1);
}
