import { HART_FIELDS, type PlacedField } from "../../assembly/generated/hart-fields.js";
import { csrs } from "../../assembly/isa/csrs.js";
import { HART_STARTED, HART_STOPPED, HART_WAITING } from "../../assembly/shared/exit.js";
import { HART_STRIDE, HARTS_BASE } from "../../assembly/shared/layout.js";
import { type Field, schema, table, u64 } from "../util/schema.js";
import type { CoreExports } from "./exports.js";
import { checkHartState, impossible } from "./hart-limits.js";
import { fieldNamed, type LinearMemory } from "./linear-memory.js";

const named = (name: string) => fieldNamed(HART_FIELDS, name);
const X = named("x");
const DISCARDED = named("discarded");
const F = named("f");
const PC = named("pc");
const PRIVILEGE = named("privilege");
const RUN_STATE = named("runState");
const MIP = named("mip");
const EXTERNAL_LINES = named("externalLines");
const MTIMECMP = named("mtimecmp");
const RETIRED = named("retired");

/** CSRs that hold only some values, which writing them shows (WARL). */
const LEGALISED = ["mstatus", "menvcfg", "senvcfg", "satp", "mtvec", "stvec"].map((name) => ({
  name,
  number: csrs.find((csr) => csr.name === name)!.number,
  field: named(name),
}));

const SAVED_FIELDS = HART_FIELDS.filter((field) => field.saved);

/** SSIP and STIP are bits of mip that firmware sets; the others are levels of lines from outside the hart. */
const MIP_BITS = new Set([1, 5]);

/** The fields isa/hart.ts declares as saved, under the same names. */
export const hartSchema = schema(
  "hart",
  1,
  Object.fromEntries(
    SAVED_FIELDS.map((field): [string, Field<unknown>] => {
      const value = u64(field.name);
      return [field.name, field.count === 1 ? value : table(field.name, value, field.count)];
    }),
  ),
);
export type HartState = Readonly<Record<string, unknown>>;

export type RunState = "started" | "stopped" | "waiting";

/** One hart of a core, as debuggers, firmware and saved machines see it. For use between calls of `Core.run`. */
export class Hart {
  readonly id: number;
  readonly #memory: LinearMemory;
  readonly #core: CoreExports;
  readonly #base: number;

  constructor(id: number, memory: LinearMemory, core: CoreExports) {
    this.id = id;
    this.#memory = memory;
    this.#core = core;
    this.#base = HARTS_BASE + id * HART_STRIDE;
  }

  /** Integer register `r`, 0 to 31. */
  x(r: number): bigint {
    return this.#get(X, r);
  }
  /** What an instruction last wrote to x0, such as whether an SC whose rd it was had failed. */
  get discarded(): bigint {
    return this.#get(DISCARDED);
  }
  /** Writing x0 does nothing. */
  setX(r: number, value: bigint): void {
    if (r !== 0) this.#set(X, BigInt.asUintN(64, value), r);
  }
  /** The 64 bits of floating-point register `r`, 0 to 31. */
  f(r: number): bigint {
    return this.#get(F, r);
  }
  setF(r: number, value: bigint): void {
    this.#set(F, BigInt.asUintN(64, value), r);
  }
  get pc(): bigint {
    return this.#get(PC);
  }
  set pc(value: bigint) {
    this.#set(PC, BigInt.asUintN(64, value));
  }
  /** 0 user, 1 supervisor, 3 machine. */
  get privilege(): number {
    return Number(this.#get(PRIVILEGE));
  }
  get runState(): RunState {
    const state = Number(this.#get(RUN_STATE));
    if (state === HART_STARTED) return "started";
    return state === HART_STOPPED ? "stopped" : "waiting";
  }

  /** CSR `number` whatever the hart's privilege; 0 when there is none of that number. */
  csr(number: number): bigint {
    return BigInt.asUintN(64, this.#core.readCsr(this.id, number));
  }
  /** Writes a CSR as an instruction in machine mode would. */
  setCsr(number: number, value: bigint): void {
    this.#core.writeCsr(this.id, number, value);
  }

  /** Begins execution at `pc` with a0 and a1; other registers keep their values. */
  start(pc: bigint, privilege: number, a0: bigint, a1: bigint): void {
    this.pc = pc;
    this.#set(PRIVILEGE, BigInt(privilege));
    this.setX(10, a0);
    this.setX(11, a1);
    this.#set(RUN_STATE, BigInt(HART_STARTED));
    this.#core.refreshHart(this.id);
  }
  /** Executes nothing until `start`. */
  stop(): void {
    this.#set(RUN_STATE, BigInt(HART_STOPPED));
  }
  /** As if WFI had been executed: executes nothing until an enabled interrupt is pending. */
  wait(): void {
    this.#set(RUN_STATE, BigInt(HART_WAITING));
  }

  /**
   * Drives an interrupt from outside the hart.
   *
   * @param bit number in mip: 1 SSIP, 3 MSIP, 5 STIP, 9 SEIP or 11 MEIP
   */
  setInterruptPending(bit: number, level: boolean): void {
    const field = MIP_BITS.has(bit) ? MIP : EXTERNAL_LINES;
    const mask = 1n << BigInt(bit);
    const old = this.#get(field);
    this.#set(field, level ? old | mask : old & ~mask);
  }
  /** Level of the line `bit` as `setInterruptPending` left it, or software for bits 1 and 5. */
  interruptPending(bit: number): boolean {
    const field = MIP_BITS.has(bit) ? MIP : EXTERNAL_LINES;
    return ((this.#get(field) >> BigInt(bit)) & 1n) === 1n;
  }

  /** The CLINT's deadline for the machine timer interrupt, in ticks of mtime. */
  get mtimecmp(): bigint {
    return this.#get(MTIMECMP);
  }
  set mtimecmp(value: bigint) {
    this.#set(MTIMECMP, BigInt.asUintN(64, value));
  }

  /** Eight bytes of RAM at a virtual address the hart has just accessed; 0 where there is none. */
  peek(vaddr: bigint): bigint {
    return BigInt.asUintN(64, this.#core.peek(this.id, vaddr));
  }

  /** Forgets every cached translation. */
  flushTlb(): void {
    this.#core.flushTlb(this.id);
  }
  /** Instructions this hart has retired since reset. */
  get retired(): bigint {
    return this.#get(RETIRED);
  }

  save(): HartState {
    return Object.fromEntries(
      SAVED_FIELDS.map((field) => [
        field.name,
        field.count === 1 ? this.#get(field) : Array.from({ length: field.count }, (_, n) => this.#get(field, n)),
      ]),
    );
  }
  /**
   * Takes over a state that `decode` has validated.
   *
   * @throws VivariumError `bad-state` for values that a hart cannot have; the hart is then in no useful state
   */
  load(state: HartState): void {
    checkHartState(state);
    for (const { name, number, field } of LEGALISED) {
      const value = state[name] as bigint;
      this.setCsr(number, value);
      if (this.#get(field) !== value) throw impossible(name, value);
    }
    for (const field of SAVED_FIELDS) {
      const value = state[field.name];
      if (field.count === 1) this.#set(field, value as bigint);
      else for (const [n, item] of (value as readonly bigint[]).entries()) this.#set(field, item, n);
    }
    this.#core.refreshHart(this.id);
  }

  #get(field: PlacedField, index = 0): bigint {
    return this.#memory.get(this.#base, field, index);
  }
  #set(field: PlacedField, value: bigint, index = 0): void {
    this.#memory.set(this.#base, field, value, index);
  }
}
