import { compressedRowOf, rowOf } from "../../assembly/isa/encode.js";
import { compressedTable, instructionTable } from "../../assembly/isa/table.js";
import { bitsDraft, type Context, type Draft, sequenceDraft, textDraft } from "./drafts.js";
import { ARENA_BASE, ARENA_BYTE_LENGTH, LEAF_DATA, LEAF_TABLE, RAM_BASE, RAM_BYTE_LENGTH } from "./layout.js";
import { ALIGNED_POINTERS, COUNTER, operandRanges, POINTERS } from "./operands.js";
import type { Idiom } from "./profiles.js";
import { hardInteger, type Random } from "./random.js";
import { type AnyRow, kindOf, rowDraft, VOLATILE } from "./rows.js";
import {
  DELEGABLE,
  MACHINE,
  MENVCFG_ADUE,
  MENVCFG_STCE,
  MSTATUS_FS,
  MSTATUS_MIE,
  MSTATUS_MPIE,
  MSTATUS_MPP,
  MSTATUS_MPRV,
  MSTATUS_MXR,
  MSTATUS_SIE,
  MSTATUS_SPIE,
  MSTATUS_SPP,
  MSTATUS_SUM,
  MSTATUS_TSR,
  MSTATUS_TVM,
  MSTATUS_TW,
  SSIP,
  SUPERVISOR,
  USER,
} from "./setting.js";

/** Drafts of what is no single row: instructions that only make sense together. Undefined where it makes none. */
export const IDIOMS: Readonly<Record<Idiom, (context: Context) => Draft | undefined>> = {
  loop,
  call: ({ random }) => {
    const link = scratch(random);
    return textDraft(
      `jal x${link}, 1f; j 2f; 1: xori x${scratch(random, [link])}, x${link}, 1; jalr x0, 0(x${link}); 2:`,
    );
  },
  computedJump,
  wildJump,
  reservation,
  corrupted,
  loadFloat: (context) =>
    rowDraft(context, context.random.pick(context.rows.filter(({ mnemonic }) => LOADS.has(mnemonic)))),
  setRounding: ({ random }) =>
    textDraft(
      random.pick([
        `csrrwi x${scratch(random)}, frm, ${random.bits(3)}`,
        `csrrwi x0, frm, ${random.below(5)}`,
        `csrrwi x${scratch(random)}, fflags, ${random.bits(5)}`,
        `csrrsi x0, fflags, ${random.bits(5)}`,
        `frcsr x${scratch(random)}`,
      ]),
    ),
  readCounter: ({ random }) => {
    const register = scratch(random);
    return textDraft(`csrr x${register}, ${random.pick([...VOLATILE])}; andi x${register}, x${register}, 0`);
  },
  setStatus,
  swapCsr,
  interrupt,
  waitForInterrupt,
  dropPrivilege,
  dataPrivilege,
  switchSpace,
  remap,
};

const LOADS: ReadonlySet<string> = new Set(["flw", "fld", "fmv.w.x", "fmv.d.x"]);

/** A register that idioms may use: not one of those with a meaning. */
function scratch(random: Random, others: readonly number[] = []): number {
  for (;;) {
    const register = random.between(1, 30);
    if (!POINTERS.includes(register) && !others.includes(register)) return register;
  }
}

function scratches(random: Random, count: number): number[] {
  const registers: number[] = [];
  while (registers.length < count) registers.push(scratch(random, registers));
  return registers;
}

function loop(context: Context): Draft | undefined {
  const { random } = context;
  const body: Draft[] = [];
  for (let n = random.between(1, 4); n > 0; n--) {
    const row = random.pick<AnyRow>(random.chance(30) ? compressedTable : context.rows);
    const kind = kindOf(row);
    if (kind === "branch" || kind === "jump" || kind === "system" || row.mnemonic === "c.addi16sp") continue;
    const draft = rowDraft(context, row);
    if (draft) body.push(draft);
  }
  if (body.length === 0) return undefined;
  const byteLength = body.reduce((sum, draft) => sum + draft.byteLength, 0);
  return sequenceDraft([
    textDraft(`li x${COUNTER}, ${random.between(1, 5)}`),
    ...body,
    textDraft(`addi x${COUNTER}, x${COUNTER}, -1; bne x${COUNTER}, x0, .-${byteLength + 4}`),
  ]);
}

/** Through a register, with the offset in either half, at times odd: JALR clears bit 0. */
function computedJump({ random }: Context): Draft {
  const ahead = random.between(1, 4);
  const [target, link] = scratches(random, 2) as [number, number];
  const odd = random.chance(20) ? 1 : 0;
  const variants = [
    (distance: number) => `auipc x${target}, 0; addi x${target}, x${target}, ${distance + odd}; c.jr x${target}`,
    (distance: number) => `auipc x${target}, 0; addi x${target}, x${target}, ${distance + odd}; c.jalr x${target}`,
    (distance: number) => `auipc x${target}, 0; jalr x${link}, ${distance + odd}(x${target})`,
    (distance: number) => `auipc x${target}, 0; jalr x${target}, ${distance + odd}(x${target})`,
  ];
  const variant = random.pick(variants);
  const { byteLength } = textDraft(variant(0));
  return {
    byteLength,
    emit(here, offsetOf) {
      const distance = offsetOf(ahead) - here;
      return textDraft(variant(distance < 2000 ? distance : offsetOf(1) - here)).emit(here, offsetOf);
    },
  };
}

/** To where there is no code. In machine mode nothing keeps a jump from devices, so that it goes beyond RAM. */
function wildJump({ random, setting }: Context): Draft | undefined {
  if (random.chance(50)) return undefined;
  const beyond = RAM_BASE + RAM_BYTE_LENGTH + 0x1000 * random.bits(4) + 2 * random.bits(4);
  const [target, link] = scratches(random, 2) as [number, number];
  if (setting.mode === MACHINE || random.chance(30))
    return textDraft(`li x${target}, ${beyond}; jalr x${link}, 0(x${target})`);
  return textDraft(`li x${target}, ${hardInteger(random)}; jalr x${link}, ${random.bits(11)}(x${target})`);
}

/**
 * LR and SC with this and that between them. The AMO before them leaves the mark where it was if the address is not one
 * that can be stored to; then there is no SC.
 *
 * One width, and no trap: whether SC.W can succeed after LR.D, and SC after MRET, is up to the implementation.
 */
function reservation({ random }: Context): Draft {
  const [loaded, mark, failed, other] = scratches(random, 4) as [number, number, number, number];
  const pointer = random.pick(ALIGNED_POINTERS);
  const width = random.pick(["w", "d"]);
  const between = random.weighted([
    [4, ""],
    [2, `addi x${other}, x${loaded}, 1;`],
    [1, `sb x${other}, 0(x${pointer});`],
    [1, `sd x${loaded}, 0(x${pointer});`],
    [1, `sw x${other}, 0(x${pointer});`],
    [1, `lr.${width} x${loaded}, (x${pointer});`],
    [1, `sc.${width} x${other}, x${other}, (x${pointer});`],
  ]);
  return textDraft(
    `li x${mark}, 0x5ca1ab1e; mv x${loaded}, x${mark}; amoor.${width} x${loaded}, x0, (x${pointer});` +
      `beq x${loaded}, x${mark}, 1f; lr.${width} x${loaded}, (x${pointer}); ${between}` +
      `sc.${width} x${failed}, x${random.bits(5)}, (x${pointer}); 1:`,
  );
}

/** Kinds that do nothing but compute, so that any instruction of them may be executed. */
const HARMLESS: ReadonlySet<string> = new Set(["integer", "relative", "float"]);

/** An instruction with some bits wrong: mostly none, which must trap, or another one. */
function corrupted({ random, rows, setting }: Context): Draft | undefined {
  for (let attempt = 0; attempt < 20; attempt++) {
    if (random.chance(50)) {
      const halfword = random.bits(16);
      if ((halfword & 3) !== 3 && isHarmless(compressedRowOf(halfword), halfword)) return bitsDraft(halfword, 2);
      continue;
    }
    const base = random.pick(instructionTable).encoding;
    let word = (base.match | (random.u32() & ~base.mask)) >>> 0;
    for (let flips = random.between(1, 3); flips > 0; flips--) word = (word ^ (1 << random.between(2, 31))) >>> 0;
    const row = rowOf(word);
    if ((row === undefined || rows.includes(row)) && isHarmless(row, word)) return bitsDraft(word, 4);
  }
  return undefined;

  function isHarmless(row: AnyRow | undefined, bits: number): boolean {
    if (row === undefined) return true;
    if (!HARMLESS.has(kindOf(row))) return false;
    const hasOwnDestination = operandRanges(row.encoding).some((range) => range.name === "rd");
    const destination = row.encoding.bitLength === 32 || hasOwnDestination ? (bits >>> 7) & 31 : 2;
    const primed = row.encoding.slices.find((slice) => slice.field === "rd'");
    const register = primed ? 8 | ((bits >>> primed.from) & 7) : destination;
    return register !== COUNTER && (setting.mode !== MACHINE || !POINTERS.includes(register));
  }
}

/** Fields of mstatus that may be written at any time. MPRV has an idiom of its own. */
const STATUS_FIELDS = [MSTATUS_SPIE, MSTATUS_SIE, MSTATUS_SPP, MSTATUS_FS, 1n << 13n, MSTATUS_SUM, MSTATUS_MXR];
const MACHINE_STATUS_FIELDS = [MSTATUS_MIE, MSTATUS_MPIE, MSTATUS_MPP, 1n << 12n, MSTATUS_TVM, MSTATUS_TW, MSTATUS_TSR];
/** Bits without a meaning. */
const STATUS_NOISE = 0x7fff_ff00_ff80_0015n;

function setStatus({ random, setting }: Context): Draft {
  const isMachine = setting.mode === MACHINE ? random.chance(70) : random.chance(10);
  const fields = isMachine ? [...STATUS_FIELDS, ...MACHINE_STATUS_FIELDS] : STATUS_FIELDS;
  let bits = 0n;
  for (let n = random.between(1, 3); n > 0; n--) bits |= random.pick(fields);
  if (random.chance(20)) bits |= random.u64() & STATUS_NOISE;
  const operation = random.pick(["csrrs", "csrrs", "csrrc", "csrrw"]);
  // FS off is worth a test now and then, not for the rest of most programs.
  if (operation !== "csrrs" && random.chance(80)) bits = operation === "csrrw" ? bits | MSTATUS_FS : bits & ~MSTATUS_FS;
  const [value, old] = scratches(random, 2) as [number, number];
  return textDraft(`li x${value}, ${bits}; ${operation} x${old}, ${isMachine ? "mstatus" : "sstatus"}, x${value}`);
}

/** CSRs that a value can be tried in and the old one put back, and the bits tried. */
const SWAPPED: readonly (readonly [name: string, allowed: bigint, always?: bigint])[] = [
  ["mtvec", ~2n],
  ["stvec", ~2n],
  ["medeleg", DELEGABLE],
  ["mideleg", 0xaaan],
  ["mie", 0xaaan],
  ["mepc", ~1n],
  ["mcounteren", 0xffff_ffffn],
  ["mcountinhibit", 5n],
  ["menvcfg", ~0x4000_0000_0000_0020n, MENVCFG_ADUE | MENVCFG_STCE],
  ["senvcfg", ~0x20n],
  ["scounteren", 0xffff_ffffn],
  ["sepc", ~1n],
  ["stval", -1n],
  ["satp", -1n],
  ["mhpmcounter3", 0n],
  ["pmpaddr8", (1n << 54n) - 1n],
  ["pmpaddr15", (1n << 54n) - 1n],
  ["pmpcfg2", 0x1d1d_1d1d_1d1d_1d1dn],
];

function swapCsr({ random, setting }: Context): Draft | undefined {
  if (setting.mode === USER && random.chance(80)) return undefined;
  const [value, old, read] = scratches(random, 3) as [number, number, number];
  // In supervisor mode a wrong satp would leave no code to go on with.
  const [name, allowed, always = 0n] = random.pick(SWAPPED.filter(([n]) => setting.mode === MACHINE || n !== "satp"));
  const tried = BigInt.asUintN(64, (hardInteger(random) & allowed) | always);
  const swap = `li x${value}, ${tried}; csrrw x${old}, ${name}, x${value}; csrrw x${read}, ${name}, x${old};`;
  if (name !== "menvcfg") return textDraft(swap);
  return textDraft(
    `${swap} li x${value}, ${~MENVCFG_ADUE}; and x${old}, x${old}, x${value}; and x${read}, x${read}, x${value}`,
  );
}

/** Makes the program's interrupt pending, enables it, or both. */
function interrupt({ random, setting }: Context): Draft | undefined {
  const [bits, old] = scratches(random, 2) as [number, number];
  const isMachine = setting.mode === MACHINE;
  if (!isMachine && setting.interrupt !== SSIP) return undefined;
  const [pending, enabled, status, global] = isMachine ? ["mip", "mie", "mstatus", 8] : ["sip", "sie", "sstatus", 2];
  const parts = [`csrrs x${old}, ${pending}, x${bits};`, `csrrs x${old}, ${enabled}, x${bits};`].filter(() =>
    random.chance(70),
  );
  const enable = random.chance(50) ? "csrrsi" : "csrrci";
  return textDraft(
    `li x${bits}, ${setting.interrupt}; ${parts.join("")} ${enable} x0, ${status}, ${global}; csrrc x${old}, ${pending}, x${bits}`,
  );
}

/** With an interrupt pending and enabled but not taken: the wait ends at once. */
function waitForInterrupt({ random, setting, hasDropped }: Context): Draft | undefined {
  if (hasDropped || setting.interrupt !== SSIP) return undefined;
  const old = scratch(random);
  if (setting.mode === MACHINE) {
    return textDraft(
      `csrrci x0, mstatus, 8; csrrsi x0, mip, 2; csrrsi x${old}, mie, 2; wfi; csrrci x${old}, mip, 2; csrrsi x0, mstatus, 8`,
    );
  }
  if (setting.mode !== SUPERVISOR || (setting.block.mideleg! & SSIP) === 0n) return undefined;
  return textDraft(`csrrci x0, sstatus, 2; csrrsi x0, sip, 2; csrrsi x${old}, sie, 2; wfi; csrrci x${old}, sip, 2`);
}

/** On with the next instruction in a lower mode, or the same, by MRET or SRET. */
function dropPrivilege(context: Context): Draft | undefined {
  const { random, setting } = context;
  if (!setting.isIdentity || setting.mode === USER) return undefined;
  context.hasDropped = true;
  const isTranslated = setting.spaces[0] !== 0n;
  const [target, clear, set] = scratches(random, 3) as [number, number, number];
  if (setting.mode === MACHINE) {
    const toUser = isTranslated ? setting.isUserGigapage : random.chance(50);
    const mpp = random.chance(20) ? MSTATUS_MPP : toUser ? 0n : 1n << 11n;
    return textDraft(
      `auipc x${target}, 0; addi x${target}, x${target}, 1f-.+4; csrw mepc, x${target}; li x${clear}, ${MSTATUS_MPP};` +
        `csrc mstatus, x${clear}; li x${set}, ${mpp}; csrs mstatus, x${set}; mret; 1:`,
    );
  }
  const operation = isTranslated || random.chance(50) ? "csrs" : "csrc";
  return textDraft(
    `auipc x${target}, 0; addi x${target}, x${target}, 1f-.+4; csrw sepc, x${target};` +
      `li x${set}, ${MSTATUS_SPP}; ${operation} sstatus, x${set}; sret; 1:`,
  );
}

/** Loads and stores of machine mode as if of another: mstatus.MPRV. */
function dataPrivilege(context: Context): Draft | undefined {
  const { random, setting } = context;
  if (setting.mode !== MACHINE) return undefined;
  const [bits] = scratches(random, 1) as [number];
  const mpp = random.pick([0n, 1n, 1n, 3n]) << 11n;
  const accesses: Draft[] = [];
  const rows = context.rows.filter((row) => row.kind === "memory" || row.kind === "atomic");
  for (let n = random.between(1, 4); n > 0; n--) {
    const draft = rowDraft(context, random.pick(rows));
    if (draft) accesses.push(draft);
  }
  return sequenceDraft([
    textDraft(
      `li x${bits}, ${MSTATUS_MPP}; csrc mstatus, x${bits}; li x${bits}, ${MSTATUS_MPRV | mpp}; csrs mstatus, x${bits}`,
    ),
    ...accesses,
    textDraft(`li x${bits}, ${MSTATUS_MPRV}; csrc mstatus, x${bits}`),
  ]);
}

/** Another satp that maps the same code: another address space, number of levels, or a mode that does not exist. */
function switchSpace({ random, setting }: Context): Draft | undefined {
  if (setting.spaces[0] === 0n) return undefined;
  const asid = random.chance(50) ? BigInt(random.bits(16)) << 44n : 0n;
  let satp = random.pick(setting.spaces) ^ asid;
  if (setting.isIdentity && random.chance(10)) satp = 0n;
  if (random.chance(10)) satp = (satp & ~(15n << 60n)) | (BigInt(random.pick([1, 5, 7, 11, 15])) << 60n);
  const [value, old] = scratches(random, 2) as [number, number];
  return textDraft(`li x${value}, ${satp}; csrrw x${old}, satp, x${value}; csrr x${value}, satp`);
}

/** Changes a data page's entry and fences, where the page tables can be reached. */
function remap({ random, setting }: Context): Draft | undefined {
  const reaches = setting.isIdentity && (setting.mode === MACHINE || setting.mode === SUPERVISOR);
  if (!reaches || setting.spaces[0] === 0n) return undefined;
  const [address, entry, old] = scratches(random, 3) as [number, number, number];
  const page = random.below(6);
  const flags = random.pick([0xd7n, 0xc7n, 0x57n, 0x17n, 0x13n, 0x03n, 0n, 0x1fn]);
  const paddr = BigInt(ARENA_BASE + ARENA_BYTE_LENGTH / 2 + 4096 * random.below(4));
  const fence = random.pick([
    "sfence.vma x0, x0",
    `sfence.vma x${random.pick(POINTERS)}, x0`,
    "sfence.vma",
    "sinval.vma x0, x0",
  ]);
  // Where only a page's entry may be fenced, whether the fence was enough is not told: fence the rest, too.
  return textDraft(
    `li x${address}, ${LEAF_TABLE + 8 * (LEAF_DATA + page)}; li x${entry}, ${(paddr >> 2n) | flags};` +
      `ld x${old}, 0(x${address}); sd x${entry}, 0(x${address}); ${fence}; sfence.vma x0, x0`,
  );
}
