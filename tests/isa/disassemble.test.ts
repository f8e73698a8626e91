import { describe, expect, it } from "vitest";
import { assemble } from "../../assembly/isa/assemble.js";
import { disassemble } from "../../assembly/isa/disassemble.js";
import { instructionTable } from "../../assembly/isa/table.js";
import { halfwords, Random, wordsOf } from "./words.js";

describe("disassemble", () => {
  it.each([
    [0xfff58513, "addi a0,a1,-1"],
    [0x00813083, "ld ra,8(sp)"],
    [0x00008067, "jalr zero,0(ra)"],
    [0xfeb50ee3, "beq a0,a1,0x80000ffc"],
    [0x12345537, "lui a0,0x12345"],
    [0x30529073, "csrrw zero,mtvec,t0"],
    [0x7c002573, "csrrs a0,0x7c0,zero"],
    [0x06c5a52f, "amoadd.w.aqrl a0,a2,(a1)"],
    [0x00c59553, "fadd.s fa0,fa1,fa2,rtz"],
    [0x00c5f553, "fadd.s fa0,fa1,fa2"],
    [0x0ff0000f, "fence iorw,iorw"],
    [0x8330000f, "fence.tso"],
    [0x0100000f, "pause"],
    [0x43f55513, "srai a0,a0,0x3f"],
    [0x8082, "c.jr ra"],
    [0x717d, "c.addi16sp sp,-16"],
    [0xbffd, "c.j 0x80000ffe"],
    [0x757d, "c.lui a0,0xfffff"],
  ])("0x%s", (word, text) => {
    expect(disassemble(word, 0x8000_1000n)).toBe(text);
  });

  it.each([
    ["no instruction", 0xffffffff, ".word 0xffffffff"],
    ["the halfword zero", 0x0000, ".half 0x0000"],
    ["a reserved rounding mode", 0x00c5d553, ".word 0x00c5d553"],
    ["a fence with a register", 0x0ff5000f, ".word 0x0ff5000f"],
  ])("shows %s as data", (_, word, text) => {
    expect(disassemble(word)).toBe(text);
  });

  it("wraps targets at the end of the address space", () => {
    expect(disassemble(0xffdff06f, 0n)).toBe("jal zero,0xfffffffffffffffc");
    expect(disassemble(0x0080006f, 0xffff_ffff_ffff_fffcn)).toBe("jal zero,0x4");
  });

  it("writes what assembles to the same word, for words of every row", () => {
    const pc = 0x8000_0000n;
    for (const [n, row] of instructionTable.entries()) {
      for (const word of wordsOf(row.encoding, 100, n)) {
        const text = disassemble(word, pc);
        const { bytes } = assemble(text, pc);
        expect(Buffer.from(bytes).readUInt32LE(), text).toBe(word);
      }
    }
  });

  it("writes what assembles to the same word, for random words", () => {
    const random = new Random(7);
    for (let n = 0; n < 5000; n++) {
      const word = (random.word() | 3) >>> 0;
      expect(Buffer.from(assemble(disassemble(word, 0n), 0n).bytes).readUInt32LE()).toBe(word);
    }
  });

  it("writes what assembles to the same halfword, for every halfword", () => {
    const pc = 0x8000_0000n;
    for (const h of halfwords) {
      const { bytes } = assemble(disassemble(h, pc), pc);
      if (bytes.length !== 2 || (bytes[0]! | (bytes[1]! << 8)) !== h) expect.fail(disassemble(h, pc));
    }
  });
});
