import { Hart } from "../generated/hart";
import { ENVCFG_ADUE } from "./status";
import { NO_RESERVATION } from "../mmu/access";
import { resetTlb } from "../mmu/tlb";
import { PRIVILEGE_MACHINE } from "../shared/causes";
import { HART_STOPPED } from "../shared/exit";
import { HART_STRIDE, HARTS_BASE } from "../shared/layout";

/** Power-on state: machine mode, no translation, no timer armed, stopped until the host starts it. */
export function resetHart(h: Hart, id: u32): void {
  memory.fill(<usize>(HARTS_BASE + id * HART_STRIDE), 0, <usize>HART_STRIDE);
  h.id = id;
  h.privilege = PRIVILEGE_MACHINE;
  h.runState = HART_STOPPED;
  h.mtimecmp = u64.MAX_VALUE;
  h.stimecmp = u64.MAX_VALUE;
  h.reservation = NO_RESERVATION;
  // The device tree names Svadu and not Svade: A and D are updated unless firmware says otherwise, as QEMU has it.
  h.menvcfg = ENVCFG_ADUE;
  resetTlb(h);
}
