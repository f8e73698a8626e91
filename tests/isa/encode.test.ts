import { describe, expect, it } from "vitest";
import { encode, encodeCompressed } from "../../assembly/isa/encode.js";

// Words are from the manual's formats, put together by hand.
describe("encode", () => {
  it.each([
    ["addi", { rd: 1, rs1: 2, imm: -1 }, 0xfff10093],
    ["lui", { rd: 5, imm: 0x12345000 }, 0x123452b7],
    ["lui", { rd: 5, imm: -4096 }, 0xfffff2b7],
    ["sd", { rs1: 2, rs2: 1, imm: 8 }, 0x00113423],
    ["beq", { rs1: 10, rs2: 11, imm: -4 }, 0xfeb50ee3],
    ["jal", { rd: 1, imm: 2048 }, 0x001000ef],
    ["srai", { rd: 1, rs1: 1, shamt6: 63 }, 0x43f0d093],
    ["csrrw", { rd: 0, csr: 0x305, rs1: 5 }, 0x30529073],
    ["csrrwi", { rd: 0, csr: 0x300, uimm5: 31 }, 0x300fd073],
    ["amoadd.w", { rd: 10, rs1: 11, rs2: 12, aq: 1, rl: 1 }, 0x06c5a52f],
    ["fmadd.d", { fd: 0, fs1: 1, fs2: 2, fs3: 3 }, 0x1a20f043],
    ["fence", {}, 0x0ff0000f],
    ["fence", { fm: 8, pred: 3, succ: 3 }, 0x8330000f],
    ["ecall", {}, 0x00000073],
  ])("gives the word of %s %o", (mnemonic, operands, word) => {
    expect(encode(mnemonic, operands)).toBe(word);
  });

  it.each([
    ["addi", { rd: 1, rs1: 2, imm: 2048 }, "addi: imm = 2048, expected -2048 to 2047"],
    ["addi", { rd: 32, rs1: 2, imm: 0 }, "addi: rd = 32, expected 0 to 31"],
    ["jal", { rd: 1, imm: 3 }, "jal: imm = 3, expected -1048576 to 1048574, a multiple of 2"],
    ["lui", { rd: 1, imm: 1 }, "lui: imm = 1, expected -2147483648 to 2147479552, a multiple of 4096"],
    ["add", { rd: 1, rs1: 2 }, 'add: operand "rs2" is missing'],
    ["add", { rd: 1, rs1: 2, rs2: 3, imm: 1 }, 'add: has no operand "imm", only rs2, rs1, rd'],
    ["addi", { rd: 1, rs1: 2, imm: 0.5 }, "addi: imm = 0.5 is no integer"],
    ["slliw", { rd: 1, rs1: 2, shamt5: 32 }, "slliw: shamt5 = 32, expected 0 to 31"],
    ["addq", {}, '"addq" is no 32-bit instruction of this machine'],
  ])("says what is wrong with %s %o", (mnemonic, operands, message) => {
    expect(() => encode(mnemonic, operands)).toThrow(new RangeError(message));
  });
});

describe("encodeCompressed", () => {
  it.each([
    ["c.addi4spn", { rd: 8, imm: 4 }, 0x0040],
    ["c.ld", { rd: 15, rs1: 8, imm: 248 }, 0x7c7c],
    ["c.addi", { rd: 10, imm: -1 }, 0x157d],
    ["c.addi16sp", { imm: -16 }, 0x717d],
    ["c.lui", { rd: 10, imm: -4096 }, 0x757d],
    ["c.j", { imm: -2 }, 0xbffd],
    ["c.jr", { rs1: 1 }, 0x8082],
    ["c.ebreak", {}, 0x9002],
    ["c.sdsp", { rs2: 1, imm: 8 }, 0xe406],
  ])("gives the halfword of %s %o", (mnemonic, operands, halfword) => {
    expect(encodeCompressed(mnemonic, operands)).toBe(halfword);
  });

  it.each([
    ["c.addi4spn", { rd: 8, imm: 0 }, "c.addi4spn: imm = 0 is reserved"],
    ["c.lw", { rd: 7, rs1: 8, imm: 0 }, "c.lw: rd = 7, expected 8 to 15"],
    ["c.jr", { rs1: 0 }, "c.jr: rs1 = 0, expected 1 to 31"],
    ["c.lui", { rd: 2, imm: 4096 }, "c.lui: these operands make it c.addi16sp"],
  ])("says what is wrong with %s %o", (mnemonic, operands, message) => {
    expect(() => encodeCompressed(mnemonic, operands)).toThrow(new RangeError(message));
  });
});
