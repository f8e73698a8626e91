import type { Kind } from "../../assembly/isa/instruction.js";

/** What is no single row of the table. */
export type Idiom =
  | "loop"
  | "call"
  | "countTrailingZeros"
  | "computedJump"
  | "wildJump"
  | "reservation"
  | "corrupted"
  | "loadFloat"
  | "setRounding"
  | "takeFlags"
  | "readCounter"
  | "setStatus"
  | "swapCsr"
  | "interrupt"
  | "waitForInterrupt"
  | "dropPrivilege"
  | "dataPrivilege"
  | "switchSpace"
  | "remap"
  | "patch";

/** How often what is picked: weights of kinds of rows, of compressed rows and of idioms, per kind and not per row. */
export interface Profile {
  readonly name: string;
  readonly kinds: Readonly<Record<Kind, number>>;
  readonly compressed: number;
  readonly idioms: Readonly<Partial<Record<Idiom, number>>>;
  /** In percent of the programs. */
  readonly supervisor: number;
  readonly user: number;
  readonly translated: number;
  /** In percent of the programs: traps, PMP and page tables are as usual. */
  readonly calm: number;
}

const FLOW = { loop: 2, call: 1, computedJump: 2 };

/** A further one is tried by adding it here. */
export const PROFILES: readonly Profile[] = [
  {
    name: "integer",
    kinds: { integer: 60, relative: 2, branch: 5, jump: 1, memory: 5, atomic: 1, float: 1, plain: 2, system: 1 },
    compressed: 10,
    idioms: { ...FLOW, countTrailingZeros: 1, corrupted: 3 },
    supervisor: 30,
    user: 40,
    translated: 30,
    calm: 90,
  },
  {
    name: "memory",
    kinds: { integer: 10, relative: 1, branch: 2, jump: 1, memory: 50, atomic: 20, float: 1, plain: 2, system: 1 },
    compressed: 15,
    idioms: {
      ...FLOW,
      reservation: 6,
      wildJump: 1,
      dataPrivilege: 4,
      setStatus: 2,
      switchSpace: 1,
      remap: 4,
      patch: 2,
    },
    supervisor: 40,
    user: 40,
    translated: 75,
    calm: 40,
  },
  {
    name: "float",
    kinds: { integer: 2, relative: 0, branch: 1, jump: 0, memory: 6, atomic: 0, float: 80, plain: 2, system: 1 },
    compressed: 3,
    idioms: { loop: 1, loadFloat: 10, setRounding: 6, takeFlags: 20 },
    supervisor: 30,
    user: 40,
    translated: 20,
    calm: 95,
  },
  {
    name: "privileged",
    kinds: { integer: 8, relative: 2, branch: 2, jump: 1, memory: 8, atomic: 2, float: 5, plain: 2, system: 40 },
    compressed: 4,
    idioms: {
      ...FLOW,
      corrupted: 2,
      wildJump: 1,
      setRounding: 2,
      readCounter: 4,
      setStatus: 12,
      swapCsr: 10,
      interrupt: 8,
      waitForInterrupt: 2,
      dropPrivilege: 4,
      dataPrivilege: 3,
      switchSpace: 2,
      remap: 1,
      patch: 2,
    },
    supervisor: 35,
    user: 20,
    translated: 50,
    calm: 60,
  },
  {
    name: "compressed",
    kinds: { integer: 10, relative: 1, branch: 2, jump: 1, memory: 2, atomic: 0, float: 3, plain: 2, system: 1 },
    compressed: 90,
    idioms: { ...FLOW, corrupted: 10, patch: 3 },
    supervisor: 30,
    user: 40,
    translated: 40,
    calm: 85,
  },
];
