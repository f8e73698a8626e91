import type { RestartPolicy } from "../control/hypervisor/schemas.js";
import type { Halt } from "../machine/run-loop.js";
import { unreachable } from "../util/errors.js";

/** How a machine came to its end without being told to. */
export type MachineEnd =
  /** The guest switched itself off. */
  | { readonly kind: "off" }
  /** The guest reported failure, or the machine or its worker broke. */
  | { readonly kind: "failure"; readonly reason: string };

export function endOf(halt: Halt): MachineEnd {
  switch (halt.kind) {
    case "poweroff":
    case "stopped":
      return { kind: "off" };
    case "reboot":
      return { kind: "failure", reason: "the guest asked for a restart, and what it was started from is not known" };
    case "fail":
      return { kind: "failure", reason: `the guest reported failure ${halt.code}` };
    case "htif":
      return halt.exitCode === 0
        ? { kind: "off" }
        : { kind: "failure", reason: `the program ended with status ${halt.exitCode}` };
    default:
      return unreachable(halt);
  }
}

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

/** Whether a machine that ran for so long has failed again, and not anew. */
export function isSoon(ranMs: number): boolean {
  return ranMs < HEALTHY_MS;
}

/** How long a machine that keeps ending has to wait before it is started again: twice as long each time. */
export class BackOff {
  #count = 0;

  /** @param ranMs how long the machine had run */
  next(ranMs: number): number {
    if (!isSoon(ranMs)) this.#count = 0;
    return Math.min(DELAY_MS_MAX, FIRST_DELAY_MS * 2 ** this.#count++);
  }

  /** Somebody has started or stopped the machine. */
  reset(): void {
    this.#count = 0;
  }
}
