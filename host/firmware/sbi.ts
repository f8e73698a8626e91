/**
 * The machine's own firmware: SBI 2.0 for a guest that was started in S-mode, with the extensions BASE, TIME,
 * IPI, RFENCE, HSM, SRST, DBCN and STA, and the legacy calls of SBI 0.1.
 *
 * The processor stops at an environment call from S-mode, with pc at the ECALL; `call` answers it.
 */
import { A0, A1, A6, A7, failure, NO_RETURN, SBI_ERR_NOT_SUPPORTED, type SbiExtension, type SbiReturn } from "./abi.js";
import { BaseExtension } from "./base.js";
import { DbcnExtension } from "./dbcn.js";
import { HsmExtension } from "./hsm.js";
import { IpiExtension } from "./ipi.js";
import { legacyExtensions } from "./legacy.js";
import type { SbiHart, SbiPlatform } from "./platform.js";
import { RfenceExtension } from "./rfence.js";
import { SrstExtension } from "./srst.js";
import { StaExtension } from "./sta.js";
import { TimeExtension } from "./time.js";

/** ECALL has no compressed form. */
const ECALL_BYTE_LENGTH = 4n;

export class SbiFirmware {
  /** The extensions with state. */
  readonly hsm: HsmExtension;
  readonly sta: StaExtension;
  readonly #extensions: ReadonlyMap<bigint, SbiExtension>;

  constructor(platform: SbiPlatform) {
    this.hsm = new HsmExtension(platform);
    this.sta = new StaExtension(platform);
    const extensions = [
      ...legacyExtensions(platform),
      new BaseExtension((id) => this.#extensions.has(id)),
      new TimeExtension(),
      new IpiExtension(platform.harts),
      new RfenceExtension(platform.harts),
      this.hsm,
      new SrstExtension(platform),
      new DbcnExtension(platform),
      this.sta,
    ];
    this.#extensions = new Map(extensions.map((extension) => [extension.id, extension]));
  }

  /** Performs the environment call at which `hart` stands, and moves it past the ECALL unless it does not return. */
  call(hart: SbiHart): void {
    const result = this.#dispatch(hart);
    if (result === NO_RETURN) return;
    hart.setX(A0, result.a0);
    if (result.a1 !== undefined) hart.setX(A1, result.a1);
    hart.pc = BigInt.asUintN(64, hart.pc + ECALL_BYTE_LENGTH);
  }

  #dispatch(hart: SbiHart): SbiReturn {
    // EID and FID are signed 32-bit integers; all of ours are positive, so a register holds nothing above them.
    const extension = this.#extensions.get(hart.x(A7));
    if (extension === undefined) return failure(SBI_ERR_NOT_SUPPORTED);
    const arg = (index: number): bigint => hart.x(A0 + index);
    return extension.call(hart.x(A6), { hart, args: [arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)] });
  }
}
