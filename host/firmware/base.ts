/** Base extension. SBI 2.0 chapter 4. */
import { notSupported, type SbiCall, type SbiExtension, type SbiReturn, success } from "./abi.js";

const GET_SPEC_VERSION = 0n;
const GET_IMPL_ID = 1n;
const GET_IMPL_VERSION = 2n;
const PROBE_EXTENSION = 3n;
const GET_MVENDORID = 4n;
const GET_MARCHID = 5n;
const GET_MIMPID = 6n;

/** Major version in bits 30:24, minor in 23:0. */
const SPEC_VERSION = 2n << 24n;
/** "viv"; not in the specification's list of implementations. */
const IMPL_ID = 0x766976n;
const IMPL_VERSION = 1n;

const CSR_MVENDORID = 0xf11;
const CSR_MARCHID = 0xf12;
const CSR_MIMPID = 0xf13;

export class BaseExtension implements SbiExtension {
  readonly id = 0x10n;
  readonly #isPresent: (extensionId: bigint) => boolean;

  constructor(isPresent: (extensionId: bigint) => boolean) {
    this.#isPresent = isPresent;
  }

  call(functionId: bigint, { hart, args }: SbiCall): SbiReturn {
    switch (functionId) {
      case GET_SPEC_VERSION:
        return success(SPEC_VERSION);
      case GET_IMPL_ID:
        return success(IMPL_ID);
      case GET_IMPL_VERSION:
        return success(IMPL_VERSION);
      case PROBE_EXTENSION:
        return success(this.#isPresent(args[0]) ? 1n : 0n);
      case GET_MVENDORID:
        return success(hart.csr(CSR_MVENDORID));
      case GET_MARCHID:
        return success(hart.csr(CSR_MARCHID));
      case GET_MIMPID:
        return success(hart.csr(CSR_MIMPID));
      default:
        return notSupported();
    }
  }
}
