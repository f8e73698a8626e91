/** Debug console. SBI 2.0 chapter 12. */
import {
  failure,
  notSupported,
  SBI_ERR_INVALID_PARAM,
  type SbiCall,
  type SbiExtension,
  type SbiReturn,
  safeAddress,
  success,
} from "./abi.js";
import type { SbiPlatform } from "./platform.js";

const CONSOLE_WRITE = 0n;
const CONSOLE_READ = 1n;
const CONSOLE_WRITE_BYTE = 2n;

/** Bytes that one call moves at most: a call may do less than it was asked for, and none may take long. */
const TRANSFER_BYTE_LENGTH_MAX = 4096;

export class DbcnExtension implements SbiExtension {
  readonly id = 0x4442434en; // "DBCN"
  readonly #platform: SbiPlatform;

  constructor(platform: SbiPlatform) {
    this.#platform = platform;
  }

  call(functionId: bigint, { args }: SbiCall): SbiReturn {
    const { ram, console } = this.#platform;
    switch (functionId) {
      case CONSOLE_WRITE: {
        const buffer = this.#buffer(args);
        if (buffer === null) return failure(SBI_ERR_INVALID_PARAM);
        const bytes = new Uint8Array(buffer.byteLength);
        if (bytes.length > 0) {
          ram.read(buffer.paddr, bytes);
          console.write(bytes);
        }
        return success(BigInt(bytes.length));
      }
      case CONSOLE_READ: {
        const buffer = this.#buffer(args);
        if (buffer === null) return failure(SBI_ERR_INVALID_PARAM);
        const bytes = new Uint8Array(buffer.byteLength);
        const count = console.read(bytes);
        if (count > 0) ram.write(buffer.paddr, bytes.subarray(0, count));
        return success(BigInt(count));
      }
      case CONSOLE_WRITE_BYTE:
        console.write(Uint8Array.of(Number(args[0] & 0xffn)));
        return success();
      default:
        return notSupported();
    }
  }

  /** The call's buffer, no longer than one call moves; null when not all of it is memory. */
  #buffer([byteLength, low, high]: SbiCall["args"]): { paddr: number; byteLength: number } | null {
    const paddr = safeAddress(low);
    const length = safeAddress(byteLength);
    if (high !== 0n || paddr === null || length === null) return null;
    if (!this.#platform.ram.contains(paddr, length)) return null;
    return { paddr, byteLength: Math.min(length, TRANSFER_BYTE_LENGTH_MAX) };
  }
}
