/** Remote fences. SBI 2.0 chapter 8. */
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

const REMOTE_FENCE_I = 0n;
const REMOTE_SFENCE_VMA_ASID = 2n;

/**
 * REMOTE_FENCE_I has nothing to do: a store drops what was decoded from the bytes it changes, for every hart.
 * Functions 1 and 2 are REMOTE_SFENCE_VMA without and with an ASID.
 *
 * Ranges and ASIDs only narrow what has to be flushed; a fence here flushes all of a hart's translations. The
 * hypervisor's fences (3 to 6) are not supported: the harts have no H extension.
 */
export class RfenceExtension implements SbiExtension {
  readonly id = 0x52464e43n; // "RFNC"
  readonly #harts: readonly SbiHart[];

  constructor(harts: readonly SbiHart[]) {
    this.#harts = harts;
  }

  call(functionId: bigint, { args }: SbiCall): SbiReturn {
    if (functionId > REMOTE_SFENCE_VMA_ASID) return notSupported();
    const targets = selectHarts(this.#harts, args[0], args[1]);
    if (targets === null) return failure(SBI_ERR_INVALID_PARAM);
    if (functionId !== REMOTE_FENCE_I) for (const hart of targets) hart.flushTlb();
    return success();
  }
}
