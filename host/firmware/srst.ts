/** System reset. SBI 2.0 chapter 10. */
import {
  failure,
  NO_RETURN,
  notSupported,
  SBI_ERR_INVALID_PARAM,
  type SbiCall,
  type SbiExtension,
  type SbiReturn,
} from "./abi.js";
import type { SbiPlatform } from "./platform.js";

const SYSTEM_RESET = 0n;

const TYPE_SHUTDOWN = 0n;
const TYPE_COLD_REBOOT = 1n;
const TYPE_WARM_REBOOT = 2n;
/** Types and reasons from here up are a platform's own, of which this one has none; those between are reserved. */
const FIRST_VENDOR_TYPE = 0xf000_0000n;
const FIRST_IMPLEMENTATION_REASON = 0xe000_0000n;

const REASON_NONE = 0n;
const REASON_SYSTEM_FAILURE = 1n;

const UINT32_MASK = 0xffff_ffffn;

export class SrstExtension implements SbiExtension {
  readonly id = 0x53525354n; // "SRST"
  readonly #platform: SbiPlatform;

  constructor(platform: SbiPlatform) {
    this.#platform = platform;
  }

  call(functionId: bigint, { args }: SbiCall): SbiReturn {
    if (functionId !== SYSTEM_RESET) return notSupported();
    const type = args[0] & UINT32_MASK;
    const reason = args[1] & UINT32_MASK;
    if (type > TYPE_WARM_REBOOT) return rejected(type >= FIRST_VENDOR_TYPE);
    if (reason > REASON_SYSTEM_FAILURE) return rejected(reason >= FIRST_IMPLEMENTATION_REASON);
    switch (type) {
      case TYPE_SHUTDOWN:
        this.#platform.reset(reason === REASON_NONE ? "poweroff" : "failure");
        return NO_RETURN;
      case TYPE_COLD_REBOOT:
      case TYPE_WARM_REBOOT:
        this.#platform.reset("reboot");
        return NO_RETURN;
      default:
        return failure(SBI_ERR_INVALID_PARAM);
    }
  }
}

function rejected(isPlatformSpecific: boolean): SbiReturn {
  return isPlatformSpecific ? notSupported() : failure(SBI_ERR_INVALID_PARAM);
}
