import { csrs } from "../../assembly/isa/csrs.js";

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
  /** In any order; writes of x0 are left out of the log. */
  readonly writes: readonly RegisterWrite[];
  /** Virtual address of the load. */
  readonly load?: { readonly address: bigint };
  readonly store?: CommittedStore;
}

const REGISTER_BYTE_LENGTH = 8;
const csrNames: ReadonlyMap<number, string> = new Map(csrs.map(({ number, name }) => [number, name]));

/**
 * One line of Spike's commit log (`spike --log-commits`, `commit_log_print_insn` in its execute.cc), line feed
 * included, so that `diff` finds the first instruction at which the two part.
 */
export function formatCommit(record: CommitRecord): string {
  let line = `core${String(record.hart).padStart(4)}: ${record.privilege} ${hex(record.pc, REGISTER_BYTE_LENGTH)}`;
  line += ` (${hex(BigInt(record.word), record.byteLength)})`;
  for (const write of inSpikesOrder(record.writes)) {
    line += ` ${registerName(write)} ${hex(write.value, REGISTER_BYTE_LENGTH)}`;
  }
  if (record.load !== undefined) line += ` mem ${hex(record.load.address, REGISTER_BYTE_LENGTH)}`;
  if (record.store !== undefined) line += formatStore(record.store);
  return `${line}\n`;
}

/** Spike keeps the writes in a map whose key is the number first and the kind second: x5, f5, then CSR 5. */
function inSpikesOrder(writes: readonly RegisterWrite[]): readonly RegisterWrite[] {
  const rank = { x: 0, f: 1, csr: 4 } as const;
  const key = (write: RegisterWrite) => write.number * 16 + rank[write.kind];
  return writes.filter((write) => write.kind !== "x" || write.number !== 0).sort((a, b) => key(a) - key(b));
}

function registerName(write: RegisterWrite): string {
  if (write.kind === "csr") return `c${write.number}_${csrNames.get(write.number) ?? "unknown-csr"}`;
  return `${write.kind}${String(write.number).padEnd(2)}`;
}

/** A store that no register can hold, Spike does byte by byte. */
function formatStore(store: CommittedStore): string {
  if (store.byteLength <= REGISTER_BYTE_LENGTH) {
    return ` mem ${hex(store.address, REGISTER_BYTE_LENGTH)} ${hex(store.value, store.byteLength)}`;
  }
  let text = "";
  for (let index = 0; index < store.byteLength; index++) {
    text += ` mem ${hex(store.address + BigInt(index), REGISTER_BYTE_LENGTH)} ${hex(0n, 1)}`;
  }
  return text;
}

function hex(value: bigint, byteLength: number): string {
  return `0x${BigInt.asUintN(byteLength * 8, value)
    .toString(16)
    .padStart(byteLength * 2, "0")}`;
}
