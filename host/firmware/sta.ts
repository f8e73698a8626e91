/** Steal-time accounting. SBI 2.0 chapter 16. */
import type { GuestRam } from "../devices/device.js";
import { optional, type StateOf, schema, struct, table, u32, u64 } from "../util/schema.js";
import {
  failure,
  notSupported,
  SBI_ERR_INVALID_ADDRESS,
  SBI_ERR_INVALID_PARAM,
  type SbiCall,
  type SbiExtension,
  type SbiReturn,
  safeAddress,
  success,
} from "./abi.js";
import type { SbiHart, SbiPlatform } from "./platform.js";

const STEAL_TIME_SET_SHMEM = 0n;

const ALL_ONES = (1n << 64n) - 1n;
const NS_PER_MS = 1e6;

/**
 * The structure that a hart shares, little-endian:
 *
 *      0  sequence   u32  odd while `steal` is being written
 *      4  flags      u32  0
 *      8  steal      u64  ns in which the hart was ready and did not run
 *     16  preempted  u8   0: harts of a machine run in turn, so that none ever sees another that was held back
 *     17  reserved   47 bytes of 0
 */
const SHMEM_BYTE_LENGTH = 64;
const SEQUENCE_OFFSET = 0;
const STEAL_OFFSET = 8;

interface Shared {
  /** In RAM, with all of the structure. */
  readonly paddr: number;
  readonly sequence: number;
}

/** The saved state of the STA extension on a machine of `hartCount` harts. */
export function staSchema(hartCount: number) {
  const shared = struct("what the hart shares", {
    paddr: u64("guest physical address of the structure"),
    sequence: u32("its sequence number, modulo 2^32"),
  });
  return schema("sbi-sta", 1, {
    shared: table("by hart: its structure, or null", optional(shared), hartCount),
    stealNs: table("by hart: its stolen time since it began to share it", u64("nanoseconds"), hartCount),
  });
}

type StaState = StateOf<ReturnType<typeof staSchema>["fields"]>;

export class StaExtension implements SbiExtension {
  readonly id = 0x535441n; // "STA"
  readonly schema;
  readonly #platform: SbiPlatform;
  readonly #shared: (Shared | null)[];
  readonly #stealNs: bigint[];

  constructor(platform: SbiPlatform) {
    this.#platform = platform;
    this.#shared = platform.harts.map(() => null);
    this.#stealNs = platform.harts.map(() => 0n);
    this.schema = staSchema(platform.harts.length);
  }

  call(functionId: bigint, call: SbiCall): SbiReturn {
    return functionId === STEAL_TIME_SET_SHMEM ? this.#setShmem(call) : notSupported();
  }

  /** The machine wanted to run and could not, for `ms`. To be called between slices. */
  addSteal(ms: number): void {
    if (ms <= 0) return;
    const ns = BigInt(Math.round(ms * NS_PER_MS));
    for (const { id } of this.#readyHarts()) {
      this.#stealNs[id] = BigInt.asUintN(64, this.#stealNs[id]! + ns);
      this.#publish(id);
    }
  }

  reset(): void {
    this.#shared.fill(null);
    this.#stealNs.fill(0n);
  }

  save(): StaState {
    return {
      shared: this.#shared.map((shared) => shared && { ...shared, paddr: BigInt(shared.paddr) }),
      stealNs: [...this.#stealNs],
    };
  }

  load(state: StaState): void {
    for (const [id, shared] of state.shared.entries()) {
      // A file is as hostile as a guest.
      const paddr = shared === null ? null : placeOf(shared.paddr, this.#platform.ram);
      this.#shared[id] = shared === null || paddr === null ? null : { ...shared, paddr };
    }
    for (const [id, ns] of state.stealNs.entries()) this.#stealNs[id] = ns;
  }

  /** The harts that had run: not those that are stopped or wait for an interrupt, unless it has come. */
  #readyHarts(): readonly SbiHart[] {
    const harts = this.#platform.harts.filter(({ runState }) => runState !== "stopped");
    const started = harts.filter(({ runState }) => runState === "started");
    // One that is alone and waits is what the machine was woken for.
    return started.length === 0 && harts.length === 1 ? harts : started;
  }

  #setShmem({ hart, args: [low, high, flags] }: SbiCall): SbiReturn {
    if (flags !== 0n) return failure(SBI_ERR_INVALID_PARAM);
    if (low === ALL_ONES && high === ALL_ONES) {
      this.#shared[hart.id] = null;
      return success();
    }
    if (low % BigInt(SHMEM_BYTE_LENGTH) !== 0n) return failure(SBI_ERR_INVALID_PARAM);
    const { ram } = this.#platform;
    const paddr = high === 0n ? placeOf(low, ram) : null;
    if (paddr === null) return failure(SBI_ERR_INVALID_ADDRESS);
    ram.write(paddr, new Uint8Array(SHMEM_BYTE_LENGTH));
    this.#shared[hart.id] = { paddr, sequence: 0 };
    this.#stealNs[hart.id] = 0n;
    return success();
  }

  /** Writes the hart's stolen time where it looks for it. It does not run meanwhile, and so never sees it odd. */
  #publish(id: number): void {
    const shared = this.#shared[id] ?? null;
    if (shared === null) return;
    const { ram } = this.#platform;
    const sequence = (shared.sequence + 2) >>> 0;
    const steal = new Uint8Array(8);
    new DataView(steal.buffer).setBigUint64(0, this.#stealNs[id]!, true);
    ram.writeU32(shared.paddr + SEQUENCE_OFFSET, (sequence - 1) >>> 0);
    ram.write(shared.paddr + STEAL_OFFSET, steal);
    ram.writeU32(shared.paddr + SEQUENCE_OFFSET, sequence);
    this.#shared[id] = { ...shared, sequence };
  }
}

/** The address as a number, if all of the structure can be there. */
function placeOf(address: bigint, ram: GuestRam): number | null {
  const paddr = safeAddress(address);
  if (paddr === null || paddr % SHMEM_BYTE_LENGTH !== 0) return null;
  return ram.contains(paddr, SHMEM_BYTE_LENGTH) ? paddr : null;
}
