import { beforeAll, describe, expect, it } from "vitest";
import { encode } from "../../assembly/isa/encode.js";
import { type CompiledDecoder, loadDecoder } from "./compiled-decoder.js";

// The expansions of RVC written out by hand from "C Standard Extension for Compressed Instructions", without the table.

const bit = (h: number, n: number) => (h >> n) & 1;
const bits = (h: number, high: number, low: number) => (h >> low) & (2 ** (high - low + 1) - 1);
const signed = (value: number, width: number) => (value << (32 - width)) >> (32 - width);

function expected(h: number): number {
  const rdShort = 8 + bits(h, 4, 2);
  const rs1Short = 8 + bits(h, 9, 7);
  const rd = bits(h, 11, 7);
  const rs2 = bits(h, 6, 2);
  const immediate = signed((bit(h, 12) << 5) | rs2, 6);
  const shamt6 = (bit(h, 12) << 5) | rs2;
  const wordOffset = (bit(h, 5) << 6) | (bits(h, 12, 10) << 3) | (bit(h, 6) << 2);
  const doubleOffset = (bits(h, 6, 5) << 6) | (bits(h, 12, 10) << 3);
  const wordStackLoad = (bits(h, 3, 2) << 6) | (bit(h, 12) << 5) | (bits(h, 6, 4) << 2);
  const doubleStackLoad = (bits(h, 4, 2) << 6) | (bit(h, 12) << 5) | (bits(h, 6, 5) << 3);
  const wordStackStore = (bits(h, 8, 7) << 6) | (bits(h, 12, 9) << 2);
  const doubleStackStore = (bits(h, 9, 7) << 6) | (bits(h, 12, 10) << 3);
  switch ((bits(h, 1, 0) << 3) | bits(h, 15, 13)) {
    case 0b00_000: {
      const imm = (bits(h, 10, 7) << 6) | (bits(h, 12, 11) << 4) | (bit(h, 5) << 3) | (bit(h, 6) << 2);
      return imm === 0 ? 0 : encode("addi", { rd: rdShort, rs1: 2, imm });
    }
    case 0b00_001:
      return encode("fld", { fd: rdShort, rs1: rs1Short, imm: doubleOffset });
    case 0b00_010:
      return encode("lw", { rd: rdShort, rs1: rs1Short, imm: wordOffset });
    case 0b00_011:
      return encode("ld", { rd: rdShort, rs1: rs1Short, imm: doubleOffset });
    case 0b00_101:
      return encode("fsd", { fs2: rdShort, rs1: rs1Short, imm: doubleOffset });
    case 0b00_110:
      return encode("sw", { rs2: rdShort, rs1: rs1Short, imm: wordOffset });
    case 0b00_111:
      return encode("sd", { rs2: rdShort, rs1: rs1Short, imm: doubleOffset });
    case 0b01_000:
      return encode("addi", { rd, rs1: rd, imm: immediate });
    case 0b01_001:
      return rd === 0 ? 0 : encode("addiw", { rd, rs1: rd, imm: immediate });
    case 0b01_010:
      return encode("addi", { rd, rs1: 0, imm: immediate });
    case 0b01_011: {
      if (immediate === 0) return 0;
      if (rd !== 2) return encode("lui", { rd, imm: immediate << 12 });
      const upper = (bit(h, 12) << 9) | (bits(h, 4, 3) << 7) | (bit(h, 5) << 6);
      return encode("addi", { rd: 2, rs1: 2, imm: signed(upper | (bit(h, 2) << 5) | (bit(h, 6) << 4), 10) });
    }
    case 0b01_100:
      return arithmetic(h, rs1Short, rdShort, immediate, shamt6);
    case 0b01_101: {
      const upper =
        (bit(h, 12) << 11) | (bit(h, 8) << 10) | (bits(h, 10, 9) << 8) | (bit(h, 6) << 7) | (bit(h, 7) << 6);
      const lower = (bit(h, 2) << 5) | (bit(h, 11) << 4) | (bits(h, 5, 3) << 1);
      return encode("jal", { rd: 0, imm: signed(upper | lower, 12) });
    }
    case 0b01_110:
    case 0b01_111: {
      const upper = (bit(h, 12) << 8) | (bits(h, 6, 5) << 6) | (bit(h, 2) << 5);
      const imm = signed(upper | (bits(h, 11, 10) << 3) | (bits(h, 4, 3) << 1), 9);
      return encode(bit(h, 13) ? "bne" : "beq", { rs1: rs1Short, rs2: 0, imm });
    }
    case 0b10_000:
      return encode("slli", { rd, rs1: rd, shamt6 });
    case 0b10_001:
      return encode("fld", { fd: rd, rs1: 2, imm: doubleStackLoad });
    case 0b10_010:
      return rd === 0 ? 0 : encode("lw", { rd, rs1: 2, imm: wordStackLoad });
    case 0b10_011:
      return rd === 0 ? 0 : encode("ld", { rd, rs1: 2, imm: doubleStackLoad });
    case 0b10_100:
      if (rs2 !== 0) return encode("add", { rd, rs1: bit(h, 12) ? rd : 0, rs2 });
      if (rd !== 0) return encode("jalr", { rd: bit(h, 12), rs1: rd, imm: 0 });
      return bit(h, 12) ? encode("ebreak") : 0;
    case 0b10_101:
      return encode("fsd", { fs2: rs2, rs1: 2, imm: doubleStackStore });
    case 0b10_110:
      return encode("sw", { rs2, rs1: 2, imm: wordStackStore });
    case 0b10_111:
      return encode("sd", { rs2, rs1: 2, imm: doubleStackStore });
    default:
      return 0;
  }
}

/** MISC-ALU: shifts, c.andi, and the register operations. */
function arithmetic(h: number, rd: number, rs2: number, imm: number, shamt6: number): number {
  switch (bits(h, 11, 10)) {
    case 0b00:
      return encode("srli", { rd, rs1: rd, shamt6 });
    case 0b01:
      return encode("srai", { rd, rs1: rd, shamt6 });
    case 0b10:
      return encode("andi", { rd, rs1: rd, imm });
  }
  const name = ["sub", "xor", "or", "and", "subw", "addw", "", ""][(bit(h, 12) << 2) | bits(h, 6, 5)]!;
  return name === "" ? 0 : encode(name, { rd, rs1: rd, rs2 });
}

describe("expand", () => {
  let decoder: CompiledDecoder;
  beforeAll(async () => {
    decoder = await loadDecoder();
  });

  it("gives each of the 65,536 halfwords the instruction the specification says, or none", () => {
    const wrong: string[] = [];
    for (let h = 0; h < 65536; h++) {
      const got = decoder.expand(h) >>> 0;
      const wanted = (h & 3) === 3 ? 0 : expected(h);
      if (got !== wanted) wrong.push(`${h.toString(16)}: ${got.toString(16)}, expected ${wanted.toString(16)}`);
    }
    expect(wrong).toEqual([]);
  });

  it.each([
    // 8 rows of 2,048; c.addi4spn loses 8 with immediate 0; 100 is reserved.
    [0, 6 * 2048 + 2040],
    // c.addiw loses 64 with rd = 0; c.lui and c.addi16sp 32 with immediate 0; MISC-ALU 128 reserved.
    [1, 2048 + 1984 + 2048 + 2016 + (3 * 512 + 256 + 128) + 3 * 2048],
    // c.lwsp and c.ldsp lose 64 each with rd = 0; of c.jr, c.mv, c.ebreak, c.jalr and c.add only c.jr x0 is missing.
    [2, 2 * 2048 + 2 * 1984 + (31 + 32 * 31 + 1 + 31 + 32 * 31) + 3 * 2048],
  ])("finds as many instructions in quadrant %i as the listings leave", (quadrant, count) => {
    let legal = 0;
    for (let h = quadrant; h < 65536; h += 4) if (decoder.expand(h) !== 0) legal++;
    expect(legal).toBe(count);
  });
});
