import { describe, expect, it } from "vitest";
import { assemble } from "../../assembly/isa/assemble.js";

/** The 32-bit words of a listing. */
function words(text: string, origin?: bigint): string[] {
  const { bytes } = assemble(text, origin);
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 4 }, (_, n) =>
    view
      .getUint32(4 * n, true)
      .toString(16)
      .padStart(8, "0"),
  );
}

function hex(text: string, origin?: bigint): string {
  return Buffer.from(assemble(text, origin).bytes).toString("hex");
}

// Expectations put together by hand from the manual's formats.
describe("assemble", () => {
  it.each([
    ["addi a0, a1, -1", "fff58513"],
    ["ld ra, 8(sp)", "00813083"],
    ["ld ra, (sp)", "00013083"],
    ["sd x1, 16(x2)", "00113823"],
    ["jalr ra, 0(a0)", "000500e7"],
    ["lui a0, 0xfffff", "fffff537"],
    ["lr.w.aq a0, (a1)", "1405a52f"],
    ["sc.d.rl a0, a2, (a1)", "1ac5b52f"],
    ["amoadd.w.aqrl a0, a2, (a1)", "06c5a52f"],
    ["csrrw a0, mstatus, a1", "30059573"],
    ["csrrwi zero, 0x305, 31", "305fd073"],
    ["fadd.s fa0, fa1, fa2", "00c5f553"],
    ["fadd.s fa0, fa1, fa2, rtz", "00c59553"],
    ["fcvt.d.w fa0, a0", "d2050553"],
    ["fence rw, w", "0310000f"],
    ["fence.tso", "8330000f"],
    ["sfence.vma a0, a1", "12b50073"],
    ["cbo.zero (a0)", "0045200f"],
    ["prefetch.w 32(a0)", "02356013"],
    ["srai a0, a0, 63", "43f55513"],
  ])("%s", (text, word) => {
    expect(words(text)).toEqual([word]);
  });

  it.each([
    ["nop", "00000013"],
    ["mv a0, a1", "00058513"],
    ["ret", "00008067"],
    ["jr a0", "00050067"],
    ["csrr a0, mcause", "34202573"],
    ["csrw mtvec, t0", "30529073"],
    ["fence", "0ff0000f"],
    ["sfence.vma", "12000073"],
    ["unimp", "c0001073"],
    ["fneg.d fa0, fa1", "22b59553"],
    ["li a0, -2048", "80000513"],
  ])("pseudo-instruction %s", (text, word) => {
    expect(words(text)).toEqual([word]);
  });

  it("reaches labels before and after, numeric ones by direction", () => {
    expect(words("1: nop\n j 1b\n beqz a0, 1f\n nop\n1: j 1b\nend:")).toEqual([
      "00000013",
      "ffdff06f", // jal zero, -4
      "00050463", // beq a0, zero, +8
      "00000013",
      "0000006f", // the second 1, which is here
    ]);
  });

  it("takes a number as the address that a branch goes to", () => {
    expect(words("j 0x1010", 0x1000n)).toEqual(["0100006f"]);
  });

  it("makes la and call reach both ways from pc", () => {
    expect(words("la a0, target\n.align 4\ntarget:", 0x1000n).slice(0, 2)).toEqual(["00000517", "01050513"]);
    expect(words("target: call target", 0x1000n)).toEqual(["00000097", "000080e7"]);
    // The lower part is signed: a distance of 0x800 is one page less 0x800.
    expect(words("la a0, .+0x800").slice(0, 2)).toEqual(["00001517", "80050513"]);
  });

  it("lays out data, space and alignment", () => {
    expect(
      hex(".byte 1, -1\n.half 0x1234\n.word 0x80000000\n.dword -2\n.zero 3\nc.nop; .align 3\nhere: .dword here", 0n),
    ).toBe(`01ff3412${"00000080"}feffffffffffffff${"000000"}0100${"000000"}1800000000000000`);
    expect(hex(".byte 1\n.org 4\n.byte 2", 0n)).toBe("0100000002");
  });

  it("knows symbols of .equ, sums and products", () => {
    expect(words(".equ BASE, 0x10\n addi a0, a0, BASE+4*8-1")).toEqual(["02f50513"]);
  });

  it("ignores comments and case of mnemonics", () => {
    expect(words("NOP # comment\n// nothing\n nop // more")).toEqual(["00000013", "00000013"]);
  });

  it.each([
    ["nop\n addi a0, a0, 2048", "line 2: addi: imm = 2048, expected -2048 to 2047"],
    ["frobnicate a0", 'line 1: "frobnicate" is no instruction'],
    ["add.aq a0, a0, a0", 'line 1: "add.aq" is no instruction'],
    ["add a0, a0", "line 1: add: 2 operands, expected rd,rs1,rs2"],
    ["add a0, a0, fa0", 'line 1: "fa0" is not an integer register'],
    ["fadd.s fa0, fa1, fa2, up", 'line 1: "up" is no rounding mode'],
    ["j nowhere", 'line 1: "nowhere" is not defined here'],
    ["a:\na:", 'line 2: "a" is defined twice'],
    ["ld a0, 8", 'line 1: ld: "8", expected imm(rs1)'],
    ["lr.d a0, 8(a1)", "line 1: lr.d: takes no offset"],
    ["fence rx, w", 'line 1: "rx" is no set of iorw'],
    ["c.addi16sp a0, 16", 'line 1: c.addi16sp: "a0", expected x2'],
    [".byte 256", "line 1: 256 does not fit 1 bytes"],
    [".frob 1", 'line 1: ".frob" is no directive'],
  ])("refuses %j and says why", (text, message) => {
    expect(() => assemble(text)).toThrow(new RangeError(message));
  });
});

describe("li", () => {
  /** What a sequence of lui, addi, addiw and slli leaves, computed here from their definitions. */
  function value(text: string): bigint {
    let register = 0n;
    for (const word of words(text).map((w) => Number.parseInt(w, 16))) {
      const imm = BigInt(word >> 20);
      switch (word & 0x707f) {
        case 0x0013:
          register = ((word >>> 15) & 31 ? register : 0n) + imm;
          break;
        case 0x001b:
          register = BigInt.asIntN(32, register + imm);
          break;
        case 0x1013:
          register <<= imm & 63n;
          break;
        default:
          if ((word & 0x7f) !== 0x37) throw new Error(`unexpected ${word.toString(16)}`);
          register = BigInt(word & ~0xfff);
      }
      register = BigInt.asIntN(64, register);
    }
    return register;
  }

  it.each([
    0n,
    1n,
    -1n,
    2047n,
    2048n,
    -2049n,
    0x7fff_ffffn,
    0x7fff_f800n,
    -0x8000_0000n,
    0x8000_0000n,
    0xffff_ffffn,
    0x1234_5678_9abc_def0n,
    0x7fff_ffff_ffff_ffffn,
    -0x8000_0000_0000_0000n,
    0x8000_0000_0000_0800n,
    0x0000_0001_0000_0000n,
    0xffff_ffff_0000_0000n,
    0x0000_0fff_ffff_f800n,
    0x5555_5555_5555_5555n,
  ])("builds %i", (wanted) => {
    expect(value(`li a0, ${wanted}`)).toBe(BigInt.asIntN(64, wanted));
  });

  it("builds every power of two and its neighbours", () => {
    for (let n = 0n; n < 64n; n++) {
      for (const wanted of [(1n << n) - 1n, 1n << n, (1n << n) + 1n]) {
        expect(value(`li a0, ${wanted}`)).toBe(BigInt.asIntN(64, wanted));
      }
    }
  });
});
