import { rowOf } from "../../assembly/isa/encode.js";
import { KNOWN_DIFFERENCES } from "./differences.js";
import type { Result, Trap } from "./image.js";
import { DATA_BYTE_LENGTH, FINAL_CSRS, STATUS_TIMEOUT } from "./layout.js";
import { instructionAt, type Program } from "./program.js";

/** One value of a result, as differences are told. */
export interface Observation {
  /** What kind of thing it is: a register file, a CSR's name, a field of a trap's record. */
  readonly place: string;
  /** Which register, entry, trap, or offset in the data window. */
  readonly index: number;
  readonly ours: bigint;
  readonly theirs: bigint;
  /** The record that a trap's field is of, in our result. */
  readonly trap?: Trap;
  /** What trapped: the mnemonic of the row it is of. */
  readonly mnemonic?: string | undefined;
}

/**
 * What differs between two results of a program and is not among the known differences.
 *
 * Programs that ran into the timer are equal, since when the timer strikes is no matter of the processor's.
 */
export function differences(program: Program, ours: Result, theirs: Result): Observation[] {
  const all = [...observations(program, ours, theirs)].filter((o) => o.ours !== o.theirs);
  const unexplained = all.filter((o) => !KNOWN_DIFFERENCES.some((known) => known.explains(o)));
  const timedOut = ours.status === STATUS_TIMEOUT && theirs.status === STATUS_TIMEOUT;
  return timedOut ? [] : unexplained;
}

function* observations(program: Program, ours: Result, theirs: Result): Generator<Observation> {
  yield { place: "status", index: 0, ours: BigInt(ours.status), theirs: BigInt(theirs.status) };
  yield { place: "trapCount", index: 0, ours: BigInt(ours.traps.length), theirs: BigInt(theirs.traps.length) };
  yield* each("x", ours.x, theirs.x);
  yield* each("f", ours.f, theirs.f);
  for (const [n, name] of FINAL_CSRS.entries()) {
    yield { place: name, index: 0, ours: ours.csrs[n]!, theirs: theirs.csrs[n]! };
  }
  for (let n = 0; n < Math.min(ours.traps.length, theirs.traps.length); n++) {
    const trap = ours.traps[n]!;
    const other = theirs.traps[n]!;
    const word = instructionAt(program, trap.epc);
    const mnemonic = word === undefined ? undefined : rowOf(word)?.mnemonic;
    for (const field of ["cause", "epc", "tval", "mstatus", "via"] as const) {
      yield { place: `trap.${field}`, index: n, ours: trap[field], theirs: other[field], trap, mnemonic };
    }
  }
  yield* each("pte", ours.ptes, theirs.ptes);
  yield* data(ours.data, theirs.data);
}

function* each(place: string, ours: readonly bigint[], theirs: readonly bigint[]): Generator<Observation> {
  for (const [index, value] of ours.entries()) yield { place, index, ours: value, theirs: theirs[index]! };
}

function* data(ours: Uint8Array, theirs: Uint8Array): Generator<Observation> {
  if (Buffer.compare(ours, theirs) === 0) return;
  const ourView = new DataView(ours.buffer, ours.byteOffset);
  const theirView = new DataView(theirs.buffer, theirs.byteOffset);
  for (let index = 0; index < DATA_BYTE_LENGTH; index += 8) {
    const value = ourView.getBigUint64(index, true);
    yield { place: "data", index, ours: value, theirs: theirView.getBigUint64(index, true) };
  }
}
