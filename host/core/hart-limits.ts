/** What the fields of a saved hart can hold, beyond their width: a file can say anything. */
import { csrs } from "../../assembly/isa/csrs.js";
import { HART_STARTED, HART_STOPPED, HART_WAITING, TURN_LENGTH } from "../../assembly/shared/exit.js";
import { VivariumError } from "../util/errors.js";

/** Privilege levels: user, supervisor, machine. */
const PRIVILEGES = [0n, 1n, 3n];
const RUN_STATES = [HART_STARTED, HART_STOPPED, HART_WAITING].map(BigInt);

/** Software sets SSIP, STIP and SEIP; lines from outside are MSIP, MTIP, SEIP and MEIP. */
const SOFTWARE_INTERRUPTS = 0x222n;
const OUTSIDE_LINES = 0xa88n;

const PMPCFG_BITS = 0x9fn;
const PMPCFG_R = 1n;
const PMPCFG_W = 2n;

/** Counters that count for longer than any machine runs. */
const COUNTER_BITS = (1n << 62n) - 1n;
/** mtime goes no faster than so many ticks an instruction, in 2^-32: a product with a budget stays below 2^64. */
const TICKS_PER_INSTRUCTION_BITS = (1n << 39n) - 1n;

/** The bits that a field can have set. */
const BITS: Readonly<Record<string, bigint>> = {
  ...Object.fromEntries(csrs.flatMap((csr) => (csr.kind === "stored" ? [[csr.name, csr.writable]] : []))),
  pc: ~1n & 0xffff_ffff_ffff_ffffn,
  fflags: 0x1fn,
  frm: 7n,
  mip: SOFTWARE_INTERRUPTS,
  externalLines: OUTSIDE_LINES,
  mcountinhibit: 5n,
  pmpaddr: (1n << 54n) - 1n,
  pmpcfg: PMPCFG_BITS,
  retired: COUNTER_BITS,
};

/** @throws VivariumError `bad-state` naming the field */
export function checkHartState(state: Readonly<Record<string, unknown>>): void {
  for (const [name, bits] of Object.entries(BITS)) {
    for (const value of valuesOf(state, name)) if ((value & ~bits) !== 0n) throw impossible(name, value);
  }
  for (const value of valuesOf(state, "privilege"))
    if (!PRIVILEGES.includes(value)) throw impossible("privilege", value);
  for (const value of valuesOf(state, "runState")) if (!RUN_STATES.includes(value)) throw impossible("runState", value);
  for (const value of valuesOf(state, "pmpcfg")) {
    if ((value & PMPCFG_W) !== 0n && (value & PMPCFG_R) === 0n) throw impossible("pmpcfg", value);
  }
}

/** @throws VivariumError `bad-state` naming the field */
export function checkCoreState(state: Readonly<Record<string, unknown>>, hartCount: number): void {
  const value = (name: string) => state[name] as bigint;
  const limits: readonly (readonly [string, bigint])[] = [
    ["currentHart", BigInt(hartCount) - 1n],
    ["turnLeft", BigInt(TURN_LENGTH)],
    ["retired", COUNTER_BITS],
    ["timeFraction", 0xffff_ffffn],
    ["ticksPerInstruction", TICKS_PER_INSTRUCTION_BITS],
  ];
  for (const [name, limit] of limits) if (value(name) > limit) throw impossible(name, value(name), "core");
  if (value("timeBaseRetired") !== value("retired"))
    throw impossible("timeBaseRetired", value("timeBaseRetired"), "core");
}

export function impossible(name: string, value: bigint, component = "hart"): VivariumError {
  const path = `${component}.${name}`;
  return new VivariumError("bad-state", `${path}: 0x${value.toString(16)} is no value it can have`, { path });
}

function valuesOf(state: Readonly<Record<string, unknown>>, name: string): readonly bigint[] {
  const value = state[name];
  return Array.isArray(value) ? (value as readonly bigint[]) : [value as bigint];
}
