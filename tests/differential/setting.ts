import {
  ARENA_BASE,
  ARENA_BYTE_LENGTH,
  type Block,
  CODE_OFFSET,
  DATA_BYTE_LENGTH,
  DATA_OFFSET,
  HIGH_BASE,
  LEAF_CODE,
  LEAF_COUNT,
  LEAF_DATA,
  LEAF_STUB,
  LOW_BASE,
  MEGAPAGE_OFFSET,
  RAM_BASE,
  STUB_OFFSET,
  SV39_ROOT,
  SV48_ROOT,
  SV57_ROOT,
  TABLES_BASE,
  TABLES_BYTE_LENGTH,
} from "./layout.js";
import { COUNTER, POINTERS } from "./operands.js";
import type { Profile } from "./profiles.js";
import { hardFloat, hardInteger, type Random } from "./random.js";

/** Pages of data in the leaf table: the window's, of which two have another entry. */
const DATA_PAGE_COUNT = 6;

/** Privilege modes by number. */
export const USER = 0;
export const SUPERVISOR = 1;
export const MACHINE = 3;
export type Mode = typeof USER | typeof SUPERVISOR | typeof MACHINE;

const MODE_NAMES = { [USER]: "user", [SUPERVISOR]: "supervisor", [MACHINE]: "machine" };

/** Page-table entries: Privileged ISA, "Sv39". */
const V = 1n;
const R = 2n;
const W = 4n;
const X = 8n;
const U = 16n;
const G = 32n;
const A = 64n;
const D = 128n;
const SOFTWARE = 0x300n;
const PBMT_NC = 1n << 61n;
const N = 1n << 63n;
/** Reserved bits, which QEMU 7.2 with Svnapot takes no notice of; and N, which it looks at after it has set A and D. */
const RESERVED = N | (0x7fn << 54n);

/** What pmpcfg holds in A. */
const PMP_OFF = 0;
const PMP_TOR = 1;
const PMP_NAPOT = 3;

/** mstatus. */
export const MSTATUS_SIE = 1n << 1n;
export const MSTATUS_MIE = 1n << 3n;
export const MSTATUS_SPIE = 1n << 5n;
export const MSTATUS_MPIE = 1n << 7n;
export const MSTATUS_SPP = 1n << 8n;
export const MSTATUS_MPP = 3n << 11n;
export const MSTATUS_FS = 3n << 13n;
export const MSTATUS_MPRV = 1n << 17n;
export const MSTATUS_SUM = 1n << 18n;
export const MSTATUS_MXR = 1n << 19n;
export const MSTATUS_TVM = 1n << 20n;
export const MSTATUS_TW = 1n << 21n;
export const MSTATUS_TSR = 1n << 22n;

export const MENVCFG_ADUE = 1n << 61n;
export const MENVCFG_STCE = 1n << 63n;
/** FIOM, CBIE = 1, CBCFE, CBZE. */
const ENVCFG_BITS = [1n, 1n << 4n, 1n << 6n, 1n << 7n];

/**
 * Exceptions that may be delegated. Not the supervisor's ECALL, which is how its stub reports, and not the machine's,
 * which is never taken below machine mode.
 */
export const DELEGABLE = 0xb1ffn;
const SUPERVISOR_INTERRUPTS = 0x222n;
const MACHINE_TIMER = 0x80n;
export const SSIP = 2n;

interface Scheme {
  readonly name: string;
  /** In satp. */
  readonly mode: bigint;
  readonly root: number;
}

const SCHEMES: readonly (readonly [weight: number, Scheme])[] = [
  [6, { name: "Sv39", mode: 8n, root: SV39_ROOT }],
  [2, { name: "Sv48", mode: 9n, root: SV48_ROOT }],
  [2, { name: "Sv57", mode: 10n, root: SV57_ROOT }],
];

/** What a program begins with, before there is any code. */
export interface Setting {
  readonly title: string;
  readonly mode: Mode;
  /** Values of satp that map the program's code where it is; the first is its own. Only 0 when nothing is translated. */
  readonly spaces: readonly bigint[];
  /** Whether code has the same address translated and not; if translated, with a gigapage for user or supervisor. */
  readonly isIdentity: boolean;
  readonly isUserGigapage: boolean;
  /** Whether both of its pages of code can be executed. */
  readonly isCodeWhole: boolean;
  /** Whether a stray store may change its code, which shows at once or with the next FENCE.I, as one likes. */
  readonly isCodeWritable: boolean;
  /** Whether all of its data can be loaded and stored, as far as page tables (but for the U bit) and PMP go. */
  readonly isDataPlain: boolean;
  readonly codeBase: bigint;
  readonly isSwapped: boolean;
  readonly window: number;
  /**
   * The bit of mip that the program uses. One a program: of several pending interrupts, QEMU 7.2 takes the one of the
   * lowest number first, against "Machine Interrupt Registers".
   */
  readonly interrupt: bigint;
  /** Fields of the block but for entry and end. */
  readonly block: Block;
}

/**
 * Whether mstatus.FS is Initial or Clean, so that when it becomes Dirty is told by implementations in different ways.
 * Such a program does not read it into a register.
 */
export function hasCleanFloats(setting: Setting): boolean {
  const fs = setting.block.mstatus! & MSTATUS_FS;
  return fs !== 0n && fs !== MSTATUS_FS;
}

type Placement = "leaf" | "megapage" | "identity";

const PLACEMENTS: readonly (readonly [weight: number, Placement])[] = [
  [7, "leaf"],
  [1, "megapage"],
  [2, "identity"],
];

export function makeSetting(random: Random, profile: Profile): Setting {
  const roll = random.below(100);
  const mode: Mode = roll < profile.supervisor ? SUPERVISOR : roll < profile.supervisor + profile.user ? USER : MACHINE;
  const isTranslated = random.chance(profile.translated);
  const isCalm = random.chance(profile.calm);
  const base = random.chance(50) ? LOW_BASE : HIGH_BASE;
  const scheme = random.weighted(SCHEMES);
  const placement = mode === MACHINE || !isTranslated ? "identity" : random.weighted(PLACEMENTS);
  const isUserGigapage = mode === USER || (mode === MACHINE && random.chance(50));
  const interrupt = random.pick([SSIP, SSIP, 0x20n, 0x200n]);
  const asid = BigInt(random.bits(16));
  const satp = (s: Scheme) => (s.mode << 60n) | (asid << 44n) | BigInt(s.root >>> 12);
  const others = SCHEMES.map(([, other]) => other).filter((other) => other !== scheme);
  const spaces = isTranslated ? [scheme, ...others].map(satp) : [0n];
  const stub = isTranslated ? base + BigInt(LEAF_STUB << 12) : BigInt(ARENA_BASE + STUB_OFFSET);
  const x = initialRegisters(random, dataAddresses(mode, isTranslated, base));
  const block: Record<string, bigint> = {
    stub,
    ...machineState(random, mode, interrupt, isCalm, profile),
    stvec: stub | (random.chance(50) ? 1n : 0n),
    satp: spaces[0]!,
    ...protection(random, isCalm),
    ...pageTable(random, mode === USER, isUserGigapage, isCalm),
    ...Object.fromEntries(x.map((value, n) => [`x${n}`, value])),
    ...Object.fromEntries(Array.from({ length: 32 }, (_, n) => [`f${n}`, hardFloat(random)])),
  };
  const isSwapped = placement === "leaf" && random.chance(50);
  return {
    title: `${profile.name}, ${MODE_NAMES[mode]}, ${isTranslated ? `${scheme.name}, ${placement}` : "bare"}`,
    mode,
    spaces,
    isIdentity: placement === "identity",
    isUserGigapage,
    isCodeWhole: (block.pte0! & block.pte1! & X) !== 0n,
    isCodeWritable: placement !== "leaf" || ((block.pte0! | block.pte1!) & W) !== 0n,
    isDataPlain: isDataPlain(block),
    codeBase: codeBaseOf(placement, base),
    isSwapped,
    window: random.below(16),
    interrupt,
    block: isSwapped ? { ...block, pte0: block.pte1!, pte1: block.pte0! } : block,
  };
}

function codeBaseOf(placement: Placement, base: bigint): bigint {
  switch (placement) {
    case "leaf":
      return base + BigInt(LEAF_CODE << 12);
    case "megapage":
      return base + MEGAPAGE_OFFSET + BigInt(CODE_OFFSET);
    case "identity":
      return BigInt(ARENA_BASE + CODE_OFFSET);
  }
}

/** Where the data window is to be found. */
function dataAddresses(mode: Mode, isTranslated: boolean, base: bigint): bigint[] {
  const physical = BigInt(ARENA_BASE + DATA_OFFSET);
  if (mode === MACHINE || !isTranslated) return [physical];
  const leaf = base + BigInt(LEAF_DATA << 12);
  return [leaf, leaf, leaf, leaf, base + MEGAPAGE_OFFSET + BigInt(DATA_OFFSET), physical];
}

function initialRegisters(random: Random, addresses: readonly bigint[]): bigint[] {
  const x = Array.from({ length: 32 }, () => hardInteger(random));
  x[0] = 0n;
  x[COUNTER] = 0n;
  for (const register of POINTERS) {
    const address = random.pick(addresses);
    x[register] = address + BigInt(8 * random.between(0x100, DATA_BYTE_LENGTH / 8 - 0x100));
    if (register === 9) x[register]! += BigInt(random.below(8));
    // Near a page's end, where accesses begin to cross.
    if (register === 15) x[register] = address + BigInt(0x1000 * random.between(1, 3) + random.between(-12, 4));
  }
  return x;
}

function machineState(random: Random, mode: Mode, interrupt: bigint, isCalm: boolean, profile: Profile) {
  const maybe = (percent: number, bits: bigint) => (random.chance(percent) ? bits : 0n);
  const isPrivileged = profile.kinds.system > 10;
  const fs = isCalm
    ? MSTATUS_FS
    : random.weighted([
        [8, MSTATUS_FS],
        [1, 0n],
        [1, 1n << 13n],
        [1, 2n << 13n],
      ]);
  return {
    mstatus:
      (BigInt(mode) << 11n) |
      fs |
      maybe(85, MSTATUS_MPIE) |
      maybe(50, MSTATUS_SPIE) |
      maybe(50, MSTATUS_SIE) |
      maybe(50, MSTATUS_SPP) |
      maybe(50, MSTATUS_SUM) |
      maybe(30, MSTATUS_MXR) |
      maybe(isCalm ? 3 : 20, MSTATUS_TVM) |
      maybe(isCalm ? 3 : 20, MSTATUS_TW) |
      maybe(isCalm ? 1 : 5, MSTATUS_TSR),
    medeleg: maybe(50, random.u64() & DELEGABLE),
    mideleg: random.u64() & SUPERVISOR_INTERRUPTS,
    mie: MACHINE_TIMER | (isPrivileged ? random.u64() & 0xaaan : 0n),
    mip: isPrivileged ? maybe(20, interrupt) : 0n,
    menvcfg: MENVCFG_ADUE | maybe(80, MENVCFG_STCE) | environmentBits(random),
    senvcfg: environmentBits(random),
    stimecmp: 0xffff_ffff_ffff_ffffn,
    mcounteren: BigInt(random.u32()),
    scounteren: BigInt(random.u32()),
    mcountinhibit: 0n,
    sscratch: hardInteger(random),
    sepc: hardInteger(random) & ~1n,
    scause: hardInteger(random),
    stval: hardInteger(random),
    mcause: hardInteger(random),
    mtval: hardInteger(random),
    fcsr: BigInt((random.chance(80) ? random.below(5) : random.bits(3)) << 5) | maybe(30, BigInt(random.bits(5))),
  };
}

function environmentBits(random: Random): bigint {
  return ENVCFG_BITS.reduce((bits, bit) => bits | (random.chance(50) ? bit : 0n), 0n);
}

/** PMP: entries 2 and 3 let a program have the arena and its page tables; 0 and 1 may restrict it in the data window. */
function protection(random: Random, isCalm: boolean) {
  const napot = (base: number, byteLength: number) =>
    (BigInt(base + byteLength / 2 - 4) >> 2n) | (BigInt(byteLength / 8) - 1n);
  const NAPOT_RWX = 0x1fn;
  const NAPOT_RW = 0x1bn;
  const restricts = !isCalm && random.chance(40);
  // Neither reaches a page's end: an access that does is two here, each checked by itself, and one in QEMU.
  const page = ARENA_BASE + DATA_OFFSET + 4096 * random.below(4);
  const within = () => {
    const byteLength = 8 << random.below(8);
    const address = page + byteLength * random.between(1, 4096 / byteLength - 2);
    return random.chance(50) ? napot(address, byteLength) : BigInt(address / 4);
  };
  // Never locked: a lock would outlive the program. Not W without R, which is reserved. Not NA4: QEMU does not see four
  // bytes in the middle of eight.
  const anyConfig = (mode: number) => {
    const config = BigInt(8 * mode + random.bits(3));
    return (config & 3n) === 2n ? config | 1n : config;
  };
  // TOR in entry 0 would reach down to the code.
  const config0 = anyConfig(random.pick([PMP_OFF, PMP_NAPOT]));
  const config1 = anyConfig(random.pick([PMP_OFF, PMP_TOR, PMP_NAPOT]));
  return {
    pmpaddr0: restricts ? within() : 0n,
    pmpaddr1: restricts ? within() : 0n,
    pmpaddr2: napot(ARENA_BASE, ARENA_BYTE_LENGTH),
    pmpaddr3: napot(TABLES_BASE, TABLES_BYTE_LENGTH),
    pmpcfg0: (NAPOT_RW << 24n) | (NAPOT_RWX << 16n) | (restricts ? (config1 << 8n) | config0 : 0n),
  };
}

const pte = (paddr: number | bigint, flags: bigint) => (BigInt(paddr) >> 2n) | flags;

function pageTable(random: Random, isUser: boolean, isUserGigapage: boolean, isCalm: boolean): Record<string, bigint> {
  const own = isUser ? U : 0n;
  const usage = () => (random.chance(70) ? A : 0n) | (random.chance(60) ? D : 0n);
  const entries: bigint[] = Array.from({ length: LEAF_COUNT }, () => (isCalm ? 0n : random.u64() & ~RESERVED));
  for (const page of [0, 1]) {
    const flags = random.chance(20) ? V | R | W | X : V | R | X;
    const broken = !isCalm && random.chance(8);
    entries[LEAF_CODE + page] = pte(ARENA_BASE + CODE_OFFSET + 4096 * page, own | usage() | (broken ? V | R : flags));
  }
  const order = [0, 1, 2, 3].sort(() => random.below(3) - 1);
  for (const [n, page] of [...order, random.below(4), random.below(4)].entries()) {
    const paddr = ARENA_BASE + DATA_OFFSET + 4096 * page;
    entries[LEAF_DATA + n] = dataPte(random, paddr, own | usage(), isCalm);
  }
  entries[LEAF_STUB] = pte(ARENA_BASE + STUB_OFFSET, V | R | X | usage());
  const megapages = [
    pte(ARENA_BASE, V | R | W | X | own | usage()),
    random.chance(50) ? pte(ARENA_BASE + 4096 * random.bits(9), V | R | W | own | usage()) : random.u64() & ~RESERVED,
    pte(TABLES_BASE, V | (random.u64() & (U | A | D | SOFTWARE))),
  ];
  const gigapage = pte(RAM_BASE, V | R | W | X | usage() | (isUserGigapage ? U : 0n));
  return Object.fromEntries([...entries, ...megapages, gigapage].map((entry, n) => [`pte${n}`, entry]));
}

function isDataPlain(block: Block): boolean {
  const isUnrestricted = (block.pmpcfg0! & 0xffffn) === 0n;
  const entries = Array.from({ length: DATA_PAGE_COUNT }, (_, n) => block[`pte${LEAF_DATA + n}`]!);
  const first = pte(ARENA_BASE + DATA_OFFSET, 0n);
  const isUsual = (entry: bigint) =>
    (entry & (V | R | W)) === (V | R | W) && entry >= first && entry < first + BigInt(DATA_BYTE_LENGTH >> 2);
  return isUnrestricted && (block.satp === 0n || entries.every(isUsual));
}

/** A data page's entry: as a program would have it or, unless all is calm, with something wrong or unusual. */
function dataPte(random: Random, paddr: number, flags: bigint, isCalm: boolean): bigint {
  const usual = pte(paddr, V | R | W | flags);
  if (random.chance(isCalm ? 90 : 45)) return usual;
  const beyondRam = 0x1_0000_0000n + (random.u64() & 0x3f_ffff_f000n);
  return random.pick([
    pte(paddr, V | R | flags),
    pte(paddr, V | R | X | flags),
    pte(paddr, V | X | flags),
    pte(paddr, V | R | W | X | G | flags | (random.u64() & SOFTWARE)),
    pte(paddr, V | W | flags), // reserved
    pte(paddr, V | flags), // a pointer at the last level
    usual & ~V,
    usual ^ U,
    usual | PBMT_NC, // reserved without Svpbmt
    pte(paddr & ~0xffff, V | R | W | flags) | N | (8n << 10n), // Svnapot: 64 KiB
    pte(beyondRam, V | R | W | flags),
    pte(RAM_BASE + 0x60_0000, V | R | W | flags), // PMP denies it
  ]);
}
