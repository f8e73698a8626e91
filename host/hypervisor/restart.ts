import type { RestartPolicy } from "../control/hypervisor/schemas.js";
import { unreachable } from "../util/errors.js";

/** How a machine came to its end without being told to. */
export type MachineEnd =
  /** The guest switched itself off. */
  | { readonly kind: "off" }
  /** The guest reported failure, or the machine or its worker broke. */
  | { readonly kind: "failure"; readonly reason: string };

const FIRST_DELAY_MS = 500;
const DELAY_MS_MAX = 60_000;
/** Who has run for so long begins anew with the first delay. */
const HEALTHY_MS = 60_000;

/** Whether a policy lets a machine that has ended go on. */
export function isRestarted(policy: RestartPolicy, { kind }: MachineEnd): boolean {
  switch (policy) {
    case "never":
      return false;
    case "on-failure":
      return kind === "failure";
    case "always":
      return true;
    default:
      return unreachable(policy as never);
  }
}

/** How long a machine that keeps ending has to wait before it is started again: twice as long each time. */
export class BackOff {
  #count = 0;

  /** @param ranMs how long the machine had run */
  next(ranMs: number): number {
    if (ranMs >= HEALTHY_MS) this.#count = 0;
    return Math.min(DELAY_MS_MAX, FIRST_DELAY_MS * 2 ** this.#count++);
  }

  /** Somebody has started or stopped the machine. */
  reset(): void {
    this.#count = 0;
  }
}
