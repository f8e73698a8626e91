/** Timer extension. SBI 2.0 chapter 6. */
import { notSupported, type SbiCall, type SbiExtension, type SbiReturn, success } from "./abi.js";
import type { SbiHart } from "./platform.js";
import { CSR_STIMECMP } from "./supervisor.js";

const SET_TIMER = 0n;

export class TimeExtension implements SbiExtension {
  readonly id = 0x54494d45n; // "TIME"

  call(functionId: bigint, { hart, args }: SbiCall): SbiReturn {
    if (functionId !== SET_TIMER) return notSupported();
    setTimer(hart, args[0]);
    return success();
  }
}

/** Requests the next timer interrupt at `mtime`; one that is pending goes away unless that time has come. */
export function setTimer(hart: SbiHart, mtime: bigint): void {
  // Sstc: sip.STIP follows the comparison of time with stimecmp.
  hart.setCsr(CSR_STIMECMP, mtime);
}
