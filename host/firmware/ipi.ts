/** Inter-processor interrupts. SBI 2.0 chapter 7. */
import {
  failure,
  notSupported,
  SBI_ERR_INVALID_PARAM,
  type SbiCall,
  type SbiExtension,
  type SbiReturn,
  success,
} from "./abi.js";
import { selectHarts } from "./hart-mask.js";
import type { SbiHart } from "./platform.js";
import { SSIP } from "./supervisor.js";

const SEND_IPI = 0n;

export class IpiExtension implements SbiExtension {
  readonly id = 0x735049n; // "sPI"
  readonly #harts: readonly SbiHart[];

  constructor(harts: readonly SbiHart[]) {
    this.#harts = harts;
  }

  call(functionId: bigint, { args }: SbiCall): SbiReturn {
    if (functionId !== SEND_IPI) return notSupported();
    const targets = selectHarts(this.#harts, args[0], args[1]);
    if (targets === null) return failure(SBI_ERR_INVALID_PARAM);
    sendIpi(targets);
    return success();
  }
}

/** Makes a supervisor software interrupt pending on every target that runs. */
export function sendIpi(targets: readonly SbiHart[]): void {
  for (const hart of targets) if (hart.runState !== "stopped") hart.setInterruptPending(SSIP, true);
}
