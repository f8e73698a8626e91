import { csrs, isReadOnly } from "../../assembly/isa/csrs.js";
import type { CompressedInstruction, Instruction, Kind } from "../../assembly/isa/instruction.js";
import { instructionTable } from "../../assembly/isa/table.js";
import { type Context, type Draft, forwardDraft, textDraft, wordDraft } from "./drafts.js";
import {
  ALIGNED_POINTERS,
  anyRegister,
  anyRounding,
  anyValue,
  type OperandRange,
  operandRanges,
  POINTERS,
} from "./operands.js";
import type { Random } from "./random.js";
import { hasCleanFloats, MACHINE, MSTATUS_TSR, MSTATUS_TW, type Setting, SUPERVISOR, USER } from "./setting.js";

export type AnyRow = Instruction | CompressedInstruction;

/** A jump needs a target; SC needs care, since QEMU does not check whether one may store that is going to fail. */
export const LEFT_TO_IDIOMS: ReadonlySet<string> = new Set(["jalr", "sc.w", "sc.d", "ctzw"]);

/** The kind of a row; of a compressed one, that of the instruction it stands for. */
export function kindOf(row: AnyRow): Kind {
  return wideRow(row).kind;
}

/** The row itself or, of a compressed one, that of the instruction it stands for. */
export function wideRow(row: AnyRow): Instruction {
  if ("kind" in row) return row;
  const mnemonic = row.expansion.split(" ")[0]!;
  return instructionTable.find((wide) => wide.mnemonic === mnemonic)!;
}

/**
 * An instruction of the row with random operands, as far as it can be let loose: jumps go forward, stores go where the
 * program has its data, and what would end the program too soon is left to idioms.
 *
 * @returns undefined when the row is better used by an idiom here
 */
export function rowDraft(context: Context, row: AnyRow): Draft | undefined {
  const kind = kindOf(row);
  if (LEFT_TO_IDIOMS.has(wideRow(row).mnemonic)) return undefined;
  if (kind === "system" && !isLoose(context, row)) return undefined;
  // What of rights and of PMP they have to check, QEMU 10 sees in other ways.
  if (wideRow(row).file === "cacheblock" && !context.setting.isDataPlain) return undefined;
  if (row.mnemonic === "wfi") return notAtPageEnd(wordDraft(row, {}));
  const ranges = operandRanges(row.encoding);
  if (kind === "branch" || kind === "jump") {
    const operands = anyOperands(
      context,
      row,
      ranges.filter((range) => range.name !== "imm"),
    );
    return forwardDraft(context.random, row, operands);
  }
  if (ranges.some((range) => range.name === "csr")) return csrDraft(context, row, ranges);
  return tryDraft(row, () => anyOperands(context, row, ranges));
}

/** QEMU 10 reports a WFI that traps in a page's last four bytes a page too far: do nothing there. */
function notAtPageEnd(draft: Draft): Draft {
  const nop = textDraft("nop");
  return { ...draft, emit: (here, offsetOf) => (here % 4096 >= 4092 ? nop : draft).emit(here, offsetOf) };
}

/** Some operands make a compressed instruction another: try again. */
function tryDraft(row: AnyRow, operands: () => Record<string, number>): Draft | undefined {
  for (let attempt = 0; attempt < 8; attempt++) {
    try {
      return wordDraft(row, operands());
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return undefined;
}

/** Whether a system instruction does no harm, such as waiting for ever or going back to where it came from. */
function isLoose({ setting, hasDropped }: Context, row: AnyRow): boolean {
  switch (row.mnemonic) {
    case "mret":
      return setting.mode !== MACHINE;
    case "sret":
      return setting.mode === USER || (setting.mode === SUPERVISOR && (setting.block.mstatus! & MSTATUS_TSR) !== 0n);
    // QEMU 7.2 executes them in user mode, where they must trap: Privileged ISA, "Svinval".
    case "sfence.w.inval":
    case "sfence.inval.ir":
      return setting.mode !== USER && !hasDropped;
    case "wfi":
      return setting.mode === USER || (setting.mode === SUPERVISOR && (setting.block.mstatus! & MSTATUS_TW) !== 0n);
    default:
      return true;
  }
}

function anyOperands(context: Context, row: AnyRow, ranges: readonly OperandRange[]): Record<string, number> {
  return Object.fromEntries(ranges.map((range) => [range.name, anyOperand(context, row, range)]));
}

function anyOperand({ random, setting }: Context, row: AnyRow, range: OperandRange): number {
  const kind = kindOf(row);
  const isAccess = kind === "memory" || kind === "atomic" || wideRow(row).file === "cacheblock";
  switch (range.name) {
    case "rd":
      return anyRegister(random, range, true, mayLoseAddresses(setting));
    case "rs1": {
      if (!isAccess) return anyRegister(random, range, false, true);
      const isLoad = kind === "memory" && !row.encoding.slices.some(({ field }) => /^[rf]s2/.test(field));
      return anyBase(random, range, kind, isLoad ? setting.mode !== MACHINE : mayLoseAddresses(setting));
    }
    case "rm":
      return anyRounding(random);
    case "imm":
      return isAccess && random.chance(50) ? nearValue(random, range) : anyValue(random, range);
    default:
      return anyValue(random, range);
  }
}

/** Whether stores may go anywhere: neither in machine mode, where nothing else is safe, nor to the program's own code. */
export function mayLoseAddresses(setting: Setting): boolean {
  return setting.mode !== MACHINE && !setting.isCodeWritable;
}

/** A pointer or, if that does no harm, now and then any register. */
function anyBase(random: Random, range: OperandRange, kind: Kind, mayBeAny: boolean): number {
  if (mayBeAny && random.chance(8)) return anyRegister(random, range, false, true);
  const pointers = kind === "atomic" && random.chance(90) ? ALIGNED_POINTERS : POINTERS;
  return random.pick(pointers.filter((register) => register >= range.low && register <= range.high));
}

function nearValue(random: Random, { low, high, step }: OperandRange): number {
  const near = step * random.between(-16, 16);
  return Math.min(Math.max(near, low), high);
}

// ---- CSRs ----

/** CSRs that any value may be written to, by the lowest mode that may. */
const WRITABLE = {
  [USER]: ["fflags", "frm", "fcsr"],
  [SUPERVISOR]: ["sscratch", "scause", "stval"],
  [MACHINE]: ["mscratch", "mcause", "mtval"],
} as const;

/** CSRs whose values depend on time: idioms read them and discard what they read. */
export const VOLATILE: ReadonlySet<string> = new Set(["mcycle", "minstret", "cycle", "time", "instret"]);

const NUMBERS: ReadonlyMap<string, number> = new Map(csrs.map((csr) => [csr.name, csr.number]));
/** Of optional registers that exist here and not in QEMU: the debugger's triggers, menvcfg's ADUE. */
const OWN = /^(tselect|tdata\d|menvcfg)$/;
const READABLE = csrs.filter((csr) => !VOLATILE.has(csr.name) && !OWN.test(csr.name)).map((csr) => csr.number);
const STATUS = [NUMBERS.get("mstatus")!, NUMBERS.get("sstatus")!];
const READ_ONLY = csrs.filter((csr) => isReadOnly(csr) && !VOLATILE.has(csr.name)).map((csr) => csr.number);

function csrDraft(context: Context, row: AnyRow, ranges: readonly OperandRange[]): Draft {
  const { random, setting } = context;
  const operands = anyOperands(context, row, ranges);
  // The operand that says what is written; 0 writes nothing, unless it is CSRRW's.
  const source = ranges.some((range) => range.name === "uimm5") ? "uimm5" : "rs1";
  const alwaysWrites = row.mnemonic.startsWith("csrrw");
  if (!alwaysWrites && random.chance(50)) {
    operands[source] = 0;
    operands.csr = random.chance(85) ? random.pick(READABLE) : anyUnknownCsr(random);
    if (hasCleanFloats(setting) && STATUS.includes(operands.csr)) operands.rd = 0;
  } else if (random.chance(10) && (alwaysWrites || operands.uimm5)) {
    // Not through a register, which might hold 0: QEMU 7.2 takes that for no attempt to write.
    operands.csr = random.pick(READ_ONLY);
  } else {
    const modes = [USER, SUPERVISOR, MACHINE].filter((mode) => mode <= setting.mode || random.chance(20));
    operands.csr = NUMBERS.get(random.pick(modes.flatMap((mode) => WRITABLE[mode as keyof typeof WRITABLE])))!;
  }
  return wordDraft(row, operands);
}

/** Numbers that our hart has no CSR of, and no debugger nor vendor either. */
function anyUnknownCsr(random: Random): number {
  for (;;) {
    const number = random.bits(12);
    const isCustom = (number & 0xc0) === 0xc0;
    const isDebug = number >> 5 === 0x7a0 >> 5;
    if (!isCustom && !isDebug && !csrs.some((csr) => csr.number === number)) return number;
  }
}
