import { hardFloat, hardInteger, type Random } from "../random.js";
import { MACHINE, type Mode, SUPERVISOR, USER } from "../setting.js";
import {
  CLINT,
  CODE,
  CODE_PAGES,
  DATA,
  DATA_PAGES,
  DEVICE,
  HIGH_BASE,
  LEAF_ALIAS,
  LEAF_CLINT,
  LEAF_CODE,
  LEAF_DATA,
  LEAF_DEVICE,
  LEAF_HOLE,
  LEAF_SAVED,
  LEAF_STACKS,
  LEAF_SUPERVISOR_HANDLER,
  LEAF_TABLES,
  LEAF_TWIN,
  LOW_BASE,
  MAX_HARTS,
  PAGE,
  SAVED,
  SPACE_BYTE_LENGTH,
  STACK_BYTE_LENGTH,
  STACKS,
  SUPERVISOR_HANDLER,
  TABLES,
  TWINS,
} from "./layout.js";

// Page-table entries: Privileged ISA, "Sv39".
export const V = 1n;
export const R = 2n;
export const W = 4n;
export const X = 8n;
export const U = 16n;
export const A = 64n;
export const D = 128n;

/** What a lockstep program begins with, before there is any code. */
export interface Setting {
  readonly title: string;
  readonly hartCount: number;
  readonly mode: Mode;
  readonly isTranslated: boolean;
  /** Whether exceptions of modes below machine mode go to the supervisor's handler. */
  readonly isDelegated: boolean;
  readonly hasTimer: boolean;
  /** Whether the twin is for user mode, though the program is the supervisor. */
  readonly isTwinUsers: boolean;
  /** Virtual addresses. */
  readonly at: Places;
  /** Which physical page of the code lies at each virtual one. */
  readonly codePages: readonly number[];
  /** satp of the two address spaces; 0 without translation. */
  readonly spaces: readonly [bigint, bigint];
  /** Contents of the page tables, each of PAGE bytes, from TABLES on. */
  readonly tables: Uint8Array;
  readonly x: readonly bigint[];
  readonly f: readonly bigint[];
  readonly csrs: Readonly<Record<string, bigint>>;
}

export interface Places {
  readonly code: bigint;
  readonly twin: bigint;
  /** The code again, where it can be written to. */
  readonly alias: bigint;
  readonly data: bigint;
  readonly stacks: bigint;
  readonly saved: bigint;
  readonly supervisorHandler: bigint;
  /** The leaf table of the first address space; that of the second is a page further on. */
  readonly leaf: bigint;
  readonly clint: bigint;
  readonly device: bigint;
  readonly hole: bigint;
}

const MODE_NAMES = { [USER]: "user", [SUPERVISOR]: "supervisor", [MACHINE]: "machine" };

export function makeSetting(random: Random): Setting {
  const hartCount = random.weighted([
    [8, 1],
    [1, 2],
    [1, 3],
  ]);
  const mode = random.weighted<Mode>([
    [5, SUPERVISOR],
    [2, USER],
    [3, MACHINE],
  ]);
  const isTranslated = mode !== MACHINE && random.chance(85);
  const isDelegated = mode !== MACHINE && random.chance(50);
  const hasTimer = random.chance(40);
  const isTwinUsers = mode === SUPERVISOR && isTranslated && random.chance(40);
  const base = random.chance(50) ? LOW_BASE : HIGH_BASE;
  const page = (leaf: number) => base + BigInt(leaf * PAGE);
  const at: Places = isTranslated
    ? {
        code: page(LEAF_CODE),
        twin: page(LEAF_TWIN),
        alias: page(LEAF_ALIAS),
        data: page(LEAF_DATA),
        stacks: page(LEAF_STACKS),
        saved: page(LEAF_SAVED),
        supervisorHandler: page(LEAF_SUPERVISOR_HANDLER),
        leaf: page(LEAF_TABLES),
        clint: page(LEAF_CLINT),
        device: page(LEAF_DEVICE),
        hole: page(LEAF_HOLE),
      }
    : {
        code: BigInt(CODE),
        twin: BigInt(TWINS),
        alias: BigInt(CODE),
        data: BigInt(DATA),
        stacks: BigInt(STACKS),
        saved: BigInt(SAVED),
        supervisorHandler: BigInt(SUPERVISOR_HANDLER),
        leaf: BigInt(TABLES + 2 * PAGE),
        clint: BigInt(CLINT),
        device: BigInt(DEVICE),
        hole: 0x5000_0000n,
      };
  const codePages = isTranslated && random.chance(60) ? shuffled(random, CODE_PAGES) : count(CODE_PAGES);
  const asids = [random.bits(16), random.bits(16)];
  // Machine mode has translation only for what it does in another one's name.
  const hasSpaces = isTranslated || (mode === MACHINE && random.chance(50));
  const satp = (n: 0 | 1) =>
    hasSpaces ? (8n << 60n) | (BigInt(asids[n]!) << 44n) | BigInt((TABLES + n * SPACE_BYTE_LENGTH) >>> 12) : 0n;
  return {
    title: `${hartCount} hart(s), ${MODE_NAMES[mode]}, ${isTranslated ? "Sv39" : "bare"}${isDelegated ? ", delegated" : ""}${hasTimer ? ", timer" : ""}`,
    hartCount,
    mode,
    isTranslated,
    isDelegated,
    hasTimer,
    isTwinUsers,
    at,
    codePages,
    spaces: [satp(0), satp(1)],
    tables: makeTables(random, mode, isTwinUsers, base === LOW_BASE ? 1 : 511, codePages),
    x: Array.from({ length: 32 }, (_, n) => (n === 0 ? 0n : hardInteger(random))),
    f: Array.from({ length: 32 }, () => hardFloat(random)),
    csrs: makeCsrs(random, mode, at, isDelegated, hasTimer),
  };
}

const count = (n: number) => Array.from({ length: n }, (_, k) => k);

function shuffled(random: Random, n: number): number[] {
  const items = count(n);
  for (let k = n - 1; k > 0; k--) {
    const other = random.below(k + 1);
    [items[k], items[other]] = [items[other]!, items[k]!];
  }
  return items;
}

function makeCsrs(random: Random, mode: Mode, at: Places, isDelegated: boolean, hasTimer: boolean) {
  const ALL_BUT_SUPERVISOR_ECALL = 0xb1ffn;
  const STCE = 1n << 63n;
  const ADUE = random.chance(70) ? 1n << 61n : 0n;
  const fs = random.pick([0n, 1n, 2n, 3n, 3n, 3n, 3n]) << 13n;
  const interruptsOn = random.chance(70) ? 0xaan : 0n; // MPIE, SPIE, MIE, SIE
  // User programs' handlers need SUM to reach what they save.
  const sum = mode === USER || random.chance(50) ? 1n << 18n : 0n;
  return {
    mtvec: BigInt(0x8000_0000),
    stvec: at.supervisorHandler,
    medeleg: isDelegated ? ALL_BUT_SUPERVISOR_ECALL : 0n,
    mideleg: isDelegated && random.chance(60) ? 0x222n : 0n,
    mie: (hasTimer ? 0x80n : 0n) | 0x8n | (random.u64() & 0x222n),
    menvcfg: STCE | ADUE | 0xf1n,
    senvcfg: 0xf1n,
    mcounteren: 7n,
    scounteren: 7n,
    stimecmp: hasTimer ? BigInt(random.between(50, 2000)) : 0xffff_ffff_ffff_ffffn,
    fcsr: BigInt((random.chance(85) ? 0 : random.bits(3)) << 5) | BigInt(random.bits(5) | random.bits(1)),
    pmpaddr0: (1n << 54n) - 1n,
    pmpcfg0: 0x1fn,
    mstatus: fs | interruptsOn | sum | (random.chance(10) ? 1n << 19n : 0n),
  };
}

/** Both address spaces: the same but for two pages of data and the twin, and what is random about them. */
function makeTables(
  random: Random,
  mode: Mode,
  isTwinUsers: boolean,
  rootIndex: number,
  codePages: readonly number[],
): Uint8Array {
  const bytes = new Uint8Array(2 * SPACE_BYTE_LENGTH);
  const view = new DataView(bytes.buffer);
  const own = mode === USER ? U : 0n;
  const usage = () => (random.chance(70) ? A | D : random.chance(50) ? A : 0n);
  const pte = (paddr: number, flags: bigint) => (BigInt(paddr) >> 2n) | flags;
  const isCodeWritable = random.chance(70);
  const dataOrder = shuffled(random, DATA_PAGES);
  for (const space of [0, 1]) {
    const [root, middle, leaf] = [0, 1, 2].map((level) => (space * 3 + level) * PAGE) as [number, number, number];
    view.setBigUint64(root + 8 * rootIndex, pte(TABLES + middle, V), true);
    view.setBigUint64(root + 8 * 2, pte(RAM_GIGAPAGE, V | R | W | X | own | A | D), true);
    view.setBigUint64(middle, pte(TABLES + leaf, V), true);
    const set = (index: number, paddr: number, flags: bigint) =>
      view.setBigUint64(leaf + 8 * index, pte(paddr, flags | V), true);
    for (const [n, page] of codePages.entries()) {
      set(LEAF_CODE + n, CODE + page * PAGE, R | X | own | usage() | (isCodeWritable ? W : 0n));
      set(LEAF_ALIAS + n, CODE + page * PAGE, R | W | X | own | usage());
    }
    set(LEAF_TWIN, TWINS + space * PAGE, R | W | X | (isTwinUsers ? U : own) | usage());
    for (const [n, page] of dataOrder.entries()) {
      const other = space === 1 && n < 2 ? dataOrder[1 - n]! : page;
      // To a supervisor, some pages are a user's: SUM says whether it reaches them.
      set(LEAF_DATA + n, DATA + other * PAGE, R | W | usage() | (mode === USER || n % 3 === 2 ? U : 0n));
    }
    for (const n of count((MAX_HARTS * STACK_BYTE_LENGTH) / PAGE)) {
      set(LEAF_STACKS + n, STACKS + n * PAGE, R | W | own | usage());
    }
    set(LEAF_SUPERVISOR_HANDLER, SUPERVISOR_HANDLER, R | X | A);
    set(LEAF_SAVED, SAVED, R | W | own | A | D);
    for (const n of [0, 1]) set(LEAF_TABLES + n, TABLES + n * SPACE_BYTE_LENGTH + 2 * PAGE, R | W | own | A | D);
    for (const n of [0, 4]) set(LEAF_CLINT + n, CLINT + n * PAGE, R | W | own | A | D);
    set(LEAF_DEVICE, DEVICE, R | W | own | A | D);
  }
  return bytes;
}

const RAM_GIGAPAGE = 0x8000_0000;
