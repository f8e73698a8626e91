import { compressedRowOf, rowOf } from "../../assembly/isa/encode.js";
import { compressedTable, instructionTable } from "../../assembly/isa/table.js";
import { bitsDraft, type Context, type Draft, sequenceDraft, textDraft } from "./drafts.js";
import { RAM_BASE, RAM_BYTE_LENGTH } from "./layout.js";
import { ALIGNED_POINTERS, COUNTER, operandRanges, POINTERS, scratch, scratches } from "./operands.js";
import {
  dataPrivilege,
  dropPrivilege,
  interrupt,
  remap,
  setStatus,
  swapCsr,
  switchSpace,
  waitForInterrupt,
} from "./privileged-idioms.js";
import type { Idiom } from "./profiles.js";
import { hardInteger } from "./random.js";
import { type AnyRow, kindOf, LEFT_TO_IDIOMS, mayLoseAddresses, rowDraft, VOLATILE, wideRow } from "./rows.js";
import { MACHINE } from "./setting.js";

/** Drafts of what is no single row: instructions that only make sense together. Undefined where it makes none. */
export const IDIOMS: Readonly<Record<Idiom, (context: Context) => Draft | undefined>> = {
  loop,
  call: ({ random }) => {
    const link = scratch(random);
    return textDraft(
      `jal x${link}, 1f; j 2f; 1: xori x${scratch(random, [link])}, x${link}, 1; jalr x0, 0(x${link}); 2:`,
    );
  },
  // QEMU 7.2 looks for the lowest 1 in all 64 bits: give it one in the lower half.
  countTrailingZeros: ({ random }) => {
    const source = scratch(random);
    return textDraft(`bseti x${source}, x${random.bits(5)}, ${random.bits(5)}; ctzw x${scratch(random)}, x${source}`);
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
  // Flags accrue: once all are raised, nothing shows any more.
  takeFlags: ({ random }) => textDraft(`csrrwi x${scratch(random)}, fflags, ${random.chance(80) ? 0 : random.bits(5)}`),
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
  patch,
};

const LOADS: ReadonlySet<string> = new Set(["flw", "fld", "fmv.w.x", "fmv.d.x"]);

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

/**
 * Writes an instruction and fences before it is executed; in one of two variants the one that stood there was executed
 * before. Most programs may not write their code, so that the store traps.
 */
function patch(context: Context): Draft | undefined {
  const { random } = context;
  const [address, value] = scratches(random, 2) as [number, number];
  const before = harmlessWord(context);
  const after = harmlessWord(context);
  if (before === undefined || after === undefined) return undefined;
  const store = (slot: string) =>
    `3: auipc x${address}, 0; li x${value}, ${after | 0}; sw x${value}, ${slot}-3b(x${address}); fence.i`;
  return textDraft(
    random.chance(50)
      ? `${store("1f")}; 1: .word ${before}`
      : `li x${COUNTER}, 2; 1: .word ${before}; ${store("1b")}; addi x${COUNTER}, x${COUNTER}, -1; bne x${COUNTER}, x0, 1b`,
  );
}

/** The four bytes of one instruction, or two, that only compute. */
function harmlessWord(context: Context): number | undefined {
  const { random, rows } = context;
  const any = (from: readonly AnyRow[]) => {
    const row = random.pick(from.filter((candidate) => isHarmlessRow(candidate)));
    const bytes = rowDraft(context, row)?.emit(0, () => 0);
    return bytes?.reduce((word, byte, n) => (word | (byte << (8 * n))) >>> 0, 0);
  };
  if (random.chance(60)) return any(rows);
  const [low, high] = [any(compressedTable), any(compressedTable)];
  return low === undefined || high === undefined ? undefined : (low | (high << 16)) >>> 0;
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

/** Whether any instruction of the row may be executed: it only computes. */
function isHarmlessRow(row: AnyRow): boolean {
  const { kind, file } = wideRow(row);
  return (kind === "integer" || kind === "relative" || kind === "float") && file !== "cacheblock";
}

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
    if (!isHarmlessRow(row) || LEFT_TO_IDIOMS.has(row.mnemonic)) return false;
    const hasOwnDestination = operandRanges(row.encoding).some((range) => range.name === "rd");
    const destination = row.encoding.bitLength === 32 || hasOwnDestination ? (bits >>> 7) & 31 : 2;
    const primed = row.encoding.slices.find((slice) => slice.field === "rd'");
    const register = primed ? 8 | ((bits >>> primed.from) & 7) : destination;
    return register !== COUNTER && (mayLoseAddresses(setting) || !POINTERS.includes(register));
  }
}
