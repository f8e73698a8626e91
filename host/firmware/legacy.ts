/**
 * The calls of SBI 0.1, which small kernels still make. SBI 2.0 chapter 5.
 *
 * Each call is an extension of its own, without functions; only a0 is changed. Hart masks are virtual addresses
 * of a mask, or null for all harts.
 */
import type { GuestRam } from "../devices/device.js";
import {
  NO_RETURN,
  SBI_ERR_INVALID_ADDRESS,
  SBI_ERR_NOT_SUPPORTED,
  SBI_SUCCESS,
  type SbiCall,
  type SbiExtension,
  type SbiReturn,
  safeAddress,
} from "./abi.js";
import { sendIpi } from "./ipi.js";
import { translateForRead } from "./page-walk.js";
import type { SbiHart, SbiPlatform } from "./platform.js";
import { SSIP } from "./supervisor.js";
import { setTimer } from "./time.js";

const SET_TIMER = 0n;
const CONSOLE_PUTCHAR = 1n;
const CONSOLE_GETCHAR = 2n;
const CLEAR_IPI = 3n;
const SEND_IPI = 4n;
const REMOTE_FENCE_I = 5n;
const REMOTE_SFENCE_VMA = 6n;
const REMOTE_SFENCE_VMA_ASID = 7n;
const SHUTDOWN = 8n;
const LAST_CALL = SHUTDOWN;

const NULL_POINTER = 0n;
const ALL_HARTS = (1n << 64n) - 1n;
const MASK_BYTE_LENGTH = 8;
/** What getchar returns when nothing was typed. */
const NO_CHARACTER = -1;

/** The legacy calls, each as an extension. */
export function legacyExtensions(platform: SbiPlatform): readonly SbiExtension[] {
  return Array.from({ length: Number(LAST_CALL) + 1 }, (_, number) => {
    const id = BigInt(number);
    return { id, call: (_functionId, call) => legacyCall(platform, id, call) };
  });
}

function legacyCall(platform: SbiPlatform, id: bigint, call: SbiCall): SbiReturn {
  const { hart, args } = call;
  switch (id) {
    case SET_TIMER:
      setTimer(hart, args[0]);
      return value(SBI_SUCCESS);
    case CONSOLE_PUTCHAR:
      platform.console.write(Uint8Array.of(Number(args[0] & 0xffn)));
      return value(SBI_SUCCESS);
    case CONSOLE_GETCHAR: {
      const typed = new Uint8Array(1);
      return value(platform.console.read(typed) === 1 ? typed[0]! : NO_CHARACTER);
    }
    case CLEAR_IPI:
      hart.setInterruptPending(SSIP, false);
      return value(SBI_SUCCESS);
    case SEND_IPI:
      return forHarts(platform, call, sendIpi);
    case REMOTE_FENCE_I:
      // As for the RFENCE extension: stores have done it already.
      return forHarts(platform, call, () => {});
    case REMOTE_SFENCE_VMA:
    case REMOTE_SFENCE_VMA_ASID:
      return forHarts(platform, call, (targets) => {
        for (const target of targets) target.flushTlb();
      });
    case SHUTDOWN:
      platform.reset("poweroff");
      return NO_RETURN;
    default:
      return value(SBI_ERR_NOT_SUPPORTED);
  }
}

/** Performs `action` on the harts of the mask to which a0 points. */
function forHarts(
  { harts, ram }: SbiPlatform,
  { hart, args: [pointer] }: SbiCall,
  action: (targets: readonly SbiHart[]) => void,
): SbiReturn {
  const mask = pointer === NULL_POINTER ? ALL_HARTS : readMask(hart, ram, pointer);
  if (mask === null) return value(SBI_ERR_INVALID_ADDRESS);
  // SBI 0.1 gives no meaning to bits past the last hart.
  action(harts.filter((_, id) => ((mask >> BigInt(id)) & 1n) === 1n));
  return value(SBI_SUCCESS);
}

function readMask(hart: SbiHart, ram: GuestRam, vaddr: bigint): bigint | null {
  // Aligned, as an `unsigned long` is: it does not cross a page.
  if (vaddr % BigInt(MASK_BYTE_LENGTH) !== 0n) return null;
  const translated = translateForRead(hart, ram, vaddr);
  const paddr = translated === null ? null : safeAddress(translated);
  return paddr !== null && ram.contains(paddr, MASK_BYTE_LENGTH) ? ram.readU64(paddr) : null;
}

/** A legacy call returns its value or error in a0 alone. */
function value(a0: number): SbiReturn {
  return { a0: BigInt.asUintN(64, BigInt(a0)) };
}
