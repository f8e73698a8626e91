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
const REMOTE_SFENCE_VMA = 1n;
const REMOTE_SFENCE_VMA_ASID = 2n;

/**
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
    const fence = fenceOf(functionId);
    if (fence === null) return notSupported();
    const targets = selectHarts(this.#harts, args[0], args[1]);
    if (targets === null) return failure(SBI_ERR_INVALID_PARAM);
    for (const hart of targets) fence(hart);
    return success();
  }
}

function fenceOf(functionId: bigint): ((hart: SbiHart) => void) | null {
  switch (functionId) {
    case REMOTE_FENCE_I:
      return (hart) => hart.fenceInstructions();
    case REMOTE_SFENCE_VMA:
    case REMOTE_SFENCE_VMA_ASID:
      return (hart) => hart.flushTlb();
    default:
      return null;
  }
}
