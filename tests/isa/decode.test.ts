import { beforeAll, describe, expect, it } from "vitest";
import { rowOf } from "../../assembly/isa/encode.js";
import type { Encoding } from "../../assembly/isa/notation.js";
import { immediateOf } from "../../assembly/isa/notation.js";
import { operations } from "../../assembly/isa/operations.js";
import { instructionTable } from "../../assembly/isa/table.js";
import {
  IMM_SHIFT,
  OPERATION_MASK,
  RD_SHIFT,
  RS1_SHIFT,
  RS2_SHIFT,
  RS3_IN_IMM,
} from "../../assembly/shared/decoded.js";
import { type CompiledDecoder, loadDecoder } from "./compiled-decoder.js";
import { Random, wordsOf } from "./words.js";

const ILLEGAL = 1;
const numbers = new Map(operations.filter((o) => !o.isCompressed && !o.isNear).map((o) => [o.instruction, o.number]));

/** A decoded instruction taken apart; only what the encoding has is compared. */
type Parts = Readonly<Record<string, number>>;

function field(encoding: Encoding, word: number, name: string): number | undefined {
  const slice = encoding.slices.find((s) => s.field === name);
  return slice && (word >>> slice.from) & (2 ** slice.width - 1);
}

/** What shared/decoded.ts says of a word, by a linear search of the table. */
function searched(word: number): Parts {
  const row = rowOf(word);
  if (!row) return { operation: ILLEGAL };
  const parts: { operation: number; [operand: string]: number } = { operation: numbers.get(row)! };
  const put = (part: string, ...names: string[]) => {
    for (const name of names) {
      const value = field(row.encoding, word, name);
      if (value !== undefined) parts[part] = value;
    }
  };
  put("rd", "rd", "fd");
  if (parts.rd === 0 && field(row.encoding, word, "rd") === 0) parts.rd = 32;
  put("rs1", "rs1", "fs1", "uimm5");
  put("rs2", "rs2", "fs2");
  put("rs3", "fs3");
  put("rm", "rm");
  put("imm", "csr", "shamt5", "shamt6");
  if (row.encoding.slices.some((s) => s.field === "imm")) parts.imm = immediateOf(row.encoding, word) | 0;
  return parts;
}

/** The same parts of the compiled decoder's answer. */
function decodedParts(decoded: bigint, wanted: Parts): Parts {
  const at = (shift: number, width: number) =>
    Number((BigInt.asUintN(64, decoded) >> BigInt(shift)) & ((1n << BigInt(width)) - 1n));
  const all: Record<string, number> = {
    operation: at(0, 11) & OPERATION_MASK,
    rd: at(RD_SHIFT, 6),
    rs1: at(RS1_SHIFT, 6),
    rs2: at(RS2_SHIFT, 6),
    rs3: at(IMM_SHIFT + RS3_IN_IMM, 5),
    rm: at(IMM_SHIFT, 3),
    imm: at(IMM_SHIFT, 32) | 0,
  };
  return Object.fromEntries(Object.keys(wanted).map((name) => [name, all[name]!]));
}

describe("decode", () => {
  let decoder: CompiledDecoder;
  beforeAll(async () => {
    decoder = await loadDecoder();
  });

  function check(word: number): void {
    const wanted = searched(word);
    const got = decodedParts(decoder.decode(word), wanted);
    for (const name in wanted) {
      if (wanted[name] !== got[name]) expect(got, `0x${word.toString(16)}`).toEqual(wanted);
    }
  }

  it("equals a linear search of the table on words of every row", () => {
    instructionTable.forEach((row, n) => {
      for (const word of wordsOf(row.encoding, 1000, n)) check(word);
    });
  });

  it("equals a linear search of the table on words one bit away from each row", () => {
    instructionTable.forEach((row, n) => {
      for (const word of wordsOf(row.encoding, 8, 1000 + n)) {
        for (let bit = 2; bit < 32; bit++) check((word ^ (1 << bit)) >>> 0);
      }
    });
  });

  it("equals a linear search of the table on random words", () => {
    const random = new Random(1);
    for (let n = 0; n < 100_000; n++) check((random.word() | 3) >>> 0);
  });
});
