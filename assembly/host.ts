import { theMachine } from "./generated/hart";

// What the core asks of its host.

/** Reads a device register. Sets Machine.mmioFault when there is none. */
@external("env", "mmioLoad") export declare function mmioLoad(paddr: u32, byteLength: u32): u32;

/** Writes a device register. Sets Machine.mmioFault when there is none. */
@external("env", "mmioStore") export declare function mmioStore(paddr: u32, byteLength: u32, value: u32): void;

/** Puts the contents of an absent RAM page in place, and says so in its byte of DIRTY_BASE. */
@external("env", "bringIn") export declare function bringIn(page: u32): void;

/** Whether the last access found nothing; forgets it. */
export function mmioFaulted(): bool {
  const m = theMachine();
  if (m.mmioFault == 0) return false;
  m.mmioFault = 0;
  return true;
}
