import { beforeAll, describe, expect, it } from "vitest";
import { instructionTable } from "../../../assembly/isa/table.js";
import { Bench, hex, rows } from "./bench.js";

// Results worked out by hand from the definitions in the Unprivileged ISA: RV64I, M, Zba, Zbb, Zbc, Zbs, Zbkb, Zbkx
// and Zicond. Names of values: bench.ts.

/** rs1 rs2 = rd */
const REGISTER_REGISTER = `
  add        1 2 = 3 | M 1 = 0 | MAX 1 = MIN | MIN MIN = 0 | X 0 = X
  sub        3 2 = 1 | 0 1 = M | MIN 1 = MAX | MAX M = MIN | X X = 0
  sll        1 63 = MIN | 1 64 = 1 | 1 65 = 2 | X 4 = 0x1234_5678_9abc_def0 | M M = MIN
  slt        M 0 = 1 | 0 M = 0 | MIN MAX = 1 | MAX MIN = 0 | 5 5 = 0
  sltu       M 0 = 0 | 0 M = 1 | MIN MAX = 0 | MAX MIN = 1 | 5 5 = 0
  xor        0b1100 0b1010 = 0b0110 | X X = 0 | X M = ~X
  or         0b1100 0b1010 = 0b1110 | X 0 = X | X M = M
  and        0b1100 0b1010 = 0b1000 | X 0 = 0 | X M = X
  srl        MIN 63 = 1 | MIN 64 = MIN | M 4 = M>>4 | X 0x104 = X>>4
  sra        MIN 63 = M | MIN 64 = MIN | M 4 = M | MAX 62 = 1 | MIN 4 = 0xf800_0000_0000_0000
  addw       MAX32 1 = MIN32 | 0x1_0000_0000 5 = 5 | M 1 = 0 | MIN32 MIN32 = 0 | 0xffff_ffff 0 = M
  subw       0 1 = M | MIN32 1 = MAX32 | 0x1_0000_0000 1 = M | 0x8000_0000 0 = MIN32
  sllw       1 31 = MIN32 | 1 32 = 1 | 0xffff_ffff_0000_0001 4 = 0x10 | 0xffff_ffff 63 = MIN32
  srlw       0x8000_0000 31 = 1 | 0x8000_0000 32 = MIN32 | M 4 = 0x0fff_ffff | 0xf_0000_0000 0 = 0
  sraw       0x8000_0000 31 = M | MAX32 30 = 1 | 0xf_0000_0000 4 = 0 | 0x8000_0000 33 = 0xffff_ffff_c000_0000
  mul        3 5 = 15 | M M = 1 | MIN 2 = 0 | 0x1_0000_0001 0x1_0000_0001 = 0x2_0000_0001 | MIN M = MIN
  mulh       M M = 0 | MIN MIN = 1<<62 | MIN MAX = 0xc000_0000_0000_0000 | M 1 = M | MAX MAX = 0x3fff_ffff_ffff_ffff
  mulh       MIN M = 0 | M MIN = 0
  mulhu      M M = M-1 | MIN MIN = 1<<62 | MIN 2 = 1 | M 1 = 0 | M 2 = 1 | 0xffff_ffff 0x1_0000_0001 = 0
  mulhsu     M M = M | MIN M = MIN | MIN MIN = 0xc000_0000_0000_0000 | M 1 = M | 1 M = 0 | MAX M = MAX-1
  div        7 2 = 3 | -7 2 = -3 | 7 -2 = -3 | 5 0 = M | MIN M = MIN | 0 0 = M | MIN 1 = MIN | MAX M = MIN+1
  divu       7 2 = 3 | M 2 = MAX | 5 0 = M | MIN M = 0 | M M = 1 | M 1 = M
  rem        7 2 = 1 | -7 2 = M | 7 -2 = 1 | 5 0 = 5 | MIN M = 0 | -5 0 = -5 | MIN 3 = -2
  remu       7 2 = 1 | M 2 = 1 | 5 0 = 5 | MIN M = MIN | M M = 0
  mulw       3 5 = 15 | 0x1_0000 0x1_0000 = 0 | 0x8000_0000 3 = MIN32 | M M = 1 | 0x5_0000_0003 0x7_0000_0002 = 6
  divw       7 2 = 3 | -7 2 = -3 | 5 0 = M | MIN32 M = MIN32 | 0x1_0000_0008 0xf_0000_0002 = 4
  divw       0x8000_0000 0xffff_ffff = MIN32
  divuw      7 2 = 3 | 0xffff_ffff 1 = M | 5 0 = M | M 2 = MAX32 | 0x1_0000_0008 2 = 4 | 0x8000_0000 0xffff_ffff = 0
  remw       7 2 = 1 | -7 2 = M | MIN32 M = 0 | 0x8000_0000 0 = MIN32 | 0x1_0000_0007 4 = 3
  remuw      7 2 = 1 | M 0 = M | 0x8000_0001 0 = 0xffff_ffff_8000_0001 | M 16 = 15 | 0xffff_ffff 0x8000_0000 = MAX32
  add.uw     M 1 = 0x1_0000_0000 | 0x1_0000_0002 3 = 5 | 0 M = M
  sh1add     MIN+1 1 = 3 | 5 7 = 17 | M 0 = -2
  sh2add     5 7 = 27 | 1<<62 1 = 1
  sh3add     5 7 = 47 | M 9 = 1
  sh1add.uw  M 1 = 0x1_ffff_ffff | 0x1_0000_0003 1 = 7
  sh2add.uw  M 1 = 0x3_ffff_fffd | 0xf_0000_0003 1 = 13
  sh3add.uw  M 1 = 0x7_ffff_fff9 | 0xf_0000_0003 1 = 25
  andn       0b1100 0b1010 = 0b0100 | M X = ~X | X M = 0
  orn        0b1100 M = 0b1100 | 0 X = ~X | 0 0 = M
  xnor       0b1100 ~0b1010 = 0b0110 | X X = M | X 0 = ~X
  max        M 0 = 0 | MIN MAX = MAX | 5 5 = 5 | -1 -2 = M
  maxu       M 0 = M | MIN MAX = MIN | 5 6 = 6
  min        M 0 = M | MIN MAX = MIN | 5 5 = 5
  minu       M 0 = 0 | MIN MAX = MAX | 5 6 = 5
  rol        X 4 = 0x1234_5678_9abc_def0 | MIN 1 = 1 | X 64 = X | X 0x44 = 0x1234_5678_9abc_def0
  ror        X 4 = 0xf012_3456_789a_bcde | 1 1 = MIN | X 64 = X
  rolw       0x8000_0000 1 = 1 | 0xf_4000_0000 1 = MIN32 | 0x1234_5678 36 = 0x2345_6781 | 0x8000_0000 32 = MIN32
  rorw       1 1 = MIN32 | 0xf_0000_0002 1 = 1 | 0x1234_5678 36 = 0xffff_ffff_8123_4567
  bclr       M 0 = M-1 | M 63 = MAX | M 64 = M-1 | 0 5 = 0
  bext       MIN 63 = 1 | MIN 62 = 0 | 1 64 = 1
  binv       0 63 = MIN | MIN 63 = 0 | 0 64 = 1
  bset       0 63 = MIN | MIN 63 = MIN | 0 127 = MIN
  czero.eqz  X 0 = 0 | X 1 = X | X MIN = X | 0 1 = 0
  czero.nez  X 0 = X | X 1 = 0 | X 1<<32 = 0
  clmul      3 3 = 5 | M 2 = M-1 | MIN 2 = 0 | X 1 = X | M M = 0x5555_5555_5555_5555
  clmulh     MIN 2 = 1 | MIN MIN = 1<<62 | 3 3 = 0 | M M = 0x5555_5555_5555_5555
  clmulr     MIN 2 = 2 | MIN MIN = MIN | MIN X = X | MIN 1 = 1 | 3 3 = 0
  pack       0x1111_1111_89ab_cdef 0x2222_2222_0123_4567 = X | M 0 = 0xffff_ffff
  packh      0x1234_56ef 0x1234_56cd = 0xcdef | M 0 = 0xff | 0 M = 0xff00
  packw      0x1234_cdef 0x5678_89ab = 0xffff_ffff_89ab_cdef | M 0 = 0xffff
  xperm4     X 0 = 0xffff_ffff_ffff_ffff | X X = 0xfedc_ba98_7654_3210 | 0xfedc_ba98_7654_3210 X = X
  xperm8     0x8877_6655_4433_2211 0x0001_0203_0405_0607 = 0x1122_3344_5566_7788
  xperm8     M 0x0801_ff07_0000_1000 = 0x00ff_00ff_ffff_00ff
`;

/** rs1 = rd */
const ONE_REGISTER = `
  clz        0 = 64 | 1 = 63 | MIN = 0 | M = 0 | 0xffff_ffff = 32
  clzw       0 = 32 | 1 = 31 | 0xffff_ffff_0000_0000 = 32 | 0x8000_0000 = 0 | 0xf_0000_00ff = 24
  ctz        0 = 64 | 1 = 0 | MIN = 63 | M = 0
  ctzw       0 = 32 | 0x8000_0000 = 31 | 0x1_0000_0000 = 32 | 0xf_0000_0008 = 3
  cpop       0 = 0 | M = 64 | X = 32 | MIN = 1
  cpopw      M = 32 | 0xffff_ffff_0000_0001 = 1 | 0 = 0
  sext.b     0x80 = -128 | 0x17f = 0x7f | 0xff = M
  sext.h     0x8000 = -32768 | 0x1_7fff = 0x7fff
  zext.h     M = 0xffff | 0x1_8000 = 0x8000
  orc.b      0 = 0 | M = M | 0x0100_8000_0001_7f00 = 0xff00_ff00_00ff_ff00
  orc.b      0x8000_0000_0000_0000 = 0xff00_0000_0000_0000
  rev8       X = 0xefcd_ab89_6745_2301 | 1 = 1<<56
  brev8      0x01 = 0x80 | 0x0123_4567_89ab_cdef = 0x80c4_a2e6_91d5_b3f7 | M = M
`;

/** rs1 immediate = rd */
const REGISTER_IMMEDIATE = `
  addi       1 -1 = 0 | MAX 1 = MIN | 0 -2048 = -2048 | 0 2047 = 2047
  slti       M 0 = 1 | 0 -1 = 0 | MIN -2048 = 1 | 2047 2047 = 0
  sltiu      0 -1 = 1 | M -1 = 0 | M-1 -1 = 1 | 0 1 = 1 | 1 1 = 0
  xori       X -1 = ~X | 0 2047 = 2047
  ori        0 -1 = M | X 0 = X | 0 0x7ff = 0x7ff
  andi       M -1 = M | X 0xff = 0xef | M -2048 = -2048
  slli       1 63 = MIN | X 0 = X | 1 32 = 0x1_0000_0000
  srli       MIN 63 = 1 | X 0 = X | M 32 = 0xffff_ffff
  srai       MIN 63 = M | MAX 62 = 1 | MIN 32 = MIN32
  addiw      MAX32 1 = MIN32 | 0x1_0000_0000 0 = 0 | M 1 = 0 | 0xffff_ffff 0 = M
  slliw      1 31 = MIN32 | 0xffff_ffff_0000_0001 0 = 1 | 0x8000_0000 0 = MIN32
  srliw      0x8000_0000 31 = 1 | 0x8000_0000 0 = MIN32 | M 1 = MAX32
  sraiw      0x8000_0000 31 = M | 0x7_8000_0000 4 = 0xffff_ffff_f800_0000 | MAX32 0 = MAX32
  slli.uw    M 4 = 0xf_ffff_fff0 | 0xf_0000_0001 63 = MIN | M 0 = 0xffff_ffff
  rori       1 1 = MIN | X 0 = X | X 60 = 0x1234_5678_9abc_def0
  roriw      1 1 = MIN32 | 0x8000_0000 0 = MIN32 | 0xf_0000_0002 1 = 1
  bclri      M 63 = MAX | M 0 = M-1
  bexti      MIN 63 = 1 | MIN 0 = 0
  binvi      0 63 = MIN | 1 0 = 0
  bseti      0 63 = MIN | 0 31 = 0x8000_0000
`;

/** Tested below, or doing nothing. */
const ELSEWHERE = ["lui", "auipc", "fence", "fence.i", "prefetch.i", "prefetch.r", "prefetch.w"];

describe("integer instructions", () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await Bench.create();
  });

  it.each(rows(REGISTER_REGISTER))("$name $operands gives $result", ({ name, values: [a1, a2, wanted] }) => {
    const registers = { a1: a1!, a2: a2! };
    expect(hex(bench.result(`${name} a0, a1, a2`, registers))).toBe(hex(wanted!));
    // The destination may be a source.
    expect(hex(bench.result(`${name} a1, a1, a2`, registers, "a1"))).toBe(hex(wanted!));
    expect(hex(bench.result(`${name} a2, a1, a2`, registers, "a2"))).toBe(hex(wanted!));
    expect(bench.result(`${name} zero, a1, a2`, registers, "zero")).toBe(0n);
  });

  it.each(rows(ONE_REGISTER))("$name $operands gives $result", ({ name, values: [a1, wanted] }) => {
    expect(hex(bench.result(`${name} a0, a1`, { a1: a1! }))).toBe(hex(wanted!));
    expect(hex(bench.result(`${name} a1, a1`, { a1: a1! }, "a1"))).toBe(hex(wanted!));
    expect(bench.result(`${name} zero, a1`, { a1: a1! }, "zero")).toBe(0n);
  });

  it.each(rows(REGISTER_IMMEDIATE))("$name $operands gives $result", ({ name, values: [a1, immediate, wanted] }) => {
    const text = BigInt.asIntN(64, immediate!);
    expect(hex(bench.result(`${name} a0, a1, ${text}`, { a1: a1! }))).toBe(hex(wanted!));
    expect(hex(bench.result(`${name} a1, a1, ${text}`, { a1: a1! }, "a1"))).toBe(hex(wanted!));
    expect(bench.result(`${name} zero, a1, ${text}`, { a1: a1! }, "zero")).toBe(0n);
  });

  it.each([
    ["lui a0, 0x7ffff", 0x7fff_f000n],
    ["lui a0, 0x80000", 0xffff_ffff_8000_0000n],
    ["auipc a0, 0", 0x8000_0000n],
    ["auipc a0, 0xfffff", 0x7fff_f000n],
    ["auipc a0, 0x80000", 0n],
  ])("%s", (text, wanted) => {
    expect(hex(bench.result(text, {}))).toBe(hex(wanted));
  });

  it.each(["fence", "fence.tso", "fence.i", "prefetch.i 0(a1)", "prefetch.r 0(a1)", "prefetch.w 0(a1)"])(
    "%s leaves the registers alone and faults nowhere",
    (text) => {
      bench.execute(text, { a0: 5n, a1: 0x1000n });
      expect([bench.x("a0"), bench.x("a1"), bench.x("ra")]).toEqual([5n, 0x1000n, 0n]);
    },
  );

  it("has a result for every integer instruction of the table", () => {
    const tested = new Set([REGISTER_REGISTER, ONE_REGISTER, REGISTER_IMMEDIATE].flatMap(rows).map((row) => row.name));
    const integer = instructionTable.filter((row) => row.kind === "integer" || row.kind === "relative");
    const missing = integer.map((row) => row.mnemonic).filter((name) => !tested.has(name) && !ELSEWHERE.includes(name));
    expect(missing).toEqual([]);
  });
});
