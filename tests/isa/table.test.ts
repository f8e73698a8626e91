import { describe, expect, it } from "vitest";
import { csrs } from "../../assembly/isa/csrs.js";
import { parseEncoding } from "../../assembly/isa/notation.js";
import { operations, SPECIAL_OPERATIONS } from "../../assembly/isa/operations.js";
import { compressedTable, instructionTable } from "../../assembly/isa/table.js";

// Instructions whose encodings lie within another's by design: Zicbop and Zihintpause took HINT space, and zext.h is
// packw with x0.
const SPECIALISATIONS = ["pause < fence", "prefetch.i < ori", "prefetch.r < ori", "prefetch.w < ori", "zext.h < packw"];

type Named = { readonly mnemonic: string; readonly encoding: { readonly mask: number; readonly match: number } };

/** Pairs with a word in common, as "special < general", or "a ? b" when neither contains the other. */
function overlaps(rows: readonly Named[]): string[] {
  const found: string[] = [];
  rows.forEach((a, n) => {
    for (const b of rows.slice(n + 1)) {
      const common = a.encoding.mask & b.encoding.mask;
      if ((a.encoding.match & common) !== (b.encoding.match & common)) continue;
      if (common === (b.encoding.mask | 0)) found.push(`${a.mnemonic} < ${b.mnemonic}`);
      else if (common === (a.encoding.mask | 0)) found.push(`${b.mnemonic} < ${a.mnemonic}`);
      else found.push(`${a.mnemonic} ? ${b.mnemonic}`);
    }
  });
  return found.sort();
}

describe("the instruction table", () => {
  it("names every instruction once", () => {
    const names = [...instructionTable, ...compressedTable].map((row) => row.mnemonic);
    expect(names).toEqual([...new Set(names)]);
  });

  it("has no two rows for one word, but for special cases by design", () => {
    expect(overlaps(instructionTable)).toEqual(SPECIALISATIONS);
  });

  it("marks every 32-bit encoding with 11 in its two low bits", () => {
    for (const { mnemonic, encoding } of instructionTable) {
      expect.soft([encoding.mask & 3, encoding.match & 3], mnemonic).toEqual([3, 3]);
    }
  });

  it("covers each bit of a row by exactly one field or fixed bit", () => {
    for (const { mnemonic, encoding } of [...instructionTable, ...compressedTable]) {
      let bits = encoding.mask;
      for (const slice of encoding.slices) {
        const field = (2 ** slice.width - 1) << slice.from;
        expect.soft(bits & field, mnemonic).toBe(0);
        bits |= field;
      }
      expect.soft(bits >>> 0, mnemonic).toBe(encoding.bitLength === 32 ? 0xffff_ffff : 0xffff);
    }
  });

  it("has compressed rows that overlap only where one is a special case, or a register number tells them apart", () => {
    // c.jr, c.jalr and c.ebreak have rs2 = 0, which c.mv and c.add exclude.
    expect(overlaps(compressedTable)).toEqual([
      "c.addi16sp < c.lui",
      "c.ebreak < c.add",
      "c.ebreak < c.jalr",
      "c.jalr < c.add",
      "c.jr < c.mv",
    ]);
  });

  it("expands every compressed row to an instruction it has", () => {
    for (const { mnemonic, expansion } of compressedTable) {
      const target = expansion.split(" ")[0];
      expect
        .soft(
          instructionTable.map((row) => row.mnemonic),
          mnemonic,
        )
        .toContain(target);
    }
  });

  it("numbers its operations densely from after the special ones", () => {
    expect(operations.map((operation) => operation.number)).toEqual(
      operations.map((_, n) => n + SPECIAL_OPERATIONS.length),
    );
  });
});

describe("a listing row", () => {
  it.each([
    ["0000000 rs2 rs1 000 rd 011001", '"0000000 rs2 rs1 000 rd 011001": covers 31 of 32 bits'],
    ["imm[11:0] rs1 000 rd 00100111", '"imm[11:0] rs1 000 rd 00100111": covers 33 of 32 bits'],
    ["imm[11:0] rsl 000 rd 0010011", '"imm[11:0] rsl 000 rd 0010011": unknown field "rsl"'],
  ])("%s is refused", (bits, message) => {
    expect(() => parseEncoding(bits, 32)).toThrow(message);
  });

  it("gives mask, match and the places of its operands", () => {
    // BEQ's row of "RV32I Base Instruction Set": imm[12|10:5] rs2 rs1 000 imm[4:1|11] 1100011.
    const { mask, match, slices } = parseEncoding("imm[12|10:5] rs2 rs1 000 imm[4:1|11] 1100011", 32);
    expect([mask, match]).toEqual([0x0000707f, 0x00000063]);
    expect(slices).toEqual([
      { field: "imm", from: 31, to: 12, width: 1 },
      { field: "imm", from: 25, to: 5, width: 6 },
      { field: "rs2", from: 20, to: 0, width: 5 },
      { field: "rs1", from: 15, to: 0, width: 5 },
      { field: "imm", from: 8, to: 1, width: 4 },
      { field: "imm", from: 7, to: 11, width: 1 },
    ]);
  });
});

describe("the CSR table", () => {
  it("has each number and each name once", () => {
    const numbers = csrs.map((csr) => csr.number);
    expect(numbers).toEqual([...new Set(numbers)]);
    const names = csrs.map((csr) => csr.name);
    expect(names).toEqual([...new Set(names)]);
  });

  it("names the privilege a register needs as the bits 9:8 of its number do", () => {
    for (const { name, number } of csrs) {
      const privilege = (number >> 8) & 3;
      if (/^s(?!top)/.test(name)) expect.soft(privilege, name).toBe(1);
      if (/^m|^pmp/.test(name)) expect.soft(privilege, name).toBe(3);
    }
  });
});
