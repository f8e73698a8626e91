import type { Instruction } from "../../assembly/isa/instruction.js";
import { compressedTable, instructionTable } from "../../assembly/isa/table.js";
import { type Context, type Draft, textDraft } from "./drafts.js";
import { IDIOMS } from "./idioms.js";
import { CODE_BYTE_LENGTH } from "./layout.js";
import { type Idiom, PROFILES, type Profile } from "./profiles.js";
import type { Program, Unit } from "./program.js";
import { Random } from "./random.js";
import { type AnyRow, kindOf, rowDraft } from "./rows.js";
import { makeSetting } from "./setting.js";

const PAGE = 4096;

/**
 * The program that `seed` names: the same on every machine as long as the table, the profiles and `missing` are.
 *
 * @param missing extensions of the table to be left out
 */
export function generateProgram(seed: number, missing: ReadonlySet<string>): Program {
  const random = new Random(seed);
  const profile = random.pick(PROFILES);
  const setting = makeSetting(random, profile);
  const context: Context = {
    random,
    setting,
    rows: instructionTable.filter((row) => !missing.has(row.extension)),
    hasDropped: false,
  };
  const drafts: Draft[] = [];
  for (let left = random.chance(15) ? random.between(1, 6) : random.between(8, 60); left > 0; left--) {
    drafts.push(anyDraft(context, profile));
  }
  drafts.push(textDraft("ecall"));
  const units = place(drafts, startOf(random, drafts));
  const end = units.at(-1)!.offset;
  return {
    seed,
    title: setting.title,
    units,
    isSwapped: setting.isSwapped,
    window: setting.window,
    block: {
      ...setting.block,
      codeBase: setting.codeBase,
      entry: setting.codeBase + BigInt(units[0]!.offset),
      end: setting.codeBase + BigInt(end),
    },
  };
}

function anyDraft(context: Context, profile: Profile): Draft {
  const { random, rows, setting } = context;
  // Traps are stepped over: an idiom of which only the half that lies on a page of code was executed might do anything.
  const idioms = setting.isCodeWhole ? Object.entries(profile.idioms) : [];
  for (;;) {
    const choice = random.weighted<Idiom | readonly AnyRow[]>([
      ...kinds(rows, profile),
      [profile.compressed, compressedTable],
      ...idioms.map(([idiom, weight]) => [weight, idiom as Idiom] as const),
    ]);
    const draft = typeof choice === "string" ? IDIOMS[choice](context) : rowDraft(context, random.pick(choice));
    if (draft) return draft;
  }
}

function kinds(rows: readonly Instruction[], profile: Profile): [number, readonly Instruction[]][] {
  return [...new Set(rows.map(kindOf))].map((kind) => [profile.kinds[kind], rows.filter((row) => row.kind === kind)]);
}

/** Where code begins: often so that some of it lies across the two pages. */
function startOf(random: Random, drafts: readonly Draft[]): number {
  const byteLength = drafts.reduce((sum, draft) => sum + draft.byteLength, 0);
  if (random.chance(50)) return PAGE - 2 * random.below(Math.ceil(Math.min(byteLength, PAGE) / 2));
  return 2 * random.below((CODE_BYTE_LENGTH - byteLength) / 2);
}

function place(drafts: readonly Draft[], start: number): Unit[] {
  const offsets: number[] = [];
  let offset = start;
  for (const draft of drafts) {
    offsets.push(offset);
    offset += draft.byteLength;
  }
  return drafts.map((draft, n) => {
    const offsetOf = (ahead: number) => offsets[Math.min(n + ahead, drafts.length - 1)]!;
    return { offset: offsets[n]!, bytes: draft.emit(offsets[n]!, offsetOf) };
  });
}
