import { csrs } from "../../assembly/isa/csrs.js";
import type { CommitRecord, CommittedStore, RegisterWrite } from "../core/commit-tracer.js";

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
