/** SBI 2.0, chapter 3, "Binary Encoding". */
import type { SbiHart } from "./platform.js";

export const SBI_SUCCESS = 0;
export const SBI_ERR_FAILED = -1;
export const SBI_ERR_NOT_SUPPORTED = -2;
export const SBI_ERR_INVALID_PARAM = -3;
export const SBI_ERR_DENIED = -4;
export const SBI_ERR_INVALID_ADDRESS = -5;
export const SBI_ERR_ALREADY_AVAILABLE = -6;

export const A0 = 10;
export const A1 = 11;
export const A6 = 16;
export const A7 = 17;

/** An environment call: who makes it, and a0 to a5. */
export interface SbiCall {
  readonly hart: SbiHart;
  readonly args: readonly [bigint, bigint, bigint, bigint, bigint, bigint];
}

/** What a call leaves in a0 and a1, or NO_RETURN when the hart does not go on after it. */
export type SbiReturn = SbiValues | typeof NO_RETURN;

export interface SbiValues {
  readonly a0: bigint;
  /** Absent: a1 keeps its value. */
  readonly a1?: bigint;
}

export const NO_RETURN = null;

/** One extension: its number and its functions. */
export interface SbiExtension {
  /** EID, as in a7. */
  readonly id: bigint;
  /** @param functionId FID, as in a6 */
  call(functionId: bigint, call: SbiCall): SbiReturn;
}

/** SBI_SUCCESS with a value. */
export function success(value = 0n): SbiValues {
  return { a0: BigInt(SBI_SUCCESS), a1: value };
}

/** @param error one of the SBI_ERR_ numbers */
export function failure(error: number): SbiValues {
  return { a0: BigInt.asUintN(64, BigInt(error)), a1: 0n };
}

/** What a call of a function that the extension does not have returns. */
export function notSupported(): SbiValues {
  return failure(SBI_ERR_NOT_SUPPORTED);
}

/** A physical address as a number, or null when no memory could be there. */
export function safeAddress(address: bigint): number | null {
  return address <= Number.MAX_SAFE_INTEGER ? Number(address) : null;
}
