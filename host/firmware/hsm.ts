/** Hart state management. SBI 2.0 chapter 9. */
import { flag, type StateOf, schema, table } from "../util/schema.js";
import {
  A0,
  A1,
  failure,
  NO_RETURN,
  notSupported,
  SBI_ERR_ALREADY_AVAILABLE,
  SBI_ERR_INVALID_ADDRESS,
  SBI_ERR_INVALID_PARAM,
  type SbiCall,
  type SbiExtension,
  type SbiReturn,
  safeAddress,
  success,
} from "./abi.js";
import type { SbiHart, SbiPlatform } from "./platform.js";
import { leaveTranslation, startSupervisor } from "./supervisor.js";

const HART_START = 0n;
const HART_STOP = 1n;
const HART_GET_STATUS = 2n;
const HART_SUSPEND = 3n;

const STATUS_STARTED = 0n;
const STATUS_STOPPED = 1n;
const STATUS_SUSPENDED = 4n;

const SUSPEND_RETENTIVE = 0x0000_0000n;
const SUSPEND_NON_RETENTIVE = 0x8000_0000n;
/** Bits 30:28 of a suspend type that is neither a default nor reserved: a platform's own. */
const SUSPEND_PLATFORM = 0x7000_0000n;
const SUSPEND_TYPE_MASK = 0xffff_ffffn;

/** Shortest instruction. */
const INSTRUCTION_BYTE_LENGTH = 2;

/** The saved state of the HSM extension on a machine of `hartCount` harts. */
export function hsmSchema(hartCount: number) {
  return schema("sbi-hsm", 1, {
    suspended: table("hart called hart_suspend and has not run since", flag("suspended"), hartCount),
  });
}

type HsmState = StateOf<ReturnType<typeof hsmSchema>["fields"]>;

export class HsmExtension implements SbiExtension {
  readonly id = 0x48534dn; // "HSM"
  readonly schema;
  readonly #platform: SbiPlatform;
  /** Whether a hart's last wait, if it still waits, is a suspend. */
  readonly #suspended: boolean[];

  constructor(platform: SbiPlatform) {
    this.#platform = platform;
    this.#suspended = platform.harts.map(() => false);
    this.schema = hsmSchema(platform.harts.length);
  }

  call(functionId: bigint, call: SbiCall): SbiReturn {
    switch (functionId) {
      case HART_START:
        return this.#start(call);
      case HART_STOP:
        call.hart.stop();
        return NO_RETURN;
      case HART_GET_STATUS:
        return this.#status(call);
      case HART_SUSPEND:
        return this.#suspend(call);
      default:
        return notSupported();
    }
  }

  /** No hart is suspended, as after power-on. */
  reset(): void {
    this.#suspended.fill(false);
  }

  save(): HsmState {
    return { suspended: this.#platform.harts.map((hart) => this.#isSuspended(hart)) };
  }

  load(state: HsmState): void {
    for (const [id, suspended] of state.suspended.entries()) this.#suspended[id] = suspended;
  }

  #start({ args: [id, address, opaque] }: SbiCall): SbiReturn {
    const hart = this.#hart(id);
    if (hart === undefined) return failure(SBI_ERR_INVALID_PARAM);
    if (hart.runState !== "stopped") return failure(SBI_ERR_ALREADY_AVAILABLE);
    if (!this.#isExecutable(address)) return failure(SBI_ERR_INVALID_ADDRESS);
    this.#suspended[hart.id] = false;
    startSupervisor(hart, address, opaque);
    return success();
  }

  #status({ args: [id] }: SbiCall): SbiReturn {
    const hart = this.#hart(id);
    if (hart === undefined) return failure(SBI_ERR_INVALID_PARAM);
    if (hart.runState === "stopped") return success(STATUS_STOPPED);
    return success(this.#isSuspended(hart) ? STATUS_SUSPENDED : STATUS_STARTED);
  }

  #suspend({ hart, args }: SbiCall): SbiReturn {
    const [rawType, address, opaque] = args;
    const type = rawType & SUSPEND_TYPE_MASK;
    switch (type) {
      case SUSPEND_RETENTIVE:
        break;
      case SUSPEND_NON_RETENTIVE:
        if (!this.#isExecutable(address)) return failure(SBI_ERR_INVALID_ADDRESS);
        break;
      default:
        return (type & SUSPEND_PLATFORM) !== 0n ? notSupported() : failure(SBI_ERR_INVALID_PARAM);
    }
    this.#suspended[hart.id] = true;
    if (type === SUSPEND_RETENTIVE) {
      hart.wait();
      return success();
    }
    // The hart waits with the state in which it will resume: nothing of the present one is kept.
    leaveTranslation(hart);
    hart.pc = address;
    hart.setX(A0, BigInt(hart.id));
    hart.setX(A1, opaque);
    hart.wait();
    return NO_RETURN;
  }

  #hart(id: bigint): SbiHart | undefined {
    return id < this.#platform.harts.length ? this.#platform.harts[Number(id)] : undefined;
  }

  #isSuspended(hart: SbiHart): boolean {
    if (hart.runState !== "waiting") this.#suspended[hart.id] = false;
    return this.#suspended[hart.id]!;
  }

  #isExecutable(address: bigint): boolean {
    const paddr = safeAddress(address);
    return (
      paddr !== null &&
      paddr % INSTRUCTION_BYTE_LENGTH === 0 &&
      this.#platform.ram.contains(paddr, INSTRUCTION_BYTE_LENGTH)
    );
  }
}
