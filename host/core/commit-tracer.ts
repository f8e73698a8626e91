import type { Instruction } from "../../assembly/isa/instruction.js";
import { operations } from "../../assembly/isa/operations.js";
import { IMM_SHIFT, OPERATION_MASK, RD_SHIFT } from "../../assembly/shared/decoded.js";
import { type Core, EXIT_BUDGET } from "./core.js";
import type { Hart } from "./hart.js";

/** One register that an instruction wrote. `number` is 0 to 31, or the CSR number. */
export interface RegisterWrite {
  readonly kind: "x" | "f" | "csr";
  readonly number: number;
  /** The register's new contents, 64 bits. */
  readonly value: bigint;
}

/** A store as the program made it; a store longer than 8 bytes (`cbo.zero`) has value 0. */
export interface CommittedStore {
  /** Virtual address, as the instruction computed it. */
  readonly address: bigint;
  readonly byteLength: number;
  readonly value: bigint;
}

/**
 * What one retired instruction did. An instruction that traps does not retire and has no record.
 *
 * An atomic memory operation has both a load and a store; a failed store-conditional has neither.
 */
export interface CommitRecord {
  readonly hart: number;
  /** Privilege the instruction ran in: 0 U, 1 S, 3 M. */
  readonly privilege: number;
  readonly pc: bigint;
  /** The instruction as it stands in memory, not expanded. */
  readonly word: number;
  /** Length of the instruction: 2 or 4. */
  readonly byteLength: number;
  readonly writes: readonly RegisterWrite[];
  /** Virtual address of the load. */
  readonly load?: { readonly address: bigint };
  readonly store?: CommittedStore;
}

const FFLAGS = 0x001;
const FRM = 0x002;
const SSTATUS = 0x100;
const MSTATUS = 0x300;
const WATCHED_CSRS = [FFLAGS, FRM, MSTATUS] as const;

const CACHE_BLOCK_BYTE_LENGTH = 64;
const DISCARD_REGISTER = 32;

const instructionsByOperation: ReadonlyMap<number, Instruction> = new Map(
  operations.map((operation) => [operation.number, operation.instruction]),
);

/** Runs a core one instruction at a time and says what each did. */
export class CommitTracer {
  readonly #core: Core;
  readonly #onCommit: (record: CommitRecord) => void;

  constructor(core: Core, onCommit: (record: CommitRecord) => void) {
    this.#core = core;
    this.#onCommit = onCommit;
  }

  /** As `Core.run`, with a record for each instruction retired. */
  run(budget: number): number {
    const core = this.#core;
    core.tracing = true;
    try {
      for (let n = 0; n < budget; n++) {
        const retired = core.retired;
        const watched = core.harts.map((hart) => WATCHED_CSRS.map((csr) => hart.csr(csr)));
        const exit = core.run(1);
        if (core.retired !== retired) this.#onCommit(this.#record(watched));
        if (exit !== EXIT_BUDGET) return exit;
      }
    } finally {
      core.tracing = false;
    }
    return EXIT_BUDGET;
  }

  #record(watchedBefore: readonly (readonly bigint[])[]): CommitRecord {
    const core = this.#core;
    const id = Number(core.traced("traceHart"));
    const hart = core.harts[id]!;
    const word = Number(core.traced("traceWord"));
    const decoded = core.traced("traceDecoded");
    const instruction = instructionsByOperation.get(Number(decoded & BigInt(OPERATION_MASK)))!;
    return {
      hart: id,
      privilege: Number(core.traced("tracePrivilege")),
      pc: core.traced("tracePc"),
      word,
      byteLength: (word & 3) === 3 ? 4 : 2,
      writes: [
        ...registerWrites(hart, instruction, decoded),
        ...csrWrites(hart, instruction, decoded, watchedBefore[id]!),
      ],
      ...this.#accesses(hart, instruction, decoded),
    };
  }

  #accesses(
    hart: Hart,
    { mnemonic, kind, encoding }: Instruction,
    decoded: bigint,
  ): Pick<CommitRecord, "load" | "store"> {
    const base = this.#core.traced("traceRs1");
    if (kind === "atomic") {
      const byteLength = mnemonic.endsWith(".w") ? 4 : 8;
      const load = { address: base };
      if (mnemonic.startsWith("lr.")) return { load };
      const rs2 = this.#core.traced("traceRs2");
      if (mnemonic.startsWith("sc.")) {
        const rd = registerOf(decoded, "rd");
        const failed = (rd === DISCARD_REGISTER ? hart.discarded : hart.x(rd)) !== 0n;
        return failed ? {} : { store: { address: base, byteLength, value: rs2 } };
      }
      return { load, store: { address: base, byteLength, value: hart.peek(base) } };
    }
    if (mnemonic === "cbo.zero") {
      const address = base & ~BigInt(CACHE_BLOCK_BYTE_LENGTH - 1);
      return { store: { address, byteLength: CACHE_BLOCK_BYTE_LENGTH, value: 0n } };
    }
    if (kind !== "memory") return {};
    const address = BigInt.asUintN(64, base + BigInt.asIntN(32, decoded >> BigInt(IMM_SHIFT)));
    const byteLength = { b: 1, h: 2, w: 4, d: 8 }[/[bhwd]/.exec(mnemonic.slice(1))![0]]!;
    if (encoding.slices.some((slice) => slice.field === "rs2")) {
      return { store: { address, byteLength, value: this.#core.traced("traceRs2") } };
    }
    const fs2 = encoding.slices.find((slice) => slice.field === "fs2");
    if (fs2) return { store: { address, byteLength, value: hart.f(registerOf(decoded, "rs2")) } };
    return { load: { address } };
  }
}

function registerOf(decoded: bigint, field: "rd" | "rs2"): number {
  return Number((decoded >> (field === "rd" ? BigInt(RD_SHIFT) : 26n)) & 63n);
}

function registerWrites(hart: Hart, { encoding }: Instruction, decoded: bigint): RegisterWrite[] {
  const number = registerOf(decoded, "rd");
  if (encoding.slices.some((slice) => slice.field === "fd")) return [{ kind: "f", number, value: hart.f(number) }];
  if (number === DISCARD_REGISTER || !encoding.slices.some((slice) => slice.field === "rd")) return [];
  return [{ kind: "x", number, value: hart.x(number) }];
}

/** The CSR an instruction names and writes, and status and flags that changed beside it. */
function csrWrites(hart: Hart, { mnemonic }: Instruction, decoded: bigint, before: readonly bigint[]): RegisterWrite[] {
  const written = new Set<number>();
  WATCHED_CSRS.forEach((csr, n) => {
    if (hart.csr(csr) !== before[n]) written.add(csr);
  });
  if (mnemonic.startsWith("csrr")) {
    const number = Number((decoded >> BigInt(IMM_SHIFT)) & 0xfffn);
    const source = Number((decoded >> 20n) & 63n);
    if (mnemonic.startsWith("csrrw") || source !== 0) written.add(number === SSTATUS ? MSTATUS : number);
  }
  return [...written].map((number) => ({ kind: "csr", number, value: hart.csr(number) }));
}
