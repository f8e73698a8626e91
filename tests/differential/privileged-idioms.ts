import { type Context, type Draft, sequenceDraft, textDraft } from "./drafts.js";
import { ARENA_BASE, ARENA_BYTE_LENGTH, LEAF_DATA, LEAF_TABLE } from "./layout.js";
import { POINTERS, scratch, scratches } from "./operands.js";
import { hardInteger } from "./random.js";
import { rowDraft } from "./rows.js";
import {
  DELEGABLE,
  hasCleanFloats,
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

// Idioms of the privileged architecture: what CSRs and page tables say, changed in ways that a program survives.

/** Fields of mstatus that may be written at any time. MPRV has an idiom of its own. */
const STATUS_FIELDS = [MSTATUS_SPIE, MSTATUS_SIE, MSTATUS_SPP, MSTATUS_FS, MSTATUS_SUM, MSTATUS_MXR];
const MACHINE_STATUS_FIELDS = [MSTATUS_MIE, MSTATUS_MPIE, MSTATUS_MPP, MSTATUS_TVM, MSTATUS_TW, MSTATUS_TSR];
/** Bits without a meaning. */
const STATUS_NOISE = 0x7fff_ff00_ff80_0015n;

export function setStatus({ random, setting }: Context): Draft {
  const [value, scratched] = scratches(random, 2) as [number, number];
  const old = hasCleanFloats(setting) ? 0 : scratched;
  const isMachine = setting.mode === MACHINE ? random.chance(70) : random.chance(10);
  const fields = isMachine ? [...STATUS_FIELDS, ...MACHINE_STATUS_FIELDS] : STATUS_FIELDS;
  let bits = 0n;
  for (let n = random.between(1, 3); n > 0; n--) bits |= random.pick(fields);
  if (random.chance(20)) bits |= random.u64() & STATUS_NOISE;
  const operation = random.pick(["csrrs", "csrrs", "csrrc", "csrrw"]);
  // FS off is worth a test now and then, not for the rest of most programs.
  if (operation !== "csrrs" && random.chance(80)) bits = operation === "csrrw" ? bits | MSTATUS_FS : bits & ~MSTATUS_FS;
  // Not 2, which is no mode: QEMU 7.2 lets MPP hold it.
  if (operation === "csrrw" && random.chance(30)) bits = (bits & ~MSTATUS_MPP) | (1n << 11n);
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
  ["menvcfg", ~0x5800_0003_0000_002cn, MENVCFG_ADUE | MENVCFG_STCE],
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

export function swapCsr({ random, setting, hasDropped }: Context): Draft | undefined {
  if (setting.mode === USER && random.chance(80)) return undefined;
  const [value, old, read] = scratches(random, 3) as [number, number, number];
  // Where there is translation, a wrong satp would leave no code to go on with.
  const isSafe = setting.mode === MACHINE && !hasDropped;
  const [name, allowed, always = 0n] = random.pick(SWAPPED.filter(([n]) => isSafe || n !== "satp"));
  const tried = BigInt.asUintN(64, (hardInteger(random) & allowed) | always);
  const swap = `li x${value}, ${tried}; csrrw x${old}, ${name}, x${value}; csrrw x${read}, ${name}, x${old};`;
  if (name !== "menvcfg") return textDraft(swap);
  return textDraft(
    `${swap} li x${value}, ${~MENVCFG_ADUE}; and x${old}, x${old}, x${value}; and x${read}, x${read}, x${value}`,
  );
}

/** Makes the program's interrupt pending, enables it, or both. */
export function interrupt({ random, setting }: Context): Draft | undefined {
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
export function waitForInterrupt({ random, setting, hasDropped }: Context): Draft | undefined {
  if (hasDropped || setting.interrupt !== SSIP) return undefined;
  const old = scratch(random);
  if (setting.mode === MACHINE) {
    return textDraft(
      `csrrci x0, mstatus, 8; csrrsi x0, mip, 2; csrrsi x${old}, mie, 2; wfi; csrrci x${old}, mip, 2; csrrsi x0, mstatus, 8`,
    );
  }
  const canWait = (setting.block.mideleg! & SSIP) !== 0n && (setting.block.mstatus! & MSTATUS_TW) === 0n;
  if (setting.mode !== SUPERVISOR || !canWait) return undefined;
  return textDraft(`csrrci x0, sstatus, 2; csrrsi x0, sip, 2; csrrsi x${old}, sie, 2; wfi; csrrci x${old}, sip, 2`);
}

/** On with the next instruction in a lower mode, or the same, by MRET or SRET. */
export function dropPrivilege(context: Context): Draft | undefined {
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
export function dataPrivilege(context: Context): Draft | undefined {
  const { random, setting } = context;
  if (setting.mode !== MACHINE) return undefined;
  const [bits] = scratches(random, 1) as [number];
  const mpp = random.pick([0n, 0n, 1n, 3n]) << 11n;
  const accesses: Draft[] = [];
  const rows = context.rows.filter((row) => row.kind === "memory" || row.kind === "atomic");
  // One only, unless as user: it may trap, after which MPP is user, and QEMU 7.2 keeps translations of before.
  for (let n = mpp === 0n ? random.between(1, 4) : 1; n > 0; n--) {
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
export function switchSpace({ random, setting }: Context): Draft | undefined {
  if (setting.spaces[0] === 0n) return undefined;
  const asid = random.chance(50) ? BigInt(random.bits(16)) << 44n : 0n;
  let satp = random.pick(setting.spaces) ^ asid;
  if (setting.isIdentity && random.chance(10)) satp = 0n;
  if (random.chance(10)) satp = (satp & ~(15n << 60n)) | (BigInt(random.pick([1, 5, 7, 11, 15])) << 60n);
  const [value, old] = scratches(random, 2) as [number, number];
  return textDraft(`li x${value}, ${satp}; csrrw x${old}, satp, x${value}; csrr x${value}, satp`);
}

/** Changes a data page's entry and fences, where the page tables can be reached. */
export function remap({ random, setting, hasDropped }: Context): Draft | undefined {
  const canFence = (setting.block.mstatus! & MSTATUS_TVM) === 0n && !hasDropped;
  const reaches = setting.isIdentity && (setting.mode === MACHINE || (setting.mode === SUPERVISOR && canFence));
  if (!reaches || hasDropped || setting.spaces[0] === 0n) return undefined;
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
